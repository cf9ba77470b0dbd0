//! What the program of a training job has printed.

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{ResourceExt as _, api::ListParams};
use kubeflow_mcp_core::{Caller, Effect, Error, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::{
    events::{self, EVENTS},
    job::JOBS,
    logs::{self, Log, POD_LOGS, Query},
    phase::{Phase, Standing},
    pods::{Member, PODS},
    train_job::{
        self, CONTAINER, TRAIN_JOBS, TrainJob,
        steps::{self, LABELS, Place},
    },
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<GetTrainingLogs>()];

const EVENTS_SHOWN: usize = 3;

/// Shows a training job's log: its end, or what a search finds. Use it for results and crashes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetTrainingLogs {
    /// The job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
    /// Default: node-0.
    step: Option<String>,
    /// Instead of step.
    rank: Option<u32>,
    /// Lines.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 1000))]
    tail: u32,
    /// Such as 10m.
    since: Option<String>,
    /// Regex or text.
    #[schemars(length(max = 200))]
    search: Option<String>,
    /// Before a restart.
    previous: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct StepLog {
    step: String,
    /// The Pod that the log is of; there may be none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<String>,
    #[serde(flatten)]
    log: Log,
    /// Every step of the job.
    steps: String,
}

fn hundred() -> u32 {
    100
}

impl Tool for GetTrainingLogs {
    type Output = StepLog;
    const NAME: &str = "get_training_logs";
    const TITLE: &str = "Show a training job's log";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[
        Need::to(&["get"], TRAIN_JOBS),
        Need::to(&["list"], PODS),
        Need::to(&["get"], POD_LOGS),
        Need::perhaps(&["get"], JOBS),
        Need::perhaps(&["list"], EVENTS),
    ];

    async fn call(self, caller: &Caller) -> Result<StepLog> {
        let query = Query {
            tail: self.tail,
            since_seconds: self.since.as_deref().map(logs::seconds).transpose()?,
            search: self.search.as_deref().filter(|it| !it.is_empty()).map(logs::pattern),
            previous: self.previous,
        };
        let job = TrainJob::find(caller, self.namespace.as_deref(), &self.name).await?;
        let (step, place) = self.place(&job)?;
        let mut found = StepLog { step, pod: None, log: Log::default(), steps: steps::names(&job) };
        match pod(caller, &job, &place).await? {
            Some(pod) => {
                let container = logs::container(&pod, CONTAINER)?;
                let pods = caller.api::<Pod>(job.namespace().as_deref());
                found.log = logs::read(&pods, &pod.pod, container, &query).await?;
                found.log.notes.extend(why_not(&pod, &found.log));
                found.pod = Some(pod.pod);
            }
            None => found.log.notes = gone(caller, &job, &place).await,
        }
        found.log.notes.extend(elsewhere(&job, &place));
        Ok(found)
    }
}

impl GetTrainingLogs {
    fn place(&self, job: &TrainJob) -> Result<(String, Place)> {
        let (argument, step) = match (&self.step, self.rank) {
            (Some(step), Some(rank)) => {
                let problem = format!("which cannot be given beside step {step:?}");
                return Err(Error::value("rank", rank, problem));
            }
            (Some(step), None) => ("step", step.clone()),
            (None, rank) => ("rank", format!("node-{}", rank.unwrap_or_default())),
        };
        let unknown = || {
            let steps = steps::names(job);
            Error::argument(argument, format!("names {step:?}, but the job has {steps}"))
        };
        let place = steps::place(job, &step).ok_or_else(unknown)?;
        let nodes = job.spec.trainer.as_ref().and_then(|it| it.num_nodes).unwrap_or_default();
        let nodes = u32::try_from(nodes).unwrap_or_default();
        if nodes > 0 && place.group == "node" && place.index >= nodes {
            return Err(unknown());
        }
        Ok((step, place))
    }
}

/// The newest Pod of one rank: asked for alone, however many others there are.
async fn pod(caller: &Caller, job: &TrainJob, place: &Place) -> Result<Option<Member>> {
    let Place { group, index } = place;
    let selector = format!(
        "{},{}={group},{}={index}",
        steps::selector(&job.name_any()),
        LABELS.group,
        LABELS.index
    );
    let pods = caller.api::<Pod>(job.namespace().as_deref());
    let found = pods.list(&ListParams::default().labels(&selector)).await?;
    Ok(steps::members(job, &found.items).pop())
}

/// What the Pod says of itself, where it has no log to show.
fn why_not(pod: &Member, log: &Log) -> Option<String> {
    let reason = pod.state.reason.as_ref().filter(|_| log.lines == 0 && log.matches.is_none())?;
    let message = pod.state.message.as_deref().unwrap_or_default();
    Some(format!("the Pod is {}: {reason} {message}", pod.state.phase).trim_end().to_owned())
}

/// Why a step has no Pod, from whatever else the cluster still knows.
async fn gone(caller: &Caller, job: &TrainJob, place: &Place) -> Vec<String> {
    let standing = Standing::now(job, &[]);
    let mut notes = vec![
        match standing.phase {
            Phase::Failed => {
                "no Pod is left: when a Job fails, its Pods and their logs are removed"
            }
            Phase::Queued | Phase::Suspended | Phase::Suspending => "a suspended job has no Pods",
            Phase::Succeeded => "the Pod was removed after the job succeeded, and its log with it",
            _ => "there is no Pod yet",
        }
        .to_owned(),
    ];
    let told = |reason: &Option<String>, message: &Option<String>| {
        let texts = [reason.as_deref(), message.as_deref()];
        texts.into_iter().flatten().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(": ")
    };
    let why = told(&standing.reason, &standing.message);
    notes.extend(Some(format!("TrainJob {:?} {why}", standing.phase)).filter(|_| !why.is_empty()));
    let name = format!("{}-{}-0", job.name_any(), place.group);
    // Both are asked for what they know, if they may be asked: without them, less is said.
    if let Ok(job) = caller.api::<Job>(job.namespace().as_deref()).get(&name).await {
        let conditions = job.status.and_then(|it| it.conditions).unwrap_or_default();
        let failed = conditions.into_iter().find(|it| it.type_ == "Failed" && it.status == "True");
        notes.extend(failed.map(|it| format!("Job Failed {}", told(&it.reason, &it.message))));
    }
    if let Ok(found) = train_job::events::of(caller, job).await {
        let warnings = events::rows(found.events).into_iter().filter(|it| it.kind == "Warning");
        let texts = warnings.map(|it| format!("{} {}: {}", it.object, it.reason, it.message));
        notes.extend(texts.take(EVENTS_SHOWN));
    }
    notes
}

/// Another step whose log is the one to read.
fn elsewhere(job: &TrainJob, place: &Place) -> Option<String> {
    let status = job.status.as_ref()?;
    let failed = status.jobs_status.iter().find(|it| it.failed > 0 && it.name != place.group)?;
    let step = steps::name(job, &failed.name, 0);
    Some(format!("step {step} has failed; its log is the one to read"))
}

#[cfg(all(test, feature = "local"))]
mod tests;
