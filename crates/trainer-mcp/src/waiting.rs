//! Waiting for a training job, without asking again and again.

mod ending;
mod watched;

use std::{pin::pin, time::Duration};

use futures::{StreamExt as _, stream::BoxStream};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, interval_at, sleep_until};
use workloads::{
    events::EVENTS,
    logs::{POD_LOGS, follow},
    phase::{Phase, Standing},
    pods::PODS,
    train_job::{CONTAINER, TRAIN_JOBS, TrainJob, steps},
    waiting::{Change, Selection, changes},
};

use self::{ending::Ending, watched::Watched};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<WaitForTraining>()];

/// Waits until a training job has ended or reached a status, and shows its last metrics and log
/// lines. Call it after starting a job; at the time limit it shows where the job stands.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WaitForTraining {
    /// The job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
    /// Default: Complete, Stuck (keeps crashing or cannot start).
    #[serde(default = "complete_or_stuck")]
    #[schemars(length(min = 1, max = 5))]
    target_statuses: Vec<Target>,
    /// How long at most.
    #[serde(default = "ten_minutes")]
    #[schemars(range(min = 1, max = 3600))]
    timeout_seconds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
enum Target {
    Running,
    Complete,
    Failed,
    Suspended,
    Stuck,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// The job has a status that was waited for.
    Reached,
    /// A Pod crashes again and again, or cannot start: without help it hardly gets further.
    Stuck,
    /// The job has ended with another status.
    Ended,
    /// The job goes on; wait again, or look at why it does not get further.
    TimeLimit,
    Deleted,
}

fn complete_or_stuck() -> Vec<Target> {
    vec![Target::Complete, Target::Stuck]
}

fn ten_minutes() -> u32 {
    600
}

impl Target {
    fn is_reached(self, phase: Phase) -> bool {
        match self {
            // Who waits for the start must not miss a job that has already got further.
            Self::Running => matches!(phase, Phase::Running | Phase::Succeeded),
            Self::Complete => phase == Phase::Succeeded,
            Self::Failed => phase == Phase::Failed,
            Self::Suspended => matches!(phase, Phase::Suspended | Phase::Queued),
            // Only its Pods know.
            Self::Stuck => false,
        }
    }
}

/// Waits until a job is over, or cannot get further without help, or the time is.
pub(crate) async fn until_over(
    caller: &Caller,
    namespace: &str,
    name: &str,
    timeout_seconds: u32,
) -> Result<()> {
    let wait = WaitForTraining {
        name: name.to_owned(),
        namespace: Some(namespace.to_owned()),
        target_statuses: complete_or_stuck(),
        timeout_seconds,
    };
    wait.call(caller).await.map(drop)
}

/// A sign of life for clients that give up on silence.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Changes that come together are judged together.
const TOGETHER: usize = 256;

impl Tool for WaitForTraining {
    type Output = Ending;
    const NAME: &str = "wait_for_training";
    const TITLE: &str = "Wait for a training job";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[
        Need::to(&["get", "list", "watch"], TRAIN_JOBS),
        Need::perhaps(&["list", "watch"], PODS),
        Need::perhaps(&["get"], POD_LOGS),
        Need::perhaps(&["list"], EVENTS),
    ];

    async fn call(self, caller: &Caller) -> Result<Ending> {
        let start = Instant::now();
        let limit = Duration::from_secs(self.timeout_seconds.into());
        let job = TrainJob::find(caller, self.namespace.as_deref(), &self.name).await?;
        let mut watched = Watched::new(job);
        let outcome = self.wait(caller, &mut watched, start, start + limit).await?;
        Ok(ending::of(caller, watched, outcome, start.elapsed()).await)
    }
}

impl WaitForTraining {
    /// Listens to the job, and to its Pods and log while they have something to tell.
    async fn wait(
        &self,
        caller: &Caller,
        watched: &mut Watched,
        start: Instant,
        deadline: Instant,
    ) -> Result<Outcome> {
        let namespace = watched.job.namespace();
        let jobs = caller.api::<TrainJob>(namespace.as_deref());
        let mut jobs = pin!(changes(jobs, &Selection::Named(self.name.clone())));
        let mut pods: Option<BoxStream<'_, Vec<Result<Change<Pod>>>>> = None;
        let mut sees_pods = true;
        let mut lines: Option<(String, BoxStream<'_, Vec<String>>)> = None;
        let mut heartbeat = interval_at(start + HEARTBEAT, HEARTBEAT);
        loop {
            let standing = watched.standing();
            if let Some(outcome) = watched.outcome(&standing, &self.target_statuses) {
                return Ok(outcome);
            }
            if caller.wants_progress() {
                let elapsed = start.elapsed().as_secs_f64() / f64::from(self.timeout_seconds);
                let (done, total) = watched.done(elapsed);
                caller.progress(done, total, &watched.line(&standing)).await;
            }

            if !has_pods(&standing) {
                pods = None;
            } else if pods.is_none() && sees_pods {
                let selection = Selection::Labelled(steps::selector(&self.name));
                let api = caller.api::<Pod>(namespace.as_deref());
                pods = Some(changes(api, &selection).ready_chunks(TOGETHER).boxed());
            }
            if caller.wants_progress()
                && let Some(pod) = watched.narrator(&standing)
            {
                // A restarted container has another log.
                let log = format!("{} {}", pod.uid, pod.state.restarts);
                if lines.as_ref().is_none_or(|(followed, _)| *followed != log) {
                    let api = caller.api::<Pod>(namespace.as_deref());
                    let new = follow(api, pod.pod, CONTAINER.to_owned());
                    lines = Some((log, new.ready_chunks(TOGETHER).boxed()));
                }
            }
            tokio::select! {
                Some(change) = jobs.next() => watched.hear_of_job(change?),
                Some(changes) = next(pods.as_mut()) => for change in changes {
                    match change {
                        Ok(change) => watched.hear_of_pod(change),
                        // Without its Pods the job is still worth waiting for.
                        Err(_) => (sees_pods, pods) = (false, None),
                    }
                },
                Some(new) = next(lines.as_mut().map(|(_, it)| it)) => {
                    new.iter().for_each(|it| watched.hear_line(it));
                }
                _ = heartbeat.tick(), if caller.wants_progress() => {}
                () = sleep_until(deadline) => return Ok(Outcome::TimeLimit),
            }
        }
    }
}

/// Whether the job is in a phase in which its Pods can explain it.
fn has_pods(standing: &Standing) -> bool {
    let none = [
        Phase::Created,
        Phase::NotReconciled,
        Phase::CreationFailed,
        Phase::Queued,
        Phase::Suspended,
    ];
    !standing.remote && !none.contains(&standing.phase)
}

/// The next of a stream, if there is one.
async fn next<T>(stream: Option<&mut BoxStream<'_, T>>) -> Option<T> {
    stream?.next().await
}

#[cfg(all(test, feature = "local"))]
mod tests;
