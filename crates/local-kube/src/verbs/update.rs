//! Changing objects: by replacement and by patch.

use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use super::{Answer, Refused, Request, delete::is_free, form, lost};
use crate::{
    LocalKube, Operation,
    kinds::{CRDS, Form, Kind},
    metadata, patch, quota,
    status::{self, Result, cause},
    store::{Expect, Key, Object, View},
};

/// How often a patch is applied anew to an object that others write meanwhile.
const ATTEMPTS: usize = 16;

pub(crate) async fn update(kube: &LocalKube, request: &mut Request, body: &[u8]) -> Result<Answer> {
    let new = super::read_body(request, body)?;
    let (key, old) = request.stored(kube)?;
    change(kube, request, &key, &old, new).await
}

pub(crate) async fn apply_patch(
    kube: &LocalKube,
    request: &mut Request,
    content_type: &str,
    body: &[u8],
) -> Result<Answer> {
    let mut attempt = 1;
    loop {
        let (key, old) = request.stored(kube)?;
        let new = patched(request, content_type, &old.value, body)?;
        let insists =
            new["metadata"]["resourceVersion"] != old.value["metadata"]["resourceVersion"];
        match change(kube, request, &key, &old, new).await {
            Err(error) if error.reason == "Conflict" && !insists && attempt < ATTEMPTS => {
                attempt += 1
            }
            answer => return answer,
        }
    }
}

fn patched(request: &Request, content_type: &str, old: &Value, body: &[u8]) -> Result<Value> {
    const OF_ALL: &str = "application/json-patch+json, application/merge-patch+json";
    const BUILT_IN: &str = "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json";
    let custom = matches!(request.kind.form, Form::Custom { .. });
    let read = || {
        serde_json::from_slice::<Value>(body)
            .map_err(|error| status::bad_request(format!("error decoding patch: {error}")))
    };
    let mut new = old.clone();
    match content_type {
        "application/json-patch+json" => patch::json_patch(&mut new, &read()?)?,
        "application/merge-patch+json" => patch::merge_patch(&mut new, &read()?)?,
        "application/strategic-merge-patch+json" if !custom => {
            patch::strategic_merge(&mut new, &read()?)?;
        }
        _ => return Err(status::unsupported_media_type(if custom { OF_ALL } else { BUILT_IN })),
    }
    Ok(new)
}

/// Replaces `old`, which was read from the store, by what the client made of it.
async fn change(
    kube: &LocalKube,
    request: &mut Request,
    key: &Key,
    old: &Arc<Object>,
    mut new: Value,
) -> Result<Answer> {
    let kind = request.kind.clone();
    super::claim(&kind, request.namespace.as_deref(), &mut new)?;
    check_identity(&kind, &key.name, old, &new)?;
    let mut new = match request.subresource.as_deref() {
        Some("status") => {
            let mut whole = old.value.clone();
            whole["status"] = form::shape(request, new)?["status"].take();
            whole
        }
        _ => {
            if kind.has_status {
                new["status"] = old.value["status"].clone();
            }
            form::shape(request, new)?
        }
    };
    settle(&kind, &key.name, &old.value, &mut new)?;
    form::check(&kind, &new)?;
    let mut new = request.admitted(kube, Operation::Update, &key.name, new, &old.value).await?;
    new = form::shaped(&kind, new)?.0;
    metadata::count_generation(&old.value, &mut new);
    form::check(&kind, &new)?;
    form::check_change(&kind, &old.value, &new)?;
    new["metadata"]["resourceVersion"] = old.version.to_string().into();
    if new == old.value {
        return Ok(Answer::Object(StatusCode::OK, old.clone()));
    }
    if request.query.dry_run {
        kube.store().look(|view| quota::check(view, &kind, key, &old.value, &new))?;
        return Ok(Answer::Object(StatusCode::OK, Arc::new(Object::unstored(new))));
    }
    let (store, resource) = (kube.store(), &kind.resource);
    let written = match is_free(&new) {
        true => store.remove(resource, key, new, old.version).map_err(Refused::from),
        false => {
            let after = new.clone();
            let within_quota =
                |view: &View<'_>| Ok(quota::check(view, &kind, key, &old.value, &after)?);
            store.put_if(resource, key, new, Expect::Version(old.version), within_quota)
        }
    };
    let written = written.map_err(|refused| match refused {
        Refused::Status(status) => status,
        Refused::Lost(why) => lost(&kind, &key.name)(why),
    })?;
    kube.written(&kind.resource);
    Ok(Answer::Object(StatusCode::OK, written))
}

/// What holds for every update, whoever makes it.
fn settle(kind: &Kind, name: &str, old: &Value, new: &mut Value) -> Result<()> {
    metadata::carry_over(old, new);
    if kind.resource == CRDS {
        new["status"] = crate::kinds::status_of_definition(new, &metadata::now());
    }
    if old["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let finalizers = |object: &Value| -> Vec<Value> {
        object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default()
    };
    let known = finalizers(old);
    match finalizers(new).into_iter().find(|it| !known.contains(it)) {
        None => Ok(()),
        Some(added) => {
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{added}}}"
            );
            let cause = cause::forbidden("metadata.finalizers", &why);
            Err(status::invalid(kind.by_kind(), name, vec![cause]))
        }
    }
}

/// The client must mean the object that is stored, in the state that it knows.
fn check_identity(kind: &Kind, name: &str, old: &Object, new: &Value) -> Result<()> {
    let metadata = &new["metadata"];
    let text = |field: &str| metadata[field].as_str().unwrap_or_default();
    if !["", name].contains(&text("name")) || text("name").is_empty() {
        return Err(status::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({name})",
            text("name")
        )));
    }
    let uid = old.value["metadata"]["uid"].as_str().unwrap_or_default();
    if !["", uid].contains(&text("uid")) {
        let why = format!(
            "Precondition failed: UID in precondition: {}, UID in object meta: {uid}",
            text("uid")
        );
        return Err(status::conflict(kind.by_resource(), name, &why));
    }
    match text("resourceVersion") {
        "" | "0" => Ok(()),
        version if version.parse() == Ok(old.version) => Ok(()),
        _ => Err(status::modified(kind.by_resource(), name)),
    }
}
