//! Where and how the Pods of a job run, as patches of its runtime.

use std::collections::BTreeSet;

use kubeflow_mcp_core::{Error, Sign};
use local_kube::PYTHON_PACKAGES;
use serde_json::{Map, Value, json};

use super::options::Options;

/// Who owns the patch: others, such as Kueue, have their own.
pub const MANAGER: &str = "mcp.kubeflow.org/client";

/// What is changed of the Pods of a job.
#[derive(Debug, Default)]
pub struct Placement {
    /// Of all of them.
    shared: Map<String, Value>,
    /// Of those that train: what their program reads and writes.
    own: Map<String, Value>,
    annotations: Map<String, Value>,
}

/// The Jobs of a runtime, by what their Pods do.
pub struct Jobs<'a> {
    pub training: Vec<&'a str>,
    /// Those that fetch what it trains with, where they must run on the same nodes.
    pub fetching: Vec<&'a str>,
}

impl Placement {
    /// `packages` are what a cluster of processes is to provide.
    pub fn of(options: &Options, packages: Option<&[String]>) -> Self {
        let secrets: Vec<Value> =
            options.image_pull_secrets.iter().map(|it| json!({"name": it})).collect();
        let shared = [
            ("serviceAccountName", json!(options.service_account_name)),
            ("nodeSelector", json!(options.node_selector)),
            ("affinity", json!(options.affinity)),
            ("tolerations", json!(options.tolerations)),
            ("imagePullSecrets", json!(secrets)),
        ];
        let mut own = vec![("volumes", json!(options.volumes))];
        if !options.volume_mounts.is_empty() {
            let mounts = &options.volume_mounts;
            own.push(("containers", json!([{"name": "node", "volumeMounts": mounts}])));
        }
        let mut annotations = Map::new();
        if let Some(packages) = packages {
            let packages: BTreeSet<&str> = packages.iter().map(String::as_str).collect();
            let packages = packages.into_iter().collect::<Vec<_>>().join("\n");
            annotations.insert(PYTHON_PACKAGES.to_owned(), packages.into());
        }
        Self { shared: given(shared), own: given(own), annotations }
    }

    /// For the Pods of a Job of its own, whose container is called as a runtime's.
    pub fn pod(&self) -> Value {
        let metadata = given([("annotations", json!(self.annotations))]);
        json!({"metadata": metadata, "spec": self.of_training()})
    }

    /// For `spec.runtimePatches`.
    pub fn runtime_patches(&self, jobs: &Jobs<'_>) -> Option<Value> {
        let patch = |names: &[&str], annotations: &Map<String, Value>, spec: Map<String, Value>| {
            let mut pod = Map::new();
            if !annotations.is_empty() {
                pod.insert("metadata".to_owned(), json!({"annotations": annotations}));
            }
            if !spec.is_empty() {
                pod.insert("spec".to_owned(), json!(spec));
            }
            let names = if pod.is_empty() { &[] } else { names };
            let job = |name: &&str| json!({"name": name, "template": {"spec": {"template": pod}}});
            names.iter().map(job).collect::<Vec<Value>>()
        };
        let mut patches = patch(&jobs.fetching, &Map::new(), self.shared.clone());
        patches.extend(patch(&jobs.training, &self.annotations, self.of_training()));
        let spec = json!({"template": {"spec": {"replicatedJobs": patches}}});
        (!patches.is_empty()).then(|| json!([{"manager": MANAGER, "trainingRuntimeSpec": spec}]))
    }

    /// For `spec.podTemplateOverrides`, which came before and knew no annotations.
    pub fn pod_template_overrides(&self, jobs: &Jobs<'_>) -> Option<Value> {
        let overrides =
            [(&jobs.fetching, self.shared.clone()), (&jobs.training, self.of_training())];
        let overrides =
            overrides.into_iter().filter(|(jobs, spec)| !jobs.is_empty() && !spec.is_empty());
        let overrides = overrides.map(|(jobs, spec)| {
            let jobs: Vec<Value> = jobs.iter().map(|name| json!({"name": name})).collect();
            json!({"targetJobs": jobs, "spec": spec})
        });
        let overrides: Vec<Value> = overrides.collect();
        (!overrides.is_empty()).then(|| json!(overrides))
    }

    fn of_training(&self) -> Map<String, Value> {
        self.shared.clone().into_iter().chain(self.own.clone()).collect()
    }
}

/// The fields that say something.
fn given(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    let says = |value: &Value| match value {
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        other => !other.is_null(),
    };
    let fields = fields.into_iter().filter(|(_, value)| says(value));
    fields.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What an API server says that does not know `runtimePatches`.
pub const UNKNOWN_PATCHES: Sign = Sign::seen(r#"unknown field "spec.runtimePatches""#);

/// Whether the API server does not know `runtimePatches`, which only newer Trainers have.
pub fn is_unknown(error: &Error) -> bool {
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

    #[test]
    fn what_fetches_runs_where_training_does_and_mounts_nothing() {
        let options =
            json!({"node_selector": {"zone": "a"}, "volumes": [{"name": "v", "emptyDir": {}}]});
        let options = Options::read(options.as_object().unwrap()).unwrap();
        let placement = Placement::of(&options, None);
        let jobs = Jobs { training: vec!["node"], fetching: vec!["model-initializer"] };
        let patches = placement.runtime_patches(&jobs).unwrap();
        let jobs = &patches[0]["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"];
        let pod = |number: usize| jobs[number]["template"]["spec"]["template"]["spec"].clone();
        assert_eq!(pod(0), json!({"nodeSelector": {"zone": "a"}}));
        assert_eq!(
            pod(1),
            json!({"nodeSelector": {"zone": "a"}, "volumes": [{"name": "v", "emptyDir": {}}]})
        );
    }
}
