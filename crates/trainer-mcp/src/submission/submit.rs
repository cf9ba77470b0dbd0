//! Sending a checked TrainJob, and what is told of it.

use std::collections::BTreeMap;

use kubeflow_mcp_core::{Caller, Error, Need, Result};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use workloads::{
    creation::{self, Creation},
    image,
    train_job::{
        GROUP, TRAIN_JOBS,
        catalogue::Catalogue,
        names, placement,
        plan::{Generation, Plan},
        runtime::{CLUSTER_RUNTIMES, RUNTIMES},
    },
};

/// What proposed names start with.
const NAMES: &str = "train";

pub(super) const NEEDS: &[Need] = &[
    Need::to(&["create"], TRAIN_JOBS),
    Need::perhaps(&["get"], TRAIN_JOBS),
    Need::perhaps(&["list"], CLUSTER_RUNTIMES),
    Need::perhaps(&["list"], RUNTIMES),
];

/// A job that was made, or would be.
#[derive(Default, Serialize, JsonSchema)]
pub(super) struct Submission {
    pub(super) name: String,
    pub(super) namespace: String,
    /// False when the same call had made the job before.
    pub(super) created: bool,
    pub(super) runtime: String,
    /// Why this runtime, where none was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) runtime_chosen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<String>,
    pub(super) nodes: i32,
    /// A number, or what the launcher counts: auto, cpu, gpu.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) processes_per_node: Option<String>,
    /// Of each node.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) resources: BTreeMap<String, String>,
    /// What runs in the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<String>,
    /// TorchTune's, with the configuration that the arguments change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recipe: Option<String>,
    /// How long the script is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code_bytes: Option<usize>,
    /// The first digits of the script's SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code_digest: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) packages: Vec<String>,
    /// Names only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<String>,
    /// Where the model lands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output: Option<String>,
    /// The Kueue queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) queue: Option<String>,
    /// After which the job is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) time_limit_seconds: Option<i64>,
    /// What the cluster has set by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) set_by_cluster: Vec<String>,
    /// What may keep the job from doing what was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
}

/// Where a job is to be, and what it is to be called.
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Place {
    pub(super) fn of(caller: &Caller, namespace: Option<&str>, name: Option<&str>) -> Result<Self> {
        let name = match name {
            Some(name) => name.to_owned(),
            None if caller.rehearses() => names::propose(NAMES, caller.digest()),
            None => return Err(names::missing(NAMES, caller.digest())),
        };
        Ok(Self { namespace: caller.namespace(namespace).to_owned(), name })
    }

    pub(super) async fn runtimes(&self, caller: &Caller) -> Result<Catalogue> {
        Catalogue::of(caller, Some(&self.namespace)).await
    }

    /// Sends a TrainJob once, however often the same call is made.
    pub(super) async fn create(&self, caller: &Caller, job: Value) -> Result<Creation> {
        let path =
            format!("/apis/{GROUP}/v1alpha1/namespaces/{}/{}", self.namespace, TRAIN_JOBS.plural);
        let creation = creation::create(caller, &path, job).await?;
        let hopeless = creation.warnings.iter().find(|it| it.contains(image::NO_IMAGES.name));
        match hopeless {
            Some(why) if caller.rehearses() => Err(Error::conflict(
                why.clone(),
                "start it on a cluster that runs containers, or run a script with run_custom_training",
            )),
            _ => Ok(creation),
        }
    }
}

/// Makes the job, or rehearses that.
pub(super) async fn submit(caller: &Caller, place: &Place, plan: &Plan) -> Result<Submission> {
    let newer = plan.train_job(Generation::Patches);
    let creation = match place.create(caller, newer.clone()).await {
        // An older Trainer says so when it does not know the field.
        Err(error) if placement::is_unknown(&error) => {
            place.create(caller, plan.train_job(Generation::Overrides)).await?
        }
        creation => creation?,
    };
    let mut warnings = plan.warnings();
    warnings.extend(creation.warnings);
    Ok(Submission {
        name: place.name.clone(),
        namespace: place.namespace.clone(),
        created: creation.created,
        runtime: plan.chosen.reference.name.clone(),
        runtime_chosen: plan.chosen.why.clone(),
        image: plan.image().map(str::to_owned),
        nodes: plan.nodes,
        resources: plan.resources.clone(),
        output: plan.output.clone(),
        queue: plan.options.queue().cloned(),
        time_limit_seconds: plan.options.time_limit_seconds,
        set_by_cluster: creation::set_by_cluster(&newer, &creation.object),
        warnings,
        ..Submission::default()
    })
}
