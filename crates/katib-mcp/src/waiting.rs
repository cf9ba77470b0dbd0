//! Waiting for an optimization job, without asking again and again.

mod watched;

use std::{collections::BTreeMap, pin::pin, time::Duration};

use futures::{StreamExt as _, stream::BoxStream};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, interval_at, sleep_until};
use workloads::{
    pods::PODS,
    waiting::{Change, Selection, changes},
};

use self::watched::Watched;
use crate::{
    api::{EXPERIMENT_LABEL, EXPERIMENTS, Experiment, TRIALS, Trial},
    experiments::find,
    states::{ExperimentState, TrialState},
    trials::Best,
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<WaitForOptimization>()];

/// Waits until an optimization job has ended or got stuck.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WaitForOptimization {
    /// The job.
    pub(crate) name: String,
    /// Default: yours.
    pub(crate) namespace: Option<String>,
    /// Default: Complete, Stuck.
    #[serde(default = "complete_or_stuck")]
    pub(crate) target_statuses: Vec<Target>,
    /// At most.
    #[serde(default = "ten_minutes")]
    #[schemars(range(min = 1, max = 3600))]
    pub(crate) timeout_seconds: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum Target {
    /// A trial has ended.
    FirstTrial,
    /// Its budget is used up, or its goal reached.
    Complete,
    Failed,
    Stuck,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The job is where it was waited for.
    Reached,
    /// Trials do not start, or none has a number: without help it hardly gets further.
    Stuck,
    /// The job has ended otherwise.
    Ended,
    /// The job goes on; wait again, or look at why it does not get further.
    TimeLimit,
    Deleted,
}

/// Where a job stands at the end of a wait.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Ending {
    name: String,
    outcome: Outcome,
    /// Of the job.
    state: ExperimentState,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// How long this call has waited.
    waited_seconds: u64,
    /// How many trials are in which state.
    trials: BTreeMap<TrialState, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// How many there may be.
    max_trials: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<Best>,
    /// What keeps it from getting further, and what could not be seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// A sign of life for clients that give up on silence.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long the trials may lag behind an experiment that has ended and counts them.
const SETTLING: Duration = Duration::from_secs(5);
/// Changes that come together are judged together.
const TOGETHER: usize = 256;

fn complete_or_stuck() -> Vec<Target> {
    vec![Target::Complete, Target::Stuck]
}

fn ten_minutes() -> u32 {
    600
}

impl Tool for WaitForOptimization {
    type Output = Ending;
    const NAME: &str = "wait_for_optimization";
    const TITLE: &str = "Wait for an optimization job";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[
        Need::to(&["get", "list", "watch"], EXPERIMENTS),
        Need::to(&["list", "watch"], TRIALS),
        Need::perhaps(&["list", "watch"], PODS),
    ];

    async fn call(self, caller: &Caller) -> Result<Ending> {
        let start = Instant::now();
        let limit = Duration::from_secs(self.timeout_seconds.into());
        let experiment = find(caller, self.namespace.as_deref(), &self.name).await?;
        let mut watched = Watched::new(experiment);
        let outcome = self.wait(caller, &mut watched, start, start + limit).await?;
        Ok(Ending::of(&watched, outcome, start.elapsed()))
    }
}

impl WaitForOptimization {
    /// Listens to the experiment, its trials and their Pods.
    async fn wait(
        &self,
        caller: &Caller,
        watched: &mut Watched,
        start: Instant,
        deadline: Instant,
    ) -> Result<Outcome> {
        let namespace = watched.experiment.namespace();
        let namespace = namespace.as_deref();
        let parts = Selection::Labelled(format!("{EXPERIMENT_LABEL}={}", self.name));
        let experiments = caller.api::<Experiment>(namespace);
        let mut experiments = pin!(changes(experiments, &Selection::Named(self.name.clone())));
        let trials = changes(caller.api::<Trial>(namespace), &parts);
        let mut trials = pin!(trials.ready_chunks(TOGETHER));
        let pods = changes(caller.api::<Pod>(namespace), &parts).ready_chunks(TOGETHER);
        let mut pods: Option<BoxStream<'_, Vec<Result<Change<Pod>>>>> = Some(pods.boxed());
        let mut heartbeat = interval_at(start + HEARTBEAT, HEARTBEAT);
        let mut settled_by = None;
        loop {
            if let Some(outcome) = watched.outcome(&self.target_statuses) {
                let settled_by = *settled_by.get_or_insert_with(|| Instant::now() + SETTLING);
                if !watched.lags() || Instant::now() >= settled_by {
                    return Ok(outcome);
                }
            }
            if caller.wants_progress() {
                let elapsed = start.elapsed().as_secs_f64() / f64::from(self.timeout_seconds);
                let (done, total) = watched.done(elapsed);
                caller.progress(done, total, &watched.line()).await;
            }
            tokio::select! {
                Some(change) = experiments.next() => watched.hear_of_experiment(change?),
                Some(changes) = trials.next() => for change in changes {
                    watched.hear_of_trial(change?);
                },
                Some(changes) = next(pods.as_mut()) => for change in changes {
                    match change {
                        Ok(change) => watched.hear_of_pod(change),
                        // Without Pods the trials are still worth waiting for.
                        Err(_) => {
                            watched.sees_pods = false;
                            pods = None;
                            break;
                        }
                    }
                },
                _ = heartbeat.tick(), if caller.wants_progress() => {}
                () = sleep_until(settled_by.unwrap_or(deadline)), if settled_by.is_some() => {}
                () = sleep_until(deadline) => {
                    let known = watched.outcome(&self.target_statuses);
                    return Ok(known.unwrap_or(Outcome::TimeLimit));
                }
            }
        }
    }
}

/// The next of a stream, if there is one.
async fn next<T>(stream: Option<&mut BoxStream<'_, T>>) -> Option<T> {
    stream?.next().await
}

impl Ending {
    fn of(watched: &Watched, outcome: Outcome, waited: Duration) -> Self {
        let experiment = &watched.experiment;
        let state = ExperimentState::of(experiment);
        let conditions = experiment.status.as_ref().map_or(&[][..], |it| &it.conditions);
        let stated = state.condition(conditions);
        let mut notes: Vec<String> = match outcome {
            Outcome::Stuck => watched.stuck().into_iter().collect(),
            _ => Vec::new(),
        };
        if !watched.sees_pods {
            notes.push("you may not watch Pods, so nothing is said of them".to_owned());
        }
        Self {
            name: experiment.name_any(),
            outcome,
            state,
            reason: stated.and_then(|it| it.reason.clone()),
            message: stated.and_then(|it| it.message.clone()),
            waited_seconds: waited.as_secs(),
            trials: watched.counts(),
            max_trials: experiment.spec.max_trial_count,
            best: watched.best(),
            notes,
        }
    }
}

#[cfg(all(test, feature = "local"))]
mod tests;
