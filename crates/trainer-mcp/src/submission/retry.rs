//! Running a job again under a new name, as it was or with changes.

mod changes;

use kube::ResourceExt as _;
use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool, read_fields};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use workloads::{
    creation,
    output::OUTPUT,
    phase::Standing,
    train_job::{
        TRAIN_JOBS, TrainJob, names,
        runtime::{CLUSTER_RUNTIMES, RUNTIMES, Runtime},
    },
};

use super::submit::Place;

use self::changes::{Changes, Copy};

/// Which job a job repeats.
const RETRY_OF: &str = "mcp.kubeflow.org/retry-of";

/// Runs a training job again under a new name, with changes. Call it when the cause of a failure is
/// known.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryTrainingJob {
    /// The one to repeat.
    job: String,
    #[schemars(description = "Of the new one; needed to confirm.", length(max = 63))]
    name: Option<String>,
    /// Default: yours.
    namespace: Option<String>,
    /// num_nodes, resources_per_node, time_limit_seconds, queue, image, script, env, and args such
    /// as {"batch_size": 2}.
    #[serde(default)]
    changes: Map<String, Value>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Retry {
    name: String,
    namespace: String,
    /// False when the same call had made the job before.
    created: bool,
    /// The job that this one repeats.
    retry_of: String,
    /// What is different, with what it was before; of variables the names only.
    changed: Vec<String>,
    runtime: String,
    /// Where the model lands.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    /// What the cluster has set by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    set_by_cluster: Vec<String>,
    /// What may keep the job from doing what was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Tool for RetryTrainingJob {
    type Output = Retry;
    const NAME: &str = "retry_training_job";
    const TITLE: &str = "Run a training job again";
    const EFFECT: Effect = Effect::Creates;
    const PERSONA: Persona = Persona::DataScientist;
    const NEEDS: &[Need] = &[
        Need::to(&["get", "create"], TRAIN_JOBS),
        Need::perhaps(&["list"], CLUSTER_RUNTIMES),
        Need::perhaps(&["list"], RUNTIMES),
    ];

    async fn call(self, caller: &Caller) -> Result<Retry> {
        let changes: Changes = read_fields("changes", &self.changes)?;
        let place = Place::of(caller, self.namespace.as_deref(), self.name.as_deref())?;
        let (job, catalogue) = futures::join!(
            TrainJob::find_as("job", caller, self.namespace.as_deref(), &self.job),
            place.runtimes(caller)
        );
        let (job, catalogue) = (job?, catalogue?);
        let runtime = &job.spec.runtime_ref.name;
        // Whether there still is one is the cluster's to say.
        let known = catalogue.find(runtime).and_then(|it| it.runtime.as_ref().ok());
        let unknown = Runtime::default();
        let copy = copy(&job, &place.name, changes, known.unwrap_or(&unknown))?;
        let creation = place.create(caller, copy.object.clone()).await?;
        let mut warnings = creation.warnings;
        let phase = Standing::now(&job, &[]).phase;
        if !phase.is_final() {
            warnings.push(format!(
                "training job {:?} is {phase:?} and goes on: delete it if this one replaces it",
                self.job
            ));
        }
        Ok(Retry {
            created: creation.created,
            retry_of: self.job,
            changed: copy.changed,
            runtime: runtime.clone(),
            output: copy.object["metadata"]["annotations"][OUTPUT].as_str().map(str::to_owned),
            set_by_cluster: creation::set_by_cluster(&copy.object, &creation.object),
            warnings,
            name: place.name,
            namespace: place.namespace,
        })
    }
}

/// The job as somebody would send it who wants the same, and other things only where it is said.
fn copy(job: &TrainJob, name: &str, changes: Changes, runtime: &Runtime) -> Result<Copy> {
    let old = job.name_any();
    let mut object = job.template();
    let metadata = &mut object["metadata"];
    metadata["name"] = json!(name);
    metadata["labels"]["app.kubernetes.io/managed-by"] = json!("kubeflow-mcp");
    let annotations = &mut metadata["annotations"];
    annotations[RETRY_OF] = json!(old);
    if let Some(Value::String(output)) = annotations.get_mut(OUTPUT) {
        // A volume that is made for each job is called after it.
        for claim in runtime.claims() {
            let prefix = format!("pvc://{claim}-{old}");
            if let Some(path) =
                output.strip_prefix(&prefix).filter(|it| it.is_empty() || it.starts_with('/'))
            {
                *output = format!("pvc://{claim}-{name}{path}");
            }
        }
    }
    let copy = changes.made(object, runtime)?;
    let jobs = &runtime.spec.template.spec.replicated_jobs;
    let jobs: Vec<&str> = jobs.iter().map(|it| it.name.as_str()).collect();
    let nodes =
        copy.object["spec"]["trainer"]["numNodes"].as_i64().and_then(|it| i32::try_from(it).ok());
    names::check(name.into(), &jobs, nodes.unwrap_or_else(|| runtime.nodes()))?;
    Ok(copy)
}

#[cfg(test)]
mod tests;
