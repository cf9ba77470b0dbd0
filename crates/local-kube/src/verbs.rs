//! What can be done with objects.

mod create;
mod delete;
mod form;
mod new_pods;
mod pods;
mod read;
mod tokens;
mod update;

use std::sync::Arc;

use http::StatusCode;
use kube::core::Status;
use serde_json::{Value, json};

pub(crate) use self::{
    create::{create, install, review},
    delete::{delete, delete_collection},
    new_pods::priority_classes,
    pods::{bind, evict, log},
    read::{get, list, version},
    tokens::token,
    update::{apply_patch, update},
};
use crate::{
    Admission, LocalKube, Operation, Stage, UserInfo,
    apply::{self, Manager},
    kinds::{Form, Kind},
    metadata,
    query::Query,
    rbac,
    status::{self, Qualified, Result},
    store::{Key, Object, Page},
};

/// One request to a served resource.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) user: UserInfo,
    pub(crate) kind: Arc<Kind>,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    pub(crate) query: Query,
    /// The program that asks, which manages the fields it writes unless the query names a manager.
    pub(crate) agent: String,
    /// The patch that is being carried out, if it is one.
    pub(crate) patching: Option<Patching>,
    /// What the client is told in `Warning` headers.
    pub(crate) warnings: Vec<String>,
}

/// A patch, as its errors tell it.
#[derive(Debug)]
pub(crate) struct Patching {
    shown: String,
    strategic: bool,
}

pub(crate) enum Answer {
    Object(StatusCode, Arc<Object>),
    List { page: Page, continued: Option<String> },
    Json(StatusCode, Value),
}

impl Request {
    /// Whom the request is from and what it is about, for those who take the request itself.
    pub(crate) fn without_query(&self) -> Self {
        Self {
            user: self.user.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            subresource: self.subresource.clone(),
            query: Query::default(),
            agent: self.agent.clone(),
            patching: None,
            warnings: Vec::new(),
        }
    }

    pub(crate) fn key(&self, name: &str) -> Key {
        Key { namespace: self.namespace.as_deref().unwrap_or_default().into(), name: name.into() }
    }

    /// Records in `new` what this write makes of `old`, `Null` for a creation.
    fn record(&self, old: &Value, new: &mut Value) {
        let api_version = self.kind.api_version();
        let manager = Manager {
            name: self.query.field_manager.as_deref().unwrap_or(&self.agent),
            api_version: &api_version,
            subresource: self.subresource.as_deref().unwrap_or_default(),
            applies: false,
        };
        apply::record(old, new, &manager, self.kind.shape(), &metadata::now());
    }

    /// The stored object that the path names.
    pub(crate) fn stored(&self, kube: &LocalKube) -> Result<(Key, Arc<Object>)> {
        let name = self.name.as_deref().unwrap_or_default();
        let key = self.key(name);
        match kube.store().get(&self.kind.resource, &key) {
            Some(object) => Ok((key, object)),
            None => Err(status::not_found(self.kind.by_resource(), name)),
        }
    }

    /// Refuses a role or binding by which the user would grant more than they hold.
    fn check_escalation(&self, kube: &LocalKube, old: &Value, new: &Value) -> Result<()> {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        rbac::check_escalation(&kube.grants(), &self.user, &self.kind, namespace, old, new)
    }

    /// Has webhooks, the schema and its rules decide on one write, in the order of a real API server.
    pub(crate) async fn admitted(
        &mut self,
        kube: &LocalKube,
        operation: Operation,
        name: &str,
        object: Value,
        old: &Value,
    ) -> Result<Value> {
        let resource = match &self.subresource {
            Some(subresource) => format!("{}/{subresource}", self.kind.plural),
            None => self.kind.plural.clone(),
        };
        let mut admission = Admission {
            stage: Stage::Mutating,
            operation,
            group: self.kind.group.clone(),
            version: self.kind.version.clone(),
            resource,
            namespace: self.namespace.clone(),
            name: name.to_owned(),
            object,
            old: old.clone(),
            user: self.user.clone(),
            dry_run: self.query.dry_run,
            warnings: Vec::new(),
            broken_rules: Vec::new(),
        };
        if operation != Operation::Delete {
            ask(kube, &mut admission, Stage::Mutating).await?;
            admission.object = form::shaped(&self.kind, None, admission.object.take())?.0;
            let mut causes = form::problems(&self.kind, &admission.object, old);
            if form::allows_rules(&self.kind, &mut causes) {
                ask(kube, &mut admission, Stage::Rules).await?;
                causes.append(&mut admission.broken_rules);
            }
            form::refuse(&self.kind, &admission.object, causes)?;
        }
        ask(kube, &mut admission, Stage::Validating).await?;
        self.warnings.append(&mut admission.warnings);
        Ok(admission.object)
    }
}

async fn ask(kube: &LocalKube, admission: &mut Admission, stage: Stage) -> Result<()> {
    admission.stage = stage;
    for admit in kube.admit() {
        admit(admission, kube.inner_client()).await.map_err(|denial| denial.0)?;
    }
    Ok(())
}

/// The answer to a deletion that left nothing.
fn deleted(kind: &Kind, object: &Value) -> Value {
    let metadata = &object["metadata"];
    let mut details =
        json!({"name": metadata["name"], "kind": kind.plural, "uid": metadata["uid"]});
    if !kind.group.is_empty() {
        details["group"] = kind.group.as_str().into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details})
}

/// Reads the object of a request's body, and checks that it is of the kind and place of the path.
fn read_body(request: &Request, body: &[u8]) -> Result<Value> {
    let kind = &request.kind;
    let unrecognized = |why: &str| {
        status::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): {why}",
            kind.kind
        ))
    };
    let (shown, short) = (String::from_utf8_lossy(body), summary(body));
    let mut object: Value = serde_json::from_slice(body).map_err(|error| {
        let why = match error.is_eof() {
            true => "unexpected end of JSON input".to_owned(),
            false => error.to_string(),
        };
        unrecognized(&format!("couldn't get version/kind; json parse error: {why} ({short})"))
    })?;
    if !object.is_object() {
        return Err(unrecognized("couldn't get version/kind; not a JSON object"));
    }
    if matches!(kind.form, Form::Custom(_)) {
        // The server of custom resources knows no object by its place alone.
        for (field, called) in [("kind", "Kind"), ("apiVersion", "apiVersion")] {
            if object[field].as_str().unwrap_or_default().is_empty() {
                return Err(unrecognized(&format!(
                    "Object '{called}' is missing in '{shown}' ({short})"
                )));
            }
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        check_custom_kind(kind, name, object["kind"].as_str().unwrap_or_default())?;
    }
    claim(kind, request.namespace.as_deref(), &mut object)?;
    Ok(object)
}

/// As much of a body as an error shows.
fn summary(body: &[u8]) -> String {
    const MOST: usize = 30;
    let text = |part: &[u8]| match body.first() {
        Some(b'{') => String::from_utf8_lossy(part).into_owned(),
        _ => part.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    match body.len() {
        0 => "<empty>".to_owned(),
        length if length > MOST => text(&body[..MOST]) + " ...",
        _ => text(body),
    }
}

/// A custom resource is of the kind that its place is for.
fn check_custom_kind(kind: &Kind, name: &str, given: &str) -> Result<()> {
    if given == kind.kind {
        return Ok(());
    }
    let cause = status::cause::invalid("kind", &given.into(), &format!("must be {}", kind.kind));
    Err(status::invalid(Qualified { name: given, group: &kind.group }, name, vec![cause]))
}

/// Gives the object its type and namespace, and refuses those of another.
fn claim(kind: &Kind, namespace: Option<&str>, object: &mut Value) -> Result<()> {
    let api_version = kind.api_version();
    for (field, expected, called) in
        [("apiVersion", &api_version, "API version"), ("kind", &kind.kind, "kind")]
    {
        match object[field].as_str().unwrap_or_default() {
            "" => object[field] = expected.as_str().into(),
            given if given == expected => {}
            given => {
                return Err(status::bad_request(format!(
                    "the {called} in the data ({given}) does not match the expected {called} ({expected})"
                )));
            }
        }
    }
    if object["metadata"].is_null() {
        object["metadata"] = json!({});
    }
    let Some(metadata) = object["metadata"].as_object_mut() else {
        return Err(status::bad_request("metadata: not an object"));
    };
    let given = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default();
    match namespace {
        Some(namespace) if given.is_empty() || given == namespace => {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        Some(_) => {
            let why = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(status::bad_request(why));
        }
        None => {
            metadata.remove("namespace");
        }
    }
    Ok(())
}

/// Why a write was not made.
enum Refused {
    Lost(crate::store::Lost),
    Status(Box<Status>),
}

impl From<crate::store::Lost> for Refused {
    fn from(lost: crate::store::Lost) -> Self {
        Self::Lost(lost)
    }
}

impl From<Box<Status>> for Refused {
    fn from(status: Box<Status>) -> Self {
        Self::Status(status)
    }
}

/// What a write that lost against another is told.
fn lost(kind: &Kind, name: &str) -> impl Fn(crate::store::Lost) -> Box<Status> {
    let modified = status::modified(kind.by_resource(), name);
    move |lost| match lost {
        crate::store::Lost::Race => modified.clone(),
        file => status::internal(file),
    }
}
