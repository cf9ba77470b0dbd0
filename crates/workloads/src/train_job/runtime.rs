//! What a TrainJob is started from: TrainingRuntime and ClusterTrainingRuntime, which differ in
//! their scope alone.

use k8s_openapi::{
    api::{
        batch::v1::JobTemplateSpec,
        core::v1::{Container, PersistentVolumeClaim},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kubeflow_mcp_core::Resource;
use serde::Deserialize;
use serde_json::Value;

use super::{CONTAINER, GROUP};

pub const RUNTIMES: Resource = Resource::namespaced(GROUP, "trainingruntimes");
pub const CLUSTER_RUNTIMES: Resource = Resource::cluster(GROUP, "clustertrainingruntimes");

pub const FRAMEWORK: &str = "trainer.kubeflow.org/framework";
const SUPPORT: &str = "trainer.kubeflow.org/support";
const ANCESTOR: &str = "trainer.kubeflow.org/trainjob-ancestor-step";
/// The Jobs, and their containers, that fetch what is trained and what it is trained with.
pub const DATASET_INITIALIZER: &str = "dataset-initializer";
pub const MODEL_INITIALIZER: &str = "model-initializer";

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Runtime {
    pub kind: Option<String>,
    pub metadata: ObjectMeta,
    pub spec: RuntimeSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RuntimeSpec {
    pub ml_policy: MlPolicy,
    pub template: JobSetTemplate,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MlPolicy {
    pub num_nodes: Option<i32>,
    pub torch: Option<Value>,
    pub mpi: Option<Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct JobSetTemplate {
    pub spec: JobSetSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobSetSpec {
    pub replicated_jobs: Vec<ReplicatedJob>,
    pub volume_claim_policies: Vec<VolumeClaimPolicy>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ReplicatedJob {
    pub name: String,
    pub template: JobTemplateSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct VolumeClaimPolicy {
    pub templates: Vec<PersistentVolumeClaim>,
}

impl Runtime {
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    pub fn framework(&self) -> Option<&str> {
        self.label(FRAMEWORK)
    }

    /// Whether it brings its own training program, and so runs nobody's code.
    pub fn is_builtin(&self) -> bool {
        self.framework() == Some("torchtune")
    }

    pub fn is_deprecated(&self) -> bool {
        self.label(SUPPORT) == Some("deprecated")
    }

    pub fn nodes(&self) -> i32 {
        self.spec.ml_policy.num_nodes.unwrap_or(1)
    }

    /// The container that the TrainJob's image, command and environment go to.
    pub fn trainer(&self) -> Option<&Container> {
        self.containers_of("launcher").chain(self.containers_of(CONTAINER)).next()
    }

    pub fn image(&self) -> Option<&str> {
        self.trainer()?.image.as_deref()
    }

    /// The Jobs whose Pods train, for what concerns where and how Pods run.
    pub fn trainer_jobs(&self) -> Vec<&str> {
        let trains = |it: &&ReplicatedJob| {
            it.is_labelled() || [CONTAINER, "launcher"].contains(&it.name.as_str())
        };
        self.spec
            .template
            .spec
            .replicated_jobs
            .iter()
            .filter(trains)
            .map(|it| it.name.as_str())
            .collect()
    }

    /// The Jobs that fetch a model and a data set before anything trains.
    pub fn initializers(&self) -> Vec<&str> {
        let jobs = self.spec.template.spec.replicated_jobs.iter().map(|it| it.name.as_str());
        jobs.filter(|it| [DATASET_INITIALIZER, MODEL_INITIALIZER].contains(it)).collect()
    }

    /// The volumes that are made for each job; a claim is called `<name>-<job>`.
    pub fn claims(&self) -> impl Iterator<Item = &str> {
        let policies = self.spec.template.spec.volume_claim_policies.iter();
        policies.flat_map(|it| &it.templates).filter_map(|it| it.metadata.name.as_deref())
    }

    /// Whether no Job says that it trains, so that the Trainer leaves all of them as they are.
    pub fn has_no_trainer_label(&self) -> bool {
        !self.spec.template.spec.replicated_jobs.iter().any(ReplicatedJob::is_labelled)
    }

    /// What each node may use, as far as the runtime says.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &str)> {
        // The Pods that have the devices: with MPI not the launcher, unless it is a node too.
        let containers = self.containers_of(CONTAINER).chain(self.containers_of("launcher"));
        let resources = containers.filter_map(|it| it.resources.as_ref()).find_map(|it| {
            let limits = it.limits.as_ref().filter(|it| !it.is_empty());
            limits.or(it.requests.as_ref().filter(|it| !it.is_empty()))
        });
        resources.into_iter().flatten().map(|(name, quantity)| (name.as_str(), quantity.0.as_str()))
    }

    /// The device that each node has, and how many of it.
    pub fn device(&self) -> Option<(&str, &str)> {
        self.resources().find(|(name, _)| is_device(name))
    }

    fn containers_of<'a>(&'a self, job: &'a str) -> impl Iterator<Item = &'a Container> {
        let jobs = self.spec.template.spec.replicated_jobs.iter().filter(move |it| it.name == job);
        let pods = jobs.filter_map(|it| it.template.spec.as_ref()?.template.spec.as_ref());
        pods.flat_map(|it| &it.containers).filter(|it| it.name == CONTAINER)
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.metadata.labels.as_ref()?.get(name).map(String::as_str)
    }
}

impl ReplicatedJob {
    /// Whether it says that it is the one that trains.
    fn is_labelled(&self) -> bool {
        let labels = self.template.metadata.as_ref().and_then(|it| it.labels.as_ref());
        labels.and_then(|it| it.get(ANCESTOR)).is_some_and(|it| it == "trainer")
    }
}

/// Whether a resource is a device of some vendor: `nvidia.com/gpu`, `google.com/tpu`.
pub fn is_device(resource: &str) -> bool {
    resource
        .split_once('/')
        .is_some_and(|(vendor, _)| vendor.contains('.') && vendor != "kubernetes.io")
}
