//! What the webhooks of Trainer and JobSet, and the CEL rules of their definitions, decide.

mod job_set;
mod rules;
mod runtime;
mod torchtune;
mod train_job;

use futures::{FutureExt as _, future::BoxFuture};
use kube::{
    Client,
    core::{Status, response::StatusCause},
};
use local_kube::{Admission, Denial, Operation, status};
use serde_json::Value;
use workloads::train_job::GROUP;

use crate::local::train_job::TrainJob;

/// The `admit` of the tool set: defaults, refuses or lets pass one write.
pub(super) fn admit<'a>(
    admission: &'a mut Admission,
    client: &'a Client,
) -> BoxFuture<'a, Result<(), Denial>> {
    async move {
        if admission.operation == Operation::Delete {
            return Ok(());
        }
        match (admission.group.as_str(), admission.resource.as_str()) {
            (GROUP, "trainjobs") => train_job::admit(admission, client).await,
            (GROUP, "trainingruntimes" | "clustertrainingruntimes") => runtime::admit(admission),
            ("jobset.x-k8s.io", "jobsets") => job_set::admit(admission, client).await,
            _ => Ok(()),
        }
        .map_err(Denial)
    }
    .boxed()
}

type Verdict = Result<(), Box<Status>>;

/// What a webhook answers that finds an object invalid as the API server would.
fn invalid(kind: &str, group: &str, name: &str, causes: Vec<StatusCause>) -> Verdict {
    if causes.is_empty() {
        return Ok(());
    }
    Err(status::invalid(status::Qualified { name: kind, group }, name, causes))
}

/// What it answers when a webhook finds fault with fields.
fn denied(webhook: &str, causes: &[StatusCause]) -> Verdict {
    let mut all: Vec<String> = Vec::new();
    for cause in causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)) {
        if !all.contains(&cause) {
            all.push(cause);
        }
    }
    match all.as_slice() {
        [] => Ok(()),
        [one] => Err(status::denied_by_webhook(webhook, one)),
        many => Err(status::denied_by_webhook(webhook, &format!("[{}]", many.join(", ")))),
    }
}

/// A wrong field, with its value in full: a webhook shows objects as JSON.
fn wrong(field: impl Into<String>, value: &impl serde::Serialize, why: &str) -> StatusCause {
    let value = serde_json::to_string(value).unwrap_or_default();
    status::cause::cause("FieldValueInvalid", field, format!("Invalid value: {value}: {why}"))
}

/// A field that breaks a CEL rule: of what is not a plain value, the API server shows nothing.
fn broken(field: impl Into<String>, value: &Value, why: &str) -> StatusCause {
    let shown = match value {
        Value::Object(_) | Value::Array(_) => String::new(),
        plain => format!("{plain}: "),
    };
    status::cause::cause("FieldValueInvalid", field, format!("Invalid value: {shown}{why}"))
}

/// Reads an object that the schema has passed, or says what it holds that Pods cannot.
fn read<T: serde::de::DeserializeOwned>(object: &Value) -> Result<T, Box<Status>> {
    serde_json::from_value(object.clone())
        .map_err(|error| status::bad_request(format!("the object could not be decoded: {error}")))
}

/// The old TrainJob of an update.
fn old(admission: &Admission) -> Result<Option<TrainJob>, Box<Status>> {
    (!admission.old.is_null()).then(|| read(&admission.old)).transpose()
}
