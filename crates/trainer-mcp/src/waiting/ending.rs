//! What a wait has to tell when it is over: where the job stands, its metrics, its last lines.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use kubeflow_mcp_core::Caller;
use schemars::JsonSchema;
use serde::Serialize;
use workloads::{
    logs::{self, Query},
    phase::{Phase, Standing},
    pods::{Group, Member, failing, groups},
    progress::Tracker,
    train_job::{CONTAINER, TrainJob, events, steps},
};

use super::{Outcome, watched::Watched};

/// Where a job stands at the end of a wait.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Ending {
    name: String,
    outcome: Outcome,
    phase: Phase,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// How long this call has waited.
    waited_seconds: u64,
    /// As the program has reported it, or printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress_percentage: Option<i32>,
    /// At the pace so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_seconds: Option<i64>,
    /// The last value of each metric that the job reported or its log states.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metrics: BTreeMap<String, String>,
    /// Its Pods, by state.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pods: Vec<Group>,
    /// The step that the last lines are of: what failed, or node-0.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// The last lines of its log.
    #[serde(skip_serializing_if = "String::is_empty")]
    log: String,
    /// What else is worth knowing, and what could not be seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// Lines that are searched for metrics, and those that are shown.
const SEARCHED: u32 = 200;
const SHOWN: usize = 12;
const SHOWN_CHARACTERS: usize = 2_000;

pub(super) async fn of(
    caller: &Caller,
    watched: Watched,
    outcome: Outcome,
    waited: Duration,
) -> Ending {
    let job = &watched.job;
    let mut notes = Vec::new();
    // The job may have been seen to end before its Pods were: they are asked once more.
    let pods = match steps::pods(caller, job).await {
        Ok(Some(pods)) => pods,
        Ok(None) => {
            notes.push("you may not list Pods, so nothing is said of them".to_owned());
            Vec::new()
        }
        Err(error) => {
            notes.push(format!("its Pods could not be listed: {error}"));
            watched.members()
        }
    };
    let standing = standing(caller, job, &pods).await;
    let runs = standing.phase == Phase::Running;
    let mut ending = Ending {
        name: job.name_any(),
        outcome,
        phase: standing.phase,
        reason: standing.reason,
        message: standing.message,
        waited_seconds: waited.as_secs(),
        progress_percentage: watched.percent().map(|it| it.round() as i32),
        remaining_seconds: watched.remaining().filter(|_| runs).map(|it| it.as_secs()),
        pods: groups(&pods),
        step: None,
        log: String::new(),
        metrics: watched.tracker.metrics,
        notes,
    };
    if let Some(pod) = narrator(job, &pods) {
        ending.step = Some(steps::name(job, &pod.group, pod.index));
        ending.read(caller, job, pod).await;
    } else if ending.phase == Phase::Failed {
        ending.notes.push("its Pods were removed when it failed, and their logs too".to_owned());
    }
    ending
}

/// Where the job stands; if nothing was made for it, events say why.
async fn standing(caller: &Caller, job: &TrainJob, pods: &[Member]) -> Standing {
    let standing = Standing::now(job, pods);
    if !matches!(standing.phase, Phase::Created | Phase::NotReconciled) {
        return standing;
    }
    match events::of_itself(caller, job).await {
        Ok(found) => Standing::of(job, pods, &found.events, Timestamp::now()),
        Err(_) => standing,
    }
}

/// The Pod whose last lines matter: what failed first, else rank 0.
fn narrator<'a>(job: &TrainJob, pods: &'a [Member]) -> Option<&'a Member> {
    let place = steps::place(job, "node-0")?;
    let first = |it: &&Member| it.group == place.group && it.index == place.index;
    failing(pods).or_else(|| pods.iter().find(first))
}

impl Ending {
    async fn read(&mut self, caller: &Caller, job: &TrainJob, pod: &Member) {
        let Ok(container) = logs::container(pod, CONTAINER) else { return };
        let query = Query { tail: SEARCHED, since_seconds: None, search: None, previous: None };
        let pods = caller.api::<Pod>(job.namespace().as_deref());
        match logs::read(&pods, &pod.pod, container, &query).await {
            Ok(log) => {
                let mut tracker = Tracker::default();
                log.text.lines().for_each(|line| tracker.hear(None, line));
                let percent =
                    tracker.progress(Timestamp::now()).map(|it| it.percent.round() as i32);
                self.progress_percentage = self.progress_percentage.or(percent);
                self.metrics.extend(tracker.metrics);
                self.log = end(&log.text);
                self.notes.extend(log.notes);
            }
            Err(error) => self.notes.push(format!("its log could not be read: {error}")),
        }
    }
}

/// The last lines, as many as fit.
fn end(text: &str) -> String {
    let mut characters = 0;
    let fits = |line: &&str| {
        characters += line.chars().count() + 1;
        characters <= SHOWN_CHARACTERS
    };
    let mut lines: Vec<&str> = text.lines().rev().take(SHOWN).take_while(fits).collect();
    lines.reverse();
    lines.join("\n")
}
