//! TrainJobs: the Kubeflow Trainer's objects as far as tools read or write them, how one is made
//! of code and a runtime, and where it stands.

pub mod catalogue;
pub mod choice;
pub mod events;
pub mod names;
pub mod options;
pub mod phase;
pub mod placement;
pub mod plan;
pub mod resources;
pub mod runtime;
pub mod steps;

use k8s_openapi::{
    api::core::v1::EnvVar,
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::{CustomResource, ResourceExt as _};
use kubeflow_mcp_core::{Caller, Error, Resource, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::creation::REQUEST_DIGEST;

pub const GROUP: &str = "trainer.kubeflow.org";
pub const TRAIN_JOBS: Resource = Resource::namespaced(GROUP, "trainjobs");
/// The container that training happens in, also in the Job named `launcher`.
pub const CONTAINER: &str = "node";

/// What a TrainJob asks for. Fields that no tool knows survive in `rest`.
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
pub struct TrainJobSpec {
    pub runtime_ref: RuntimeRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trainer: Option<Trainer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RuntimeRef {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trainer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<EnvVar>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_nodes: Option<i32>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrainJobStatus {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jobs_status: Vec<JobStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trainer_status: Option<TrainerStatus>,
}

/// How many child Jobs of one replicated job are in which state: 0 or 1 each.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct JobStatus {
    pub name: String,
    pub ready: i32,
    pub succeeded: i32,
    pub failed: i32,
    pub active: i32,
    pub suspended: i32,
}

/// What the training program itself has reported.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrainerStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_percentage: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_remaining_seconds: Option<i32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_updated_time: Option<Time>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Metric {
    pub name: String,
    pub value: String,
}

impl RuntimeRef {
    pub fn group(&self) -> &str {
        self.api_group.as_deref().unwrap_or(GROUP)
    }

    pub fn kind(&self) -> &str {
        self.kind.as_deref().unwrap_or("ClusterTrainingRuntime")
    }

    /// Group and kind as the Trainer writes them; `None` where it knows such a runtime.
    pub fn unsupported(&self) -> Option<String> {
        let known = self.group() == GROUP
            && matches!(self.kind(), "ClusterTrainingRuntime" | "TrainingRuntime");
        (!known).then(|| [self.kind(), self.group()].join(".").trim_end_matches('.').to_owned())
    }
}

impl TrainJob {
    /// The job of that name; a name that no job can have is told apart from one that none has.
    pub async fn find(caller: &Caller, namespace: Option<&str>, name: &str) -> Result<Self> {
        Self::find_as("name", caller, namespace, name).await
    }

    /// The same, where another argument than `name` says which.
    pub async fn find_as(
        argument: &str,
        caller: &Caller,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Self> {
        let usual = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-';
        if name.is_empty() || name.len() > 63 || !name.chars().all(usual) {
            let problem = format!(
                "is {name:?}, but a job's name has lower-case letters, digits and '-' only"
            );
            return Err(Error::argument(argument, problem));
        }
        caller.api::<Self>(namespace).get(name).await.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 404 => Error::NotFound {
                kind: "TrainJob",
                name: name.to_owned(),
                namespace: caller.namespace(namespace).to_owned(),
            },
            other => other.into(),
        })
    }

    /// The job as somebody would send it who wants the same, without a name.
    pub fn template(&self) -> Value {
        let mut annotations = self.annotations().clone();
        for others in [REQUEST_DIGEST, "kubectl.kubernetes.io/last-applied-configuration"] {
            annotations.remove(others);
        }
        let mut spec = json!(self.spec);
        if let Some(fields) = spec.as_object_mut() {
            // What the cluster and Kueue have written themselves, they write again.
            for theirs in ["suspend", "managedBy"] {
                fields.remove(theirs);
            }
            let patches = fields.remove("runtimePatches").map(own_patches);
            if let Some(patches) = patches.filter(|it| !it.is_empty()) {
                fields.insert("runtimePatches".to_owned(), patches.into());
            }
        }
        json!({
            "apiVersion": format!("{GROUP}/v1alpha1"),
            "kind": "TrainJob",
            "metadata": {"labels": self.labels(), "annotations": annotations},
            "spec": spec,
        })
    }

    /// The condition that says that it is over.
    pub fn end(&self) -> Option<&Condition> {
        self.condition("Complete").or_else(|| self.condition("Failed"))
    }

    /// A condition that is `True`.
    pub fn condition(&self, name: &str) -> Option<&Condition> {
        let conditions = &self.status.as_ref()?.conditions;
        conditions.iter().find(|it| it.type_ == name && it.status == "True")
    }
}

/// The patches that somebody has asked for, as they were sent.
fn own_patches(patches: Value) -> Vec<Value> {
    let Value::Array(patches) = patches else { return Vec::new() };
    let of_kueue =
        |it: &Value| it["manager"].as_str().is_some_and(|it| it.starts_with("kueue.x-k8s.io/"));
    let mut own: Vec<Value> = patches.into_iter().filter(|it| !of_kueue(it)).collect();
    for patch in own.iter_mut().filter_map(Value::as_object_mut) {
        patch.remove("time");
    }
    own
}
