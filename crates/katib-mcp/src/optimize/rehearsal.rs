//! What the cluster says to a job and to one of its trials, before there is any.

use kubeflow_mcp_core::{Caller, Error, Result, Sign};
use serde_json::{Value, json};
use workloads::{creation, image, train_job::placement};

use super::trial::{self, Trial};
use crate::{api::INJECTION_LABEL, search_space::SearchSpace};

pub(super) const SIGNS: [Sign; 2] = [UNLABELLED, NOT_INSTALLED];

/// What Katib's webhook says in a namespace that nobody has prepared for it.
const UNLABELLED: Sign = Sign::documented(
    "the namespace lacks label",
    "github.com/kubeflow/katib pkg/webhook/v1beta1/experiment/validation_webhook.go",
);
/// What it says of an algorithm that is not configured.
const NOT_INSTALLED: Sign = Sign::documented(
    "unable to get Suggestion config data for algorithm",
    "github.com/kubeflow/katib pkg/webhook/v1beta1/experiment/validator/validator.go",
);
/// Of the letters that Katib takes.
const SUFFIX: &str = "bcdfghjk";

/// The workload that the cluster takes, and what is to be known of it.
pub(super) struct Rehearsed {
    pub(super) workload: Value,
    pub(super) warnings: Vec<String>,
}

/// Asks the cluster for one trial's workload, and for the Pod of a Job, and stores neither.
pub(super) async fn of_trial(
    caller: &Caller,
    namespace: &str,
    name: &str,
    trial: &Trial,
    space: &SearchSpace,
) -> Result<Rehearsed> {
    let name = format!("{name}-{SUFFIX}");
    let values = space.middle();
    let ask = async |template: &Value| {
        let workload = trial::rendered(template, &name, &values)?;
        let path = trial::path(&workload, namespace);
        creation::rehearse(caller, &path, &workload).await
    };
    let mut workload = &trial.workload;
    let mut answer = ask(workload).await;
    // An older Trainer says so when it does not know the field.
    if let (Err(error), Some(older)) = (&answer, &trial.older)
        && placement::is_unknown(error)
    {
        workload = older;
        answer = ask(workload).await;
    }
    let mut warnings = told(answer, &format!("{}s", trial.kind))?;
    if trial.kind == "Job" {
        let mut job = trial::rendered(workload, &name, &values)?;
        let mut pod = job["spec"]["template"].take();
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["name"] = json!(name);
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        warnings.extend(told(creation::rehearse(caller, &path, &pod).await, "Pods")?);
    }
    Ok(Rehearsed { workload: workload.clone(), warnings })
}

/// What an answer to a trial means for all of them.
fn told(answer: Result<Vec<String>>, kind: &str) -> Result<Vec<String>> {
    match answer {
        Ok(warnings) => Ok(warnings),
        Err(Error::Kubernetes(status)) if is_forbidden(&status) => {
            Ok(vec![format!("no trial was tried: you may not create {kind}, which Katib will")])
        }
        Err(error) if error.code() == "quota_exceeded" => {
            Ok(vec![format!("a trial would not be started now: {error}")])
        }
        Err(Error::Kubernetes(mut status)) => {
            status.message = format!("a trial would be refused: {}", status.message);
            Err(Error::Kubernetes(status))
        }
        Err(error) => Err(error),
    }
}

/// Whether roles refuse it. Who may not create a kind is told so for no object by name.
fn is_forbidden(status: &kube::core::Status) -> bool {
    status.code == 403 && status.details.as_ref().is_none_or(|it| it.name.is_empty())
}

/// Refuses what the cluster warns that it cannot run.
pub(super) fn runnable(warnings: &[String]) -> Result<()> {
    match warnings.iter().find(|it| it.contains(image::NO_IMAGES.name)) {
        Some(why) => Err(Error::conflict(
            why.clone(),
            "start it on a cluster that runs containers, or give a script",
        )),
        None => Ok(()),
    }
}

/// A refusal of the job, in words for those who do not know Katib.
pub(super) fn explained(error: Error, namespace: &str) -> Error {
    let Error::Kubernetes(status) = &error else { return error };
    if status.message.contains(UNLABELLED.name) {
        return Error::conflict(
            format!(
                "namespace {namespace:?} is not prepared for Katib: it lacks the label {INJECTION_LABEL}=enabled, without which no metrics are collected"
            ),
            format!(
                "have an administrator run `kubectl label namespace {namespace} {INJECTION_LABEL}=enabled`"
            ),
        );
    }
    if status.message.contains(NOT_INSTALLED.name) {
        return Error::argument(
            "algorithm_name",
            "names an algorithm that this Katib does not have",
        );
    }
    error
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_namespace_that_nobody_has_prepared_is_told() {
        let message = r#"admission webhook "validator.experiment.katib.kubeflow.org" denied the request: Cannot create the Experiment "a" in namespace "team": the namespace lacks label "katib.kubeflow.org/metrics-collector-injection: enabled""#;
        let refusal = Error::Kubernetes(Box::new(Status::failure(message, "").with_code(400)));
        let told = explained(refusal, "team");
        assert_eq!(
            told.to_string(),
            r#"namespace "team" is not prepared for Katib: it lacks the label katib.kubeflow.org/metrics-collector-injection=enabled, without which no metrics are collected"#
        );
    }
}
