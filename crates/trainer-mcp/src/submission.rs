//! Starting training jobs from code.

mod environment;
mod names;
mod placement;
mod resources;
mod runtime;
mod train_job;

use std::collections::BTreeMap;

use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use workloads::{code, creation};

use crate::{
    api::{
        GROUP, TRAIN_JOBS,
        runtime::{CLUSTER_RUNTIMES, RUNTIMES},
    },
    runtimes::catalogue::Catalogue,
    submission::train_job::{Generation, Plan},
};

pub(crate) use self::placement::UNKNOWN_PATCHES;

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<RunCustomTraining>()];

/// Runs a Python script as a training job on a cluster. Call it unconfirmed first: the preview
/// checks everything and proposes a name.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RunCustomTraining {
    /// A whole Python program, not only a function.
    #[schemars(length(min = 1, max = 524_288))]
    script: String,
    /// From list_runtimes.
    runtime: Option<String>,
    #[schemars(description = "Needed to confirm.", length(max = 63))]
    name: Option<String>,
    /// Default: yours.
    namespace: Option<String>,
    /// Default: the runtime's.
    #[schemars(range(min = 1, max = 1000))]
    num_nodes: Option<i32>,
    /// Default: the runtime's.
    #[schemars(range(min = 0, max = 16))]
    gpu_per_node: Option<u32>,
    /// Reach the script as --key=value and as JSON in $FUNC_ARGS.
    #[serde(default)]
    func_args: Map<String, Value>,
    /// For pip, such as "numpy>=2".
    #[serde(default)]
    #[schemars(length(max = 50))]
    packages: Vec<String>,
    /// Default: the runtime's.
    #[schemars(length(max = 500))]
    image: Option<String>,
    /// First the index, then extra ones.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pip_index_urls: Vec<String>,
    /// Such as {"cpu": 2, "memory": "4Gi"}.
    #[serde(default)]
    resources_per_node: Map<String, Value>,
    /// A secret only as {"secret": NAME, "key": KEY}.
    #[serde(default)]
    env: Map<String, Value>,
    /// Labels of nodes.
    #[serde(default)]
    node_selector: BTreeMap<String, String>,
    /// As in a Pod.
    #[serde(default)]
    tolerations: Vec<Map<String, Value>>,
    /// As in a Pod.
    #[serde(default)]
    volumes: Vec<Map<String, Value>>,
    /// As in a container.
    #[serde(default)]
    volume_mounts: Vec<Map<String, Value>>,
    /// Of the Pods.
    service_account_name: Option<String>,
    /// Names of Secrets.
    #[serde(default)]
    image_pull_secrets: Vec<String>,
    /// Of the TrainJob; kueue.x-k8s.io/queue-name queues it.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Of the TrainJob.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize, JsonSchema)]
struct Submission {
    name: String,
    namespace: String,
    /// False when the same call had made the job before.
    created: bool,
    runtime: String,
    /// Why this runtime, where none was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime_chosen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    nodes: i32,
    /// A number, or what the launcher counts: auto, cpu, gpu.
    processes_per_node: String,
    /// Of each node.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    resources: BTreeMap<String, String>,
    /// What runs in the end.
    command: String,
    /// How long the script is.
    code_bytes: usize,
    /// The first digits of the script's SHA-256.
    code_digest: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packages: Vec<String>,
    /// Names only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    /// What the cluster has set by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    set_by_cluster: Vec<String>,
    /// What may keep the job from doing what was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Tool for RunCustomTraining {
    type Output = Submission;
    const NAME: &str = "run_custom_training";
    const TITLE: &str = "Run a training script";
    const EFFECT: Effect = Effect::Creates;
    const PERSONA: Persona = Persona::DataScientist;
    const NEEDS: &[Need] = &[
        Need::to(&["create"], TRAIN_JOBS),
        Need::perhaps(&["get"], TRAIN_JOBS),
        Need::perhaps(&["list"], CLUSTER_RUNTIMES),
        Need::perhaps(&["list"], RUNTIMES),
    ];

    async fn call(self, caller: &Caller) -> Result<Submission> {
        let namespace = caller.namespace(self.namespace.as_deref()).to_owned();
        let name = match &self.name {
            Some(name) => name.clone(),
            None if caller.rehearses() => names::propose(caller.digest()),
            None => return Err(names::missing(caller.digest())),
        };
        let catalogue = Catalogue::of(caller, Some(&namespace)).await?;
        let chosen = runtime::choose(&catalogue, self.runtime.as_deref())?;
        let plan = Plan::of(&self, &name, &chosen)?;
        let path = format!("/apis/{GROUP}/v1alpha1/namespaces/{namespace}/{}", TRAIN_JOBS.plural);
        let newer = plan.train_job(&name, Generation::Patches);
        let creation = match creation::create(caller, &path, newer.clone()).await {
            // An older Trainer says so when it does not know the field.
            Err(error) if placement::is_unknown(&error) => {
                let older = plan.train_job(&name, Generation::Overrides);
                creation::create(caller, &path, older).await?
            }
            creation => creation?,
        };
        let mut warnings = plan.warnings();
        warnings.extend(creation.warnings);
        Ok(Submission {
            namespace,
            created: creation.created,
            runtime: chosen.reference.name.clone(),
            runtime_chosen: chosen.why.clone(),
            image: plan.image(),
            nodes: plan.nodes,
            processes_per_node: plan.processes(),
            command: plan.start.summary(&plan.delivery.args),
            code_bytes: self.script.len(),
            code_digest: code::digest(&self.script),
            env: self.env.keys().cloned().collect(),
            set_by_cluster: train_job::set_by_cluster(&newer, &creation.object),
            resources: plan.resources.clone(),
            packages: self.packages.clone(),
            warnings,
            name,
        })
    }
}

#[cfg(test)]
#[cfg(feature = "local")]
mod tests;
