//! What Kubernetes has reported of a TrainJob and of everything made for it.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Event;
use kube::{ResourceExt as _, api::ListParams};
use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::{
    events::{self, EVENTS, Found, Pages, Row},
    train_job::{TRAIN_JOBS, TrainJob},
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<GetTrainingEvents>()];

/// Shows what happened to a training job and its JobSet, Jobs, Pods, volumes and queue: scheduling,
/// image pulls, restarts, refusals. Call it when a job does not start or its Pods vanish.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetTrainingEvents {
    /// The job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
    /// Leave out what is normal.
    #[serde(default)]
    warnings_only: bool,
    /// Rows at most.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 100))]
    limit: usize,
}

#[derive(Serialize, JsonSchema)]
struct Events {
    /// Newest first; repeats are one row.
    events: Vec<Row>,
    /// How many older rows there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_shown: Option<usize>,
    /// Why there are none, or what could not be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn twenty() -> usize {
    20
}

impl Tool for GetTrainingEvents {
    type Output = Events;
    const NAME: &str = "get_training_events";
    const TITLE: &str = "Show what happened to a training job";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[Need::to(&["get"], TRAIN_JOBS), Need::to(&["list"], EVENTS)];

    async fn call(self, caller: &Caller) -> Result<Events> {
        let job = TrainJob::find(caller, self.namespace.as_deref(), &self.name).await?;
        let found = of(caller, &job).await?;
        let note = note(&found);
        let wanted = |it: &Row| !self.warnings_only || it.kind != "Normal";
        let mut rows: Vec<Row> = events::rows(found.events).into_iter().filter(wanted).collect();
        let not_shown = rows.len().checked_sub(self.limit).filter(|it| *it > 0);
        rows.truncate(self.limit);
        Ok(Events { events: rows, not_shown, note })
    }
}

fn note(found: &Found) -> Option<String> {
    if !found.complete {
        return Some(format!("only {} events of the namespace were looked at", found.looked_at));
    }
    found
        .events
        .is_empty()
        .then(|| "none are left; a cluster usually forgets events after an hour".to_owned())
}

/// The events of a TrainJob and of everything made for it.
pub async fn of(caller: &Caller, job: &TrainJob) -> Result<Found> {
    find(caller, job, ListParams::default(), events::ALL).await
}

/// The events of the TrainJob alone: the API server finds them, however many others there are.
pub async fn of_itself(caller: &Caller, job: &TrainJob) -> Result<Found> {
    let object = format!("involvedObject.kind=TrainJob,involvedObject.name={}", job.name_any());
    find(caller, job, ListParams::default().fields(&object), events::ALL).await
}

/// The same without what happens to every job, so that the rest can be found among those of others.
pub async fn telling(caller: &Caller, job: &TrainJob) -> Result<Found> {
    let others = ROUTINE.map(|it| format!("reason!={it}")).join(",");
    find(caller, job, ListParams::default().fields(&others), events::FEW_REQUESTS).await
}

/// What an event's reason is when nothing is the matter.
const ROUTINE: [&str; 9] = [
    "Completed",
    "Created",
    "Killing",
    "Pulled",
    "Pulling",
    "Scheduled",
    "Started",
    "SuccessfulCreate",
    "SuccessfulDelete",
];

async fn find(
    caller: &Caller,
    job: &TrainJob,
    selected: ListParams,
    pages: Pages,
) -> Result<Found> {
    let api = caller.api::<Event>(job.namespace().as_deref());
    events::find(&api, selected, pages, |event| concerns(job, event)).await
}

/// Whether an event is about the job or one of its parts, and not about a former job of that name.
fn concerns(job: &TrainJob, event: &Event) -> bool {
    let object = &event.involved_object;
    let (Some(kind), Some(name)) = (&object.kind, &object.name) else { return false };
    let job_name = job.name_any();
    let own = match kind.as_str() {
        "TrainJob" => *name == job_name && (object.uid.is_none() || object.uid == job.metadata.uid),
        "JobSet" | "PodGroup" | "Service" => *name == job_name,
        "Job" => part(&job_name, name).is_some_and(|it| group(it, 0).is_some()),
        "Pod" => part(&job_name, name).is_some_and(|it| group(it, 2).is_some()),
        "PersistentVolumeClaim" => name.strip_suffix(&job_name).is_some_and(|it| it.ends_with('-')),
        "Workload" => part("trainjob", name)
            .and_then(|it| part(&job_name, it))
            .is_some_and(|hash| !hash.contains('-')),
        _ => false,
    };
    // Creation times are whole seconds, and clocks of a cluster are not exactly one.
    let slack = SignedDuration::from_secs(1);
    let born = job.creation_timestamp().and_then(|it| it.0.checked_sub(slack).ok());
    own && born.is_none_or(|born| events::when(event).is_none_or(|at| at >= born))
}

/// What follows `name-` in the name of a part.
fn part<'a>(name: &str, whole: &'a str) -> Option<&'a str> {
    whole.strip_prefix(name)?.strip_prefix('-')
}

/// The replicated job in `GROUP-0[-INDEX-SUFFIX]`, of which `more` parts follow the zero. A job
/// `a-b` has Pods that start with `a-` too, so the shape decides: no group is named like that.
fn group(part: &str, more: usize) -> Option<&str> {
    let mut parts = part.rsplitn(more + 2, '-');
    if more == 2 {
        let suffix = parts.next()?;
        let index = parts.next()?;
        let shaped = suffix.len() == 5 && index.chars().all(|it| it.is_ascii_digit());
        shaped.then_some(())?;
    }
    let zero = parts.next()?;
    parts.next().filter(|it| zero == "0" && GROUPS.contains(it))
}

/// The replicated jobs that the Trainer knows.
const GROUPS: [&str; 4] = ["node", "launcher", "dataset-initializer", "model-initializer"];

#[cfg(all(test, feature = "local"))]
mod tests;
