//! Creating objects.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Refused, Request, form, lost};
use crate::{
    LocalKube, Operation, built_in,
    kinds::{CRDS, Kind},
    metadata, protection, quota, rbac,
    status::{self, Result, cause},
    store::{Expect, Key, Lost, Object, View},
};

/// How often a generated name may be taken before the client is told.
const ATTEMPTS: usize = 8;

pub(crate) async fn create(kube: &LocalKube, request: &mut Request, body: &[u8]) -> Result<Answer> {
    let object = super::read_body(request, body)?;
    create_object(kube, request, object, false).await
}

/// Answers a review, of which nothing is stored.
pub(crate) fn review(kube: &LocalKube, request: &Request, body: &[u8]) -> Result<Answer> {
    let object = super::read_body(request, body)?;
    let namespace = request.namespace.as_deref();
    if request.kind.kind == "TokenReview" {
        return Ok(Answer::Json(StatusCode::CREATED, super::tokens::review(kube, object)));
    }
    match rbac::answer(&kube.grants(), &request.user, namespace, &object) {
        Some(review) => Ok(Answer::Json(StatusCode::CREATED, review?)),
        None => Err(status::method_not_allowed()),
    }
}

/// `applied` objects already say who manages their fields.
pub(super) async fn create_object(
    kube: &LocalKube,
    request: &mut Request,
    mut object: Value,
    applied: bool,
) -> Result<Answer> {
    let kind = request.kind.clone();
    if kind.ending {
        let why = "create not allowed while custom resource definition is terminating";
        return Err(status::plain(405, "MethodNotAllowed", why));
    }
    let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    // It is the storage that refuses, which a rehearsal does not reach.
    if !matches!(version, "" | "0") && !request.query.dry_run {
        return Err(status::bad_request(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    metadata::remove(&mut object["metadata"], "resourceVersion");
    form::shaped(&kind, None, object.clone())?;
    let given = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let prefix = object["metadata"]["generateName"].as_str().unwrap_or_default().to_owned();
    if given.is_empty() && prefix.is_empty() {
        let mut causes = vec![cause::required("metadata.name", "name or generateName is required")];
        form::allows_rules(&kind, &mut causes);
        return Err(status::invalid(kind.by_kind(), "", causes));
    }
    let told = request.warnings.len();
    for attempt in 1.. {
        request.warnings.truncate(told);
        let name = if given.is_empty() { metadata::generated(&prefix) } else { given.clone() };
        let mut object = object.clone();
        object["metadata"]["name"] = name.as_str().into();
        check_namespace(kube, request, &name)?;
        let object = prepare(kube, request, &name, object, applied).await?;
        let key = request.key(&name);
        let taken = kube.store().get(&kind.resource, &key).is_some();
        let written = match taken {
            true => Err(status::already_exists(kind.by_resource(), &name)),
            false if request.query.dry_run => kube
                .store()
                .look(|view| quota::check(view, &kind, &key, &Value::Null, &object))
                .map(|()| Arc::new(Object::unstored(object))),
            false => store(kube, &kind, &key, object),
        };
        match written {
            Ok(object) => return Ok(Answer::Object(StatusCode::CREATED, object)),
            Err(error) if error.code == 409 && given.is_empty() && attempt < ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("the loop returns at the last attempt")
}

fn store(kube: &LocalKube, kind: &Kind, key: &Key, object: Value) -> Result<Arc<Object>> {
    let within_quota =
        |view: &View<'_>, new: &Value| Ok(quota::check(view, kind, key, &Value::Null, new)?);
    let written = kube.store().put_if(&kind.resource, key, object, Expect::Absent, within_quota);
    let written = written.map_err(|refused| match refused {
        Refused::Status(status) => status,
        Refused::Lost(Lost::Race) => status::already_exists(kind.by_resource(), &key.name),
        Refused::Lost(file) => lost(kind, &key.name)(file),
    })?;
    kube.written(&kind.resource);
    Ok(written)
}

/// Everything that happens to a new object before it is stored.
async fn prepare(
    kube: &LocalKube,
    request: &mut Request,
    name: &str,
    mut object: Value,
    applied: bool,
) -> Result<Value> {
    let kind = request.kind.clone();
    if kind.has_status {
        metadata::remove(&mut object, "status");
    }
    let mut object = form::shape(request, object)?;
    if !applied {
        // What the server and admission add belongs to nobody.
        request.record(&Value::Null, &mut object);
    }
    metadata::begin(&kind, &mut object);
    first_state(&kind, &mut object);
    if kind.resource == "pods" {
        super::new_pods::admit(kube, &kind, name, &mut object)?;
    }
    built_in::generate(&kind.resource, &mut object);
    let object = request.admitted(kube, Operation::Create, name, object, &Value::Null).await?;
    request.check_escalation(kube, &Value::Null, &object)?;
    request.warnings.extend(metadata::finalizer_warnings(&Value::Null, &object));
    Ok(object)
}

/// What the server itself writes into new objects of some kinds.
fn first_state(kind: &Kind, object: &mut Value) {
    match kind.resource.as_str() {
        "namespaces" => {
            object["spec"]["finalizers"] = json!(["kubernetes"]);
            object["status"] = json!({"phase": "Active"});
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
        }
        "pods" => object["status"] = json!({"phase": "Pending"}),
        "persistentvolumeclaims" | "persistentvolumes" => {
            object["status"] = json!({"phase": "Pending"});
            protect(&kind.resource, &mut object["metadata"]);
        }
        CRDS => {
            object["status"] = crate::kinds::status_of_definition(object, &metadata::now());
        }
        _ => {}
    }
}

fn protect(resource: &str, metadata: &mut Value) {
    let Some(finalizer) = protection::finalizer(resource) else { return };
    match metadata["finalizers"].as_array_mut() {
        Some(others) if others.iter().any(|it| it == finalizer) => {}
        Some(others) => others.push(finalizer.into()),
        None => metadata["finalizers"] = json!([finalizer]),
    }
}

fn check_namespace(kube: &LocalKube, request: &Request, name: &str) -> Result<()> {
    let Some(namespace) = &request.namespace else { return Ok(()) };
    let key = Key { namespace: "".into(), name: namespace.as_str().into() };
    let Some(stored) = kube.store().get("namespaces", &key) else {
        let namespaces = status::Qualified { name: "namespaces", group: "" };
        return Err(status::not_found(namespaces, namespace));
    };
    if stored.value["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let why = format!(
        "unable to create new content in namespace {namespace} because it is being terminated"
    );
    let mut refused = status::forbidden(request.kind.by_resource(), name, &why);
    if let Some(details) = &mut refused.details {
        let message = format!("namespace {namespace} is being terminated");
        details.causes = vec![cause::cause("NamespaceTerminating", "metadata.namespace", message)];
    }
    Err(refused)
}

/// Creates an object at the start of the cluster, or updates it if `update`; admission is not asked.
pub(crate) fn install(
    kube: &LocalKube,
    kind: &Kind,
    namespace: Option<&str>,
    mut object: Value,
    update: bool,
) -> Result<()> {
    super::claim(kind, namespace, &mut object)?;
    let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let key = Key { namespace: namespace.unwrap_or_default().into(), name: name.as_str().into() };
    let old = kube.store().get(&kind.resource, &key);
    if old.is_some() && !update {
        return Ok(());
    }
    let (mut object, _) = form::shaped(kind, None, object)?;
    metadata::begin(kind, &mut object);
    let mut expect = Expect::Absent;
    if let Some(old) = &old {
        metadata::carry_over(&old.value, &mut object);
        metadata::count_generation(&old.value, &mut object);
        metadata::copy(&old.value, &mut object, "status");
        expect = Expect::Version(old.version);
    }
    first_state(kind, &mut object);
    if old.is_none() {
        built_in::generate(&kind.resource, &mut object);
    }
    form::refuse(kind, &object, form::problems(kind, &object, &Value::Null))?;
    if let Some(old) = &old {
        object["metadata"]["resourceVersion"] = old.version.to_string().into();
        if object == old.value {
            return Ok(());
        }
    }
    kube.store().put(&kind.resource, &key, object, expect).map_err(lost(kind, &name))?;
    kube.written(&kind.resource);
    Ok(())
}
