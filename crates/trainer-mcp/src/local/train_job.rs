//! TrainJobs and training runtimes, as their controller and webhooks read them.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, EnvVar, ResourceRequirements},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use workloads::train_job::{RuntimeRef, TrainJobStatus};

use crate::local::job_set::{JobSetSpec, ReplicatedJob};

/// The label on a replicated job that says which part of a TrainJob it plays.
pub(super) const ANCESTOR: &str = "trainer.kubeflow.org/trainjob-ancestor-step";
/// The ancestor, and so the job, that runs the user's code; its container is `node`.
pub(super) const TRAINER: &str = "trainer";
pub(super) const NODE: &str = "node";
pub(super) const DATASET_INITIALIZER: &str = "dataset-initializer";
pub(super) const MODEL_INITIALIZER: &str = "model-initializer";
/// The value of `spec.managedBy` for which this cluster's controller answers.
pub(super) const CONTROLLER: &str = "trainer.kubeflow.org/trainjob-controller";

#[derive(Clone, Debug, Default, CustomResource, Deserialize, Serialize)]
#[kube(
    group = "trainer.kubeflow.org",
    version = "v1alpha1",
    kind = "TrainJob",
    plural = "trainjobs",
    namespaced,
    status = "TrainJobStatus",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TrainJobSpec {
    pub(super) runtime_ref: RuntimeRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) initializer: Option<Initializer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trainer: Option<Trainer>,
    /// Read as JSON: they are merged into a runtime's template, not interpreted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) runtime_patches: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) suspend: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) active_deadline_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) managed_by: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Initializer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dataset: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<Source>,
}

/// Where an initializer gets its data.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Source {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) storage_uri: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<EnvVar>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret_ref: Option<SecretRef>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct SecretRef {
    pub(super) name: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Trainer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) args: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<EnvVar>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) num_nodes: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resources_per_node: Option<ResourceRequirements>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) num_proc_per_node: Option<i32>,
}

/// A `TrainingRuntime` or `ClusterTrainingRuntime`: they differ only in their scope.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Runtime {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: RuntimeSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RuntimeSpec {
    pub(super) ml_policy: Option<MlPolicy>,
    pub(super) pod_group_policy: Option<Value>,
    pub(super) template: JobSetTemplate,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MlPolicy {
    pub(super) num_nodes: Option<i32>,
    pub(super) torch: Option<TorchPolicy>,
    pub(super) mpi: Option<MpiPolicy>,
    pub(super) jax: Option<Value>,
    pub(super) xgboost: Option<Value>,
    pub(super) flux: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct TorchPolicy {
    pub(super) env_injection: Option<EnvInjection>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EnvInjection {
    pub(super) targets: Vec<EnvInjectionTarget>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct EnvInjectionTarget {
    pub(super) job_name: String,
    pub(super) container_names: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MpiPolicy {
    pub(super) run_launcher_as_node: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobSetTemplate {
    pub(super) metadata: TemplateMetadata,
    /// A `JobSetSpec`, once the TrainJob's patches are merged into it.
    pub(super) spec: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TemplateMetadata {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

impl ReplicatedJob {
    pub(super) fn ancestor(&self) -> Option<&str> {
        self.label(ANCESTOR)
    }
}

impl JobSetSpec {
    /// The container of the first job that plays `ancestor` and is called `name`.
    pub(super) fn container_of(&self, ancestor: &str, name: &str) -> Option<&Container> {
        let job = self.replicated_jobs.iter().find(|job| job.ancestor() == Some(ancestor))?;
        job.pod_spec()?.containers.iter().find(|container| container.name == name)
    }
}
