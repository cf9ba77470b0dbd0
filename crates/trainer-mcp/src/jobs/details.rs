//! One training job, as far as an agent needs to know it to act.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt as _;
use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use workloads::{
    code::{PACKAGES, as_received},
    events::EVENTS,
    logs::{self, Line, POD_LOGS},
    output::OUTPUT,
    phase::{Phase, Standing},
    pods::{Member, PODS},
    progress::Tracker,
    train_job::{
        CONTAINER, TRAIN_JOBS, TrainJob, events,
        phase::{QUEUE_LABEL, SdkStatus},
        steps::{self, Steps},
    },
};

const MESSAGE: usize = 500;
/// A look at a job is quick, whatever its node does.
const LOG_WITHIN: Duration = Duration::from_secs(2);

/// Shows one training job: phase and why, steps and ranks, times, resources. Call it to see how a
/// job stands, and before changing it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetTrainingJob {
    /// Of the job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Details {
    name: String,
    namespace: String,
    phase: Phase,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What the Kubeflow SDK calls it.
    sdk_status: SdkStatus,
    /// Another cluster runs it: its Pods, logs and events are there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    remote: bool,
    runtime: String,
    /// Of the namespace or of the whole cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime_kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// Where the job says it; else the runtime's.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<i32>,
    /// Of each node, where the job says it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    resources: BTreeMap<String, String>,
    /// Of the script.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packages: Vec<String>,
    /// The Kueue queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    /// Where its model lands.
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    /// From the first Pod's start to the end, or to now.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<i64>,
    conditions: Vec<Condition>,
    #[serde(flatten)]
    steps: Steps,
    /// How far it is, by what the program has reported or printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    /// What could not be seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unseen: Vec<&'static str>,
}

#[derive(Serialize, JsonSchema)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: String,
    at: String,
}

#[derive(Serialize, JsonSchema)]
struct Progress {
    /// Of the whole training.
    #[serde(skip_serializing_if = "Option::is_none")]
    percent: Option<i32>,
    /// The program's own estimate, or at the pace so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_seconds: Option<i64>,
    /// The last value of each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metrics: BTreeMap<String, String>,
}

impl Tool for GetTrainingJob {
    type Output = Details;
    const NAME: &str = "get_training_job";
    const TITLE: &str = "Show a training job";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[
        Need::to(&["get"], TRAIN_JOBS),
        Need::perhaps(&["list"], PODS),
        Need::perhaps(&["list"], EVENTS),
        Need::perhaps(&["get"], POD_LOGS),
    ];

    async fn call(self, caller: &Caller) -> Result<Details> {
        let job = TrainJob::find(caller, self.namespace.as_deref(), &self.name).await?;
        let mut unseen = Vec::new();
        let pods = steps::pods(caller, &job).await?;
        if pods.is_none() {
            unseen.push("Pods: you may not list them");
        }
        let pods = pods.unwrap_or_default();
        // Only there do events tell more of the phase than status and Pods.
        let unreconciled = job.status.as_ref().is_none_or(|it| it.jobs_status.is_empty());
        let mut reported: Vec<Event> = Vec::new();
        if unreconciled {
            match events::of_itself(caller, &job).await {
                Ok(found) => reported = found.events,
                Err(_) => unseen.push("events: they could not be listed"),
            }
        }
        let standing = Standing::of(&job, &pods, &reported, Timestamp::now());
        let mut progress = reported_progress(&job);
        if standing.phase == Phase::Running
            && progress.as_ref().is_none_or(|it| it.percent.is_none())
        {
            progress = printed_progress(caller, &job, &pods).await.or(progress);
        }
        let started = pods.iter().filter_map(|it| it.state.started.as_ref()).map(|it| it.0).min();
        let end = job.end();
        let ended = end.map(|it| it.last_transition_time.0);
        let trainer = job.spec.trainer.clone().unwrap_or_default();
        let shortened = |it: String| it.chars().take(MESSAGE).collect();
        Ok(Details {
            namespace: job.namespace().unwrap_or_default(),
            phase: standing.phase,
            reason: standing.reason,
            message: standing.message.map(shortened),
            sdk_status: SdkStatus::of(&job),
            remote: standing.remote,
            runtime: job.spec.runtime_ref.name.clone(),
            runtime_kind: job.spec.runtime_ref.kind.clone(),
            image: trainer.image,
            nodes: trainer.num_nodes,
            resources: resources(&trainer.rest),
            args: trainer
                .args
                .iter()
                .flatten()
                .take(20)
                .map(|it| shortened(as_received(it)))
                .collect(),
            packages: trainer
                .env
                .iter()
                .flatten()
                .filter(|it| it.name == PACKAGES)
                .flat_map(|it| it.value.iter().flat_map(|it| it.lines()).map(str::to_owned))
                .collect(),
            queue: job.labels().get(QUEUE_LABEL).cloned(),
            output: job.annotations().get(OUTPUT).cloned(),
            created: job.creation_timestamp().map(|it| it.0.to_string()).unwrap_or_default(),
            started: started.map(|it| it.to_string()),
            ended: ended.map(|it| it.to_string()),
            seconds: started
                .map(|it| ended.unwrap_or_else(Timestamp::now).duration_since(it).as_secs()),
            conditions: conditions(&job),
            steps: Steps::of(&job, &pods),
            progress,
            unseen,
            name: self.name,
        })
    }
}

/// Limits, else requests: quantities may be written as numbers.
fn resources(trainer: &serde_json::Map<String, Value>) -> BTreeMap<String, String> {
    let asked =
        trainer.get("resourcesPerNode").into_iter().flat_map(|it| [&it["limits"], &it["requests"]]);
    let asked = asked.filter_map(Value::as_object).find(|it| !it.is_empty());
    let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    asked.into_iter().flatten().map(|(name, quantity)| (name.clone(), text(quantity))).collect()
}

fn conditions(job: &TrainJob) -> Vec<Condition> {
    let conditions = job.status.iter().flat_map(|it| &it.conditions);
    let conditions = conditions.map(|it| Condition {
        kind: it.type_.clone(),
        status: it.status.clone(),
        reason: it.reason.clone(),
        at: it.last_transition_time.0.to_string(),
    });
    conditions.collect()
}

/// By what the first rank prints.
async fn printed_progress(caller: &Caller, job: &TrainJob, pods: &[Member]) -> Option<Progress> {
    let place = steps::place(job, "node-0")?;
    let first = pods.iter().find(|it| it.group == place.group && it.index == place.index)?;
    let container = logs::container(first, CONTAINER).ok()?;
    let api = caller.api::<Pod>(job.namespace().as_deref());
    // Who may not read logs, or whose node does not answer, is not told how far it is.
    let log = logs::stamped(&api, &first.pod, &container.name, false);
    let text = tokio::time::timeout(LOG_WITHIN, log).await.ok()?.ok()?;
    let mut tracker = Tracker::default();
    for Line { at, text } in text.lines().map(Line::of) {
        tracker.hear(at, text);
    }
    let how_far = tracker.progress(Timestamp::now());
    let progress = Progress {
        percent: how_far.map(|it| it.percent.round() as i32),
        remaining_seconds: how_far.and_then(|it| it.remaining).map(|it| it.as_secs()),
        metrics: tracker.metrics.into_iter().take(20).collect(),
    };
    (progress.percent.is_some() || !progress.metrics.is_empty()).then_some(progress)
}

fn reported_progress(job: &TrainJob) -> Option<Progress> {
    let reported = job.status.as_ref()?.trainer_status.as_ref()?;
    let metrics = reported.metrics.iter().take(20);
    Some(Progress {
        percent: reported.progress_percentage,
        remaining_seconds: reported.estimated_remaining_seconds.map(i64::from),
        metrics: metrics.map(|it| (it.name.clone(), it.value.clone())).collect(),
    })
}
