//! Changing objects: by replacement and by patch.

use std::sync::Arc;

use http::StatusCode;
use kube::core::Status;
use serde_json::{Map, Value};

use super::{Answer, Patching, Refused, Request, delete::is_free, form, lost};
use crate::{
    LocalKube, Operation,
    apply::{self, Manager},
    built_in,
    kinds::{CRDS, Form, Kind},
    metadata, patch, quota,
    status::{self, Result, cause},
    store::{Expect, Key, Object, View},
};

const APPLY: &str = "application/apply-patch+yaml";

/// How often a patch is applied anew to an object that others write meanwhile.
const ATTEMPTS: usize = 16;

pub(crate) async fn update(kube: &LocalKube, request: &mut Request, body: &[u8]) -> Result<Answer> {
    let new = super::read_body(request, body)?;
    let (key, old) = request.stored(kube)?;
    if new["metadata"]["resourceVersion"].is_null() && !may_overwrite(&request.kind) {
        let field = "metadata.resourceVersion";
        let cause = cause::invalid(field, &0.into(), "must be specified for an update");
        return Err(status::invalid(request.kind.by_resource(), &key.name, vec![cause]));
    }
    change(kube, request, &key, &old, new, false).await
}

pub(crate) async fn apply_patch(
    kube: &LocalKube,
    request: &mut Request,
    content_type: &str,
    body: &[u8],
) -> Result<Answer> {
    if request.query.force && content_type != APPLY {
        let cause = cause::forbidden("force", "may not be specified for non-apply patch");
        return Err(status::invalid_options("PatchOptions", cause));
    }
    let mut attempt = 1;
    loop {
        request.warnings.clear();
        let answer = match content_type {
            APPLY => applied(kube, request, body).await,
            _ => {
                let (key, old) = request.stored(kube)?;
                let new = patched(request, content_type, &old.value, body)?;
                let known = &old.value["metadata"]["resourceVersion"];
                let insists = new["metadata"]["resourceVersion"] != *known;
                if insists {
                    attempt = ATTEMPTS;
                }
                change(kube, request, &key, &old, new, false).await
            }
        };
        match answer {
            Err(error) if is_race(&error) && attempt < ATTEMPTS => attempt += 1,
            answer => return answer,
        }
    }
}

/// Whether somebody else wrote first; fields in conflict also answer 409, and stay in conflict.
fn is_race(error: &Status) -> bool {
    let causes = error.details.as_ref().is_some_and(|details| !details.causes.is_empty());
    error.code == 409 && !causes
}

/// Server-side apply, which also creates.
async fn applied(kube: &LocalKube, request: &mut Request, body: &[u8]) -> Result<Answer> {
    let kind = request.kind.clone();
    let name = request.name.clone().unwrap_or_default();
    let Some(manager) = request.query.field_manager.clone() else {
        let cause = cause::required("fieldManager", "is required for apply patch");
        return Err(status::invalid_options("PatchOptions", cause));
    };
    let text = str::from_utf8(body).map_err(|error| status::bad_request(error.to_string()))?;
    let mut configuration: Value = serde_saphyr::from_str(text)
        .map_err(|error| status::bad_request(format!("error decoding YAML: {error}")))?;
    let given = |field: &str| configuration[field].as_str().unwrap_or_default();
    if given("apiVersion").is_empty() || given("kind").is_empty() {
        let (group, version) = given("apiVersion").split_once('/').unwrap_or_default();
        let why = format!("invalid object type: {group}/{version}, Kind={}", given("kind"));
        return Err(status::bad_request(why));
    }
    let given = configuration["metadata"]["namespace"].clone();
    super::claim(&kind, request.namespace.as_deref(), &mut configuration)?;
    if given.is_null() {
        // What is wrong with it is told of the object as the client named it.
        metadata::remove(&mut configuration["metadata"], "namespace");
    }
    if configuration["metadata"]["name"].is_null() {
        configuration["metadata"]["name"] = name.as_str().into();
    }
    let (_, unknown) = form::shaped(&kind, None, configuration.clone())?;
    if !unknown.is_empty() {
        return Err(apply::undeclared(&configuration, &unknown));
    }
    let key = request.key(&name);
    let old = kube.store().get(&kind.resource, &key);
    if old.is_none() && request.subresource.is_some() {
        return Err(status::not_found(kind.by_resource(), &name));
    }
    let live = old.as_ref().map_or(&Value::Null, |it| &it.value);
    let manager = Manager {
        name: &manager,
        api_version: &kind.api_version(),
        subresource: request.subresource.as_deref().unwrap_or_default(),
        applies: true,
    };
    let force = request.query.force;
    let now = metadata::now();
    let mut new = apply::apply(live, &configuration, &manager, force, kind.shape(), &now)?;
    super::claim(&kind, request.namespace.as_deref(), &mut new)?;
    match old {
        Some(old) => change(kube, request, &key, &old, new, true).await,
        None => super::create::create_object(kube, request, new, true).await,
    }
}

/// Whether a client may replace an object without saying which version it knows.
fn may_overwrite(kind: &Kind) -> bool {
    let custom = matches!(kind.form, Form::Custom(_));
    !custom && ![CRDS, "leases.coordination.k8s.io"].contains(&kind.resource.as_str())
}

/// The object that the patch makes; how the patch is shown is noted in the request.
fn patched(request: &mut Request, content_type: &str, old: &Value, body: &[u8]) -> Result<Value> {
    const OF_ALL: &str =
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    let custom = matches!(request.kind.form, Form::Custom(_));
    let mut new = old.clone();
    let mut strategic = None;
    match content_type {
        "application/json-patch+json" => patch::json_patch(&mut new, body)?,
        "application/merge-patch+json" => patch::merge_patch(&mut new, body)?,
        "application/strategic-merge-patch+json" if !custom => {
            let patch = patch::read_object(body).map_err(status::bad_request)?;
            patch::strategic_merge(&mut new, &patch)?;
            strategic = Some(patch::as_go_shows(&patch));
        }
        _ if custom => return Err(status::unsupported_media_type(OF_ALL)),
        _ => return Err(status::unsupported_patch()),
    }
    request.patching = Some(Patching {
        strategic: strategic.is_some(),
        shown: strategic.unwrap_or_else(|| new.to_string()),
    });
    Ok(new)
}

/// Replaces `old`, which was read from the store, by what the client made of it.
async fn change(
    kube: &LocalKube,
    request: &mut Request,
    key: &Key,
    old: &Arc<Object>,
    mut new: Value,
    applied: bool,
) -> Result<Answer> {
    let kind = request.kind.clone();
    if let Some(patching) = &request.patching {
        check_kind(&kind, patching, &key.name, &new)?;
    }
    super::claim(&kind, request.namespace.as_deref(), &mut new)?;
    let patches = applied || request.patching.is_some();
    check_identity(&kind, &key.name, old, &new, patches)?;
    let mut new = match request.subresource.as_deref() {
        Some("status") => {
            let mut whole = old.value.clone();
            let new = form::shape(request, new)?;
            metadata::copy(&new, &mut whole, "status");
            metadata::copy(&new["metadata"], &mut whole["metadata"], "managedFields");
            whole
        }
        _ => {
            if kind.has_status {
                metadata::copy(&old.value, &mut new, "status");
            }
            form::shape(request, new)?
        }
    };
    settle(&kind, &key.name, &old.value, &mut new)?;
    if !applied {
        keep_record(&old.value, &mut new);
    }
    if kind.resource == "pods" {
        built_in::tolerate(&mut new["spec"]);
    }
    let mut new = request.admitted(kube, Operation::Update, &key.name, new, &old.value).await?;
    metadata::count_generation(&old.value, &mut new);
    request.warnings.extend(metadata::finalizer_warnings(&old.value, &new));
    request.check_escalation(kube, &old.value, &new)?;
    new["metadata"]["resourceVersion"] = old.version.to_string().into();
    if new == old.value {
        return Ok(Answer::Object(StatusCode::OK, old.clone()));
    }
    if !applied {
        request.record(&old.value, &mut new);
    }
    if request.query.dry_run {
        kube.store().look(|view| quota::check(view, &kind, key, &old.value, &new))?;
        return Ok(Answer::Object(StatusCode::OK, Arc::new(Object::unstored(new))));
    }
    let (store, resource) = (kube.store(), &kind.resource);
    let written = match is_free(&new) {
        true => store.remove(resource, key, new, old.version).map_err(Refused::from),
        false => {
            let within_quota =
                |view: &View<'_>, new: &Value| Ok(quota::check(view, &kind, key, &old.value, new)?);
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

/// The record of managers is the server's; a client can only have it forgotten.
fn keep_record(old: &Value, new: &mut Value) {
    let given = new["metadata"]["managedFields"].as_array();
    let forgets =
        given.is_some_and(|it| it.iter().all(|entry| *entry == Value::Object(Map::new())));
    if !forgets {
        metadata::copy(&old["metadata"], &mut new["metadata"], "managedFields");
    }
}

/// What holds for every update, whoever makes it.
fn settle(kind: &Kind, name: &str, old: &Value, new: &mut Value) -> Result<()> {
    metadata::carry_over(old, new);
    if kind.resource == "namespaces" {
        // Its finalizer goes when its contents have gone.
        metadata::copy(old, new, "spec");
    }
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

/// A patch does not make another kind of an object.
fn check_kind(kind: &Kind, patching: &Patching, name: &str, new: &Value) -> Result<()> {
    let [version, given] = ["apiVersion", "kind"].map(|it| new[it].as_str().unwrap_or_default());
    if given == kind.kind && version == kind.api_version() {
        return Ok(());
    }
    if matches!(kind.form, Form::Custom(_)) {
        return super::check_custom_kind(kind, name, given);
    }
    let why = format!("converting ({version}.{given}) to ({}): unknown conversion", kind.kind);
    Err(status::invalid_patch(&patching.shown, &why))
}

/// The client must mean the object that is stored, in the state that it knows.
fn check_identity(kind: &Kind, name: &str, old: &Object, new: &Value, patches: bool) -> Result<()> {
    let metadata = &new["metadata"];
    let text = |field: &str| metadata[field].as_str().unwrap_or_default();
    if !["", name].contains(&text("name")) || text("name").is_empty() {
        return Err(status::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({name})",
            text("name")
        )));
    }
    let uid = old.value["metadata"]["uid"].as_str().unwrap_or_default();
    if !["", uid].contains(&text("uid")) && (patches || matches!(kind.form, Form::Custom(_))) {
        let cause = cause::invalid("metadata.uid", &text("uid").into(), "field is immutable");
        // Two checks find it; that they say the same is told once.
        let mut refused = status::invalid(kind.by_kind(), name, vec![cause.clone()]);
        if let Some(details) = &mut refused.details {
            details.causes.push(cause);
        }
        return Err(refused);
    }
    if !["", uid].contains(&text("uid")) {
        let why = format!(
            "Precondition failed: UID in precondition: {}, UID in object meta: {uid}",
            text("uid")
        );
        return Err(status::conflict(kind.by_resource(), name, &why));
    }
    match text("resourceVersion") {
        "" | "0" => Ok(()),
        version => match super::read::number(version) {
            Err(why) => Err(status::plain(500, "", why)),
            Ok(version) if version == old.version => Ok(()),
            Ok(_) => Err(status::modified(kind.by_resource(), name)),
        },
    }
}
