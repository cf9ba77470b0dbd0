//! What Katib's webhooks decide of experiments and of the Pods of their trials.

mod defaults;
mod experiment;
mod faults;
mod images;
mod injection;
mod pods;
#[cfg(test)]
mod seen;
mod shape;

use futures::{FutureExt as _, future::BoxFuture};
use kube::{Client, core::Status};
use local_kube::{Admission, Denial, Operation, Stage, status};
use serde_json::json;

pub(super) use self::injection::COLLECTOR;
use crate::api::{GROUP, INJECTION_LABEL};

type Verdict = Result<(), Box<Status>>;

/// The `admit` of the tool set: defaults, refuses or lets pass one write.
pub(super) fn admit<'a>(
    admission: &'a mut Admission,
    client: &'a Client,
) -> BoxFuture<'a, Result<(), Denial>> {
    async move {
        let (group, resource) = (admission.group.as_str(), admission.resource.as_str());
        match (group, resource, admission.operation, admission.stage) {
            ("", "pods", Operation::Create, Stage::Mutating) => {
                pods::admit(admission, client).await
            }
            ("", "namespaces", Operation::Create, Stage::Mutating) => {
                label(&mut admission.object);
                Ok(())
            }
            (GROUP, "experiments", Operation::Create | Operation::Update, stage) => {
                if (admission.operation, stage) == (Operation::Create, Stage::Validating) {
                    admission.warnings.extend(images::unrunnable(&admission.object));
                }
                experiment::admit(admission, client).await
            }
            _ => Ok(()),
        }
        .map_err(Denial)
    }
    .boxed()
}

/// Every namespace of a local cluster is one for experiments, unless it says otherwise.
fn label(namespace: &mut serde_json::Value) {
    let labels = &mut namespace["metadata"]["labels"];
    if (labels.is_object() || labels.is_null()) && labels[INJECTION_LABEL].is_null() {
        labels[INJECTION_LABEL] = json!("enabled");
    }
}

/// What a webhook answers that could not do its work, or finds fault with what it was given.
fn denied(webhook: &str, code: u16, why: &str) -> Box<Status> {
    let message = format!("admission webhook {webhook:?} denied the request: {why}");
    status::plain(code, "", message)
}
