//! Deleting objects: at once, gracefully, or when their finalizers are done.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Request, lost};
use crate::{
    LocalKube, Operation,
    kinds::{CLEANUP, CRDS, Kind},
    metadata,
    query::Query,
    status::{self, Result, cause},
    store::{Expect, Key, Object, Page},
};

/// Pods get this long to end when nothing else is said.
const POD_GRACE_SECONDS: u64 = 30;
/// What a cluster cannot be without.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];
const OPTIONS: &str = "DeleteOptions";
const JOBS: &str = "jobs.batch";
/// The real registries of these kinds answer with the object even when it is gone.
const SHOWN: [&str; 6] = [
    "pods",
    "services",
    "serviceaccounts",
    "resourcequotas",
    "persistentvolumes",
    "persistentvolumeclaims",
];
/// How often a deletion is tried anew on an object that others write meanwhile.
const ATTEMPTS: usize = 16;

/// The body of a deletion; what it leaves out, the query may say.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Options {
    dry_run: Vec<String>,
    grace_period_seconds: Option<u64>,
    orphan_dependents: Option<bool>,
    preconditions: Preconditions,
    propagation_policy: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

pub(crate) async fn delete(kube: &LocalKube, request: &mut Request, body: &[u8]) -> Result<Answer> {
    let options = options(request, body)?;
    let mut attempt = 1;
    loop {
        let (key, object) = request.stored(kube)?;
        match delete_object(kube, request, &options, &key, &object).await {
            Err(error) if error.reason == "Conflict" && attempt < ATTEMPTS => attempt += 1,
            answer => return answer,
        }
    }
}

pub(crate) async fn delete_collection(
    kube: &LocalKube,
    request: &mut Request,
    body: &[u8],
) -> Result<Answer> {
    let options = options(request, body)?;
    request.query.fields.check(&request.kind)?;
    let mut page = Page { version: kube.store().version(), ..Page::default() };
    for object in kube.store().all(&request.kind.resource, request.namespace.as_deref()) {
        let Query { labels, fields, .. } = &request.query;
        if !labels.select(&object.value) || !fields.select(&object.value) {
            continue;
        }
        let key = Key::of(&object.value);
        let Some(current) = kube.store().get(&request.kind.resource, &key) else { continue };
        delete_object(kube, request, &options, &key, &current).await?;
        page.items.push(object);
    }
    Ok(Answer::List { page, continued: None })
}

fn options(request: &mut Request, body: &[u8]) -> Result<Options> {
    let mut options = match body {
        [] => Options::default(),
        body => serde_json::from_slice::<Option<Options>>(body)
            .map_err(|error| status::bad_request(format!("delete options: {error}")))?
            .unwrap_or_default(),
    };
    let Query { dry_run, grace_period_seconds, propagation_policy, .. } = &mut request.query;
    match options.dry_run.as_slice() {
        [] => {}
        [all] if all == "All" => *dry_run = true,
        other => {
            return Err(status::invalid_options(OPTIONS, cause::dry_run(&other[0])));
        }
    }
    options.grace_period_seconds = options.grace_period_seconds.or(*grace_period_seconds);
    options.propagation_policy = options.propagation_policy.or_else(|| propagation_policy.clone());
    if let Some(orphan) = options.orphan_dependents {
        if let Some(policy) = &options.propagation_policy {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            let cause = cause::invalid("propagationPolicy", &json!(policy), why);
            return Err(status::invalid_options(OPTIONS, cause));
        }
        let policy = if orphan { "Orphan" } else { "Background" };
        options.propagation_policy.get_or_insert_with(|| policy.to_owned());
    }
    if let Some(policy) = &options.propagation_policy
        && !["Orphan", "Background", "Foreground"].contains(&policy.as_str())
    {
        let supported = ["Foreground", "Background", "Orphan", "nil"];
        let cause = cause::unsupported("propagationPolicy", &json!(policy), &supported);
        return Err(status::invalid_options(OPTIONS, cause));
    }
    Ok(options)
}

async fn delete_object(
    kube: &LocalKube,
    request: &mut Request,
    options: &Options,
    key: &Key,
    object: &Arc<Object>,
) -> Result<Answer> {
    let kind = request.kind.clone();
    if kind.resource == "namespaces" && IMMORTAL.contains(&&*key.name) {
        let why = "this namespace may not be deleted";
        return Err(status::forbidden(kind.by_resource(), &key.name, why));
    }
    check_preconditions(&kind, &options.preconditions, key, object)?;
    request.admitted(kube, Operation::Delete, &key.name, Value::Null, &object.value).await?;
    let marked = marked(&kind, options, &object.value);
    if kind.resource == JOBS && options.propagation_policy.is_none() {
        let orphans = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";
        request.warnings.push(orphans.to_owned());
    }
    if marked == object.value && !is_free(&marked) {
        return Ok(Answer::Object(StatusCode::OK, object.clone()));
    }
    let gone = is_free(&marked);
    if request.query.dry_run {
        let unstored = Arc::new(Object::unstored(marked));
        return Ok(answer(&kind, unstored, gone));
    }
    let lost = lost(&kind, &key.name);
    let written = match gone {
        true => {
            // Whoever watches is told of the object as it was, and sees no mark but a Pod's.
            let shown = SHOWN.contains(&kind.resource.as_str());
            let last = if shown { marked } else { object.value.clone() };
            kube.store().remove(&kind.resource, key, last, object.version).map_err(lost)?
        }
        false => {
            let expect = Expect::Version(object.version);
            kube.store().put(&kind.resource, key, marked, expect).map_err(lost)?
        }
    };
    kube.written(&kind.resource);
    Ok(answer(&kind, written, gone))
}

fn answer(kind: &Kind, object: Arc<Object>, gone: bool) -> Answer {
    match gone && !SHOWN.contains(&kind.resource.as_str()) {
        true => Answer::Json(StatusCode::OK, super::deleted(kind, &object.value)),
        false => Answer::Object(StatusCode::OK, object),
    }
}

/// The object as a deletion leaves it, if it leaves it.
fn marked(kind: &Kind, options: &Options, object: &Value) -> Value {
    let mut marked = object.clone();
    let policy = options.propagation_policy.as_deref().or(default_policy(kind));
    let mut finalizers: Vec<Value> =
        object["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
    for (finalizer, of_policy) in [("orphan", "Orphan"), ("foregroundDeletion", "Foreground")] {
        match policy {
            Some(policy) if policy != of_policy => finalizers.retain(|it| it != finalizer),
            Some(_) if !finalizers.iter().any(|it| it == finalizer) => {
                finalizers.push(finalizer.into());
            }
            _ => {}
        }
    }
    if kind.resource == CRDS && object["metadata"]["deletionTimestamp"].is_null() {
        finalizers.push(CLEANUP.into());
    }
    match finalizers.is_empty() {
        true => metadata::remove(&mut marked["metadata"], "finalizers"),
        false => marked["metadata"]["finalizers"] = finalizers.into(),
    }
    let grace = grace(kind, options, object);
    let before = object["metadata"]["deletionGracePeriodSeconds"].as_u64();
    if object["metadata"]["deletionTimestamp"].is_null() || before.is_some_and(|it| grace < it) {
        let seconds = jiff::SignedDuration::from_secs(i64::try_from(grace).unwrap_or(i64::MAX));
        let at = jiff::Timestamp::now().checked_add(seconds).unwrap_or(jiff::Timestamp::MAX);
        marked["metadata"]["deletionTimestamp"] =
            at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
        marked["metadata"]["deletionGracePeriodSeconds"] = grace.into();
        if let Some(generation) = object["metadata"]["generation"].as_i64() {
            marked["metadata"]["generation"] = (generation + 1).into();
        }
    }
    match kind.resource.as_str() {
        "namespaces" => marked["status"]["phase"] = "Terminating".into(),
        CRDS => terminating(&mut marked),
        _ => {}
    }
    marked
}

/// What becomes of dependents when the client does not say; garbage collection then follows by itself.
fn default_policy(kind: &Kind) -> Option<&'static str> {
    // Clients of this version may count on it since before there was garbage collection.
    (kind.resource == JOBS).then_some("Orphan")
}

/// Only Pods on a Node need time: somebody has to end their processes.
fn grace(kind: &Kind, options: &Options, object: &Value) -> u64 {
    let ended = ["Succeeded", "Failed"].map(Value::from).contains(&object["status"]["phase"]);
    let unbound = object["spec"]["nodeName"].as_str().is_none_or(str::is_empty);
    if kind.resource != "pods" || unbound || ended {
        return 0;
    }
    let own = object["spec"]["terminationGracePeriodSeconds"].as_u64();
    options.grace_period_seconds.or(own).unwrap_or(POD_GRACE_SECONDS)
}

fn terminating(definition: &mut Value) {
    let conditions = definition["status"]["conditions"].as_array_mut();
    let Some(conditions) = conditions else { return };
    if !conditions.iter().any(|it| it["type"] == "Terminating") {
        conditions.push(json!({
            "type": "Terminating", "status": "True", "reason": "InstanceDeletionPending",
            "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon",
            "lastTransitionTime": metadata::now(),
        }));
    }
}

/// Whether nothing keeps a marked object any longer.
pub(super) fn is_free(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let none = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    !metadata["deletionTimestamp"].is_null()
        && metadata["deletionGracePeriodSeconds"].as_u64().unwrap_or(0) == 0
        && none(&metadata["finalizers"])
        && (object["kind"] != "Namespace" || none(&object["spec"]["finalizers"]))
}

fn check_preconditions(
    kind: &Kind,
    preconditions: &Preconditions,
    key: &Key,
    object: &Object,
) -> Result<()> {
    let metadata = &object.value["metadata"];
    let wanted = [
        ("UID", &preconditions.uid, &metadata["uid"], "deleted and then recreated"),
        (
            "ResourceVersion",
            &preconditions.resource_version,
            &metadata["resourceVersion"],
            "modified",
        ),
    ];
    for (called, wanted, stored, happened) in wanted {
        let stored = stored.as_str().unwrap_or_default();
        if let Some(wanted) = wanted.as_deref().filter(|it| *it != stored) {
            let why = format!(
                "the {called} in the precondition ({wanted}) does not match the {called} in record ({stored}). The object might have been {happened}"
            );
            return Err(status::conflict(kind.by_kind(), &key.name, &why));
        }
    }
    Ok(())
}
