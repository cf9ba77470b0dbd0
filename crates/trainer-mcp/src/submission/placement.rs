//! Where and how the Pods of a job run, as patches of its runtime.

use kubeflow_mcp_core::{Error, Sign};
use local_kube::{HOST_PYTHON, PYTHON_PACKAGES};
use serde_json::{Map, Value, json};

use super::RunCustomTraining;

/// Who owns the patch: others, such as Kueue, have their own.
pub(super) const MANAGER: &str = "mcp.kubeflow.org/client";

/// What is changed of each Pod that trains.
#[derive(Debug, Default)]
pub(super) struct Placement {
    spec: Map<String, Value>,
    annotations: Map<String, Value>,
}

impl Placement {
    pub(super) fn of(asked: &RunCustomTraining, image: Option<&str>) -> Self {
        let mut spec = Map::new();
        let mut set = |field: &str, value: Value| {
            let empty = match &value {
                Value::Array(items) => items.is_empty(),
                Value::Object(fields) => fields.is_empty(),
                other => other.is_null(),
            };
            if !empty {
                spec.insert(field.to_owned(), value);
            }
        };
        set("serviceAccountName", json!(asked.service_account_name));
        set("nodeSelector", json!(asked.node_selector));
        set("tolerations", json!(asked.tolerations));
        set("volumes", json!(asked.volumes));
        let secrets: Vec<Value> =
            asked.image_pull_secrets.iter().map(|it| json!({"name": it})).collect();
        set("imagePullSecrets", json!(secrets));
        if !asked.volume_mounts.is_empty() {
            set("containers", json!([{"name": "node", "volumeMounts": asked.volume_mounts}]));
        }
        let mut annotations = Map::new();
        if !asked.packages.is_empty() || image == Some(HOST_PYTHON) {
            let mut packages: Vec<&str> = asked.packages.iter().map(String::as_str).collect();
            packages.sort_unstable();
            packages.dedup();
            annotations.insert(PYTHON_PACKAGES.to_owned(), packages.join("\n").into());
        }
        Self { spec, annotations }
    }

    /// For `spec.runtimePatches`.
    pub(super) fn runtime_patches(&self, jobs: &[&str]) -> Option<Value> {
        if self.spec.is_empty() && self.annotations.is_empty() {
            return None;
        }
        let mut pod = Map::new();
        if !self.annotations.is_empty() {
            pod.insert("metadata".to_owned(), json!({"annotations": self.annotations}));
        }
        if !self.spec.is_empty() {
            pod.insert("spec".to_owned(), json!(self.spec));
        }
        let job = |name: &&str| json!({"name": name, "template": {"spec": {"template": pod}}});
        let jobs: Vec<Value> = jobs.iter().map(job).collect();
        let spec = json!({"template": {"spec": {"replicatedJobs": jobs}}});
        Some(json!([{"manager": MANAGER, "trainingRuntimeSpec": spec}]))
    }

    /// For `spec.podTemplateOverrides`, which came before and knew no annotations.
    pub(super) fn pod_template_overrides(&self, jobs: &[&str]) -> Option<Value> {
        let jobs: Vec<Value> = jobs.iter().map(|name| json!({"name": name})).collect();
        (!self.spec.is_empty()).then(|| json!([{"targetJobs": jobs, "spec": self.spec}]))
    }
}

/// What an API server says that does not know `runtimePatches`.
pub(crate) const UNKNOWN_PATCHES: Sign = Sign::seen(r#"unknown field "spec.runtimePatches""#);

/// Whether the API server does not know `runtimePatches`, which only newer Trainers have.
pub(super) fn is_unknown(error: &Error) -> bool {
    let Error::Kubernetes(status) = error else { return false };
    status.code == 400 && status.message.contains(UNKNOWN_PATCHES.name)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn only_a_trainer_that_does_not_know_patches_is_asked_again() {
        let error = |code: u16, message: &str| {
            Error::Kubernetes(Box::new(Status::failure(message, "BadRequest").with_code(code)))
        };
        let strict = r#"TrainJob in version "v1alpha1" cannot be handled as a TrainJob: strict decoding error: unknown field "spec.runtimePatches""#;
        assert!(is_unknown(&error(400, strict)));
        let other = r#"strict decoding error: unknown field "spec.runtimePatches[0].nodes""#;
        assert!(!is_unknown(&error(400, other)));
        assert!(!is_unknown(&error(422, strict)));
    }
}
