//! What a Job's Pods amount to, and what is to be done next.

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    batch::v1::{Job, JobSpec},
    core::v1::{ContainerStatus, Pod},
};
use kube::ResourceExt;
use serde_json::{Value, json};

use super::{pods::INDEX, tracking::is_tracked};
use crate::events::Kind;

/// The wait before a failed Pod is replaced; it doubles with each failure.
const FIRST_BACKOFF: i64 = 10;
const LONGEST_BACKOFF: i64 = 600;

pub(super) struct State<'j> {
    job: &'j Job,
    spec: &'j JobSpec,
    active: Vec<&'j Pod>,
    /// To be let go once the status that counts them is written.
    pub(super) counted: Vec<&'j Pod>,
    /// Let go, and not deleted: the process was killed in between.
    pub(super) given_up: Vec<&'j Pod>,
    terminating: usize,
    ready: usize,
    succeeded: i32,
    failed: i32,
    uncounted: Value,
    /// For Jobs that count by index.
    done: BTreeSet<i32>,
    last_failure: Option<Timestamp>,
    /// How often the containers of active Pods were started again.
    restarts: i32,
}

/// What is to be done, and what is to be said of it.
#[derive(Default)]
pub(super) struct Next<'j> {
    pub(super) create: Vec<Option<i32>>,
    pub(super) delete: Vec<&'j Pod>,
    /// Whether those no longer count for the Job, however they end.
    pub(super) release: bool,
    pub(super) events: Vec<(Kind, &'static str, &'static str)>,
    /// Conditions that become so: type, status, reason, message.
    conditions: Vec<(&'static str, &'static str, &'static str, &'static str)>,
    /// When to look again, if nothing happens before.
    pub(super) again: Option<Duration>,
}

impl<'j> State<'j> {
    pub(super) fn of(job: &'j Job, pods: &'j [Pod]) -> Self {
        // The API server refuses Jobs without a spec.
        static NONE: std::sync::LazyLock<JobSpec> = std::sync::LazyLock::new(JobSpec::default);
        let status = job.status.as_ref();
        let mut state = Self {
            job,
            spec: job.spec.as_ref().unwrap_or(&NONE),
            active: Vec::new(),
            counted: Vec::new(),
            given_up: Vec::new(),
            terminating: 0,
            ready: 0,
            succeeded: status.and_then(|it| it.succeeded).unwrap_or(0),
            failed: status.and_then(|it| it.failed).unwrap_or(0),
            uncounted: json!({}),
            done: indexes(status.and_then(|it| it.completed_indexes.as_deref())),
            last_failure: None,
            restarts: 0,
        };
        for pod in pods {
            state.take(pod);
        }
        if state.is_indexed() {
            state.succeeded = i32::try_from(state.done.len()).unwrap_or(i32::MAX);
        }
        state
    }

    fn take(&mut self, pod: &'j Pod) {
        let status = pod.status.as_ref();
        let phase = status.and_then(|it| it.phase.as_deref()).unwrap_or_default();
        let leaves = pod.metadata.deletion_timestamp.is_some();
        if phase == "Failed" {
            self.last_failure = self.last_failure.max(end(pod));
        }
        match (phase, is_tracked(pod)) {
            ("Succeeded" | "Failed", false) => {}
            (_, false) => {
                self.terminating += 1;
                self.given_up.extend((!leaves).then_some(pod));
            }
            ("Succeeded", true) if self.is_indexed() => {
                self.counted.push(pod);
                self.done.extend(index(pod));
            }
            ("Succeeded", true) => self.succeeded += self.count(pod, "succeeded"),
            (_, true) if phase == "Failed" || leaves && self.fails_by_leaving(pod) => {
                self.failed += self.count(pod, "failed");
                self.terminating += usize::from(phase != "Failed");
            }
            (_, true) if leaves => self.terminating += 1,
            (_, true) => {
                self.active.push(pod);
                let conditions = status.and_then(|it| it.conditions.as_deref()).unwrap_or_default();
                self.ready += usize::from(
                    conditions.iter().any(|it| it.type_ == "Ready" && it.status == "True"),
                );
                self.restarts += containers(pod).iter().map(|it| it.restart_count).sum::<i32>();
            }
        }
    }

    /// One more, unless the status counts the Pod already: its uid stands there until it is let go.
    fn count(&mut self, pod: &'j Pod, outcome: &str) -> i32 {
        let known = self.job.status.as_ref().and_then(|it| it.uncounted_terminated_pods.as_ref());
        let known = json!(known);
        let uid = json!(pod.uid());
        let is_known = known[outcome].as_array().is_some_and(|it| it.contains(&uid));
        self.counted.push(pod);
        let uids = &mut self.uncounted[outcome];
        if uids.is_null() {
            *uids = json!([]);
        }
        uids.as_array_mut().into_iter().for_each(|it| it.push(uid.clone()));
        i32::from(!is_known)
    }

    /// Whether a Pod that is being deleted counts as failed before it has ended.
    fn fails_by_leaving(&self, pod: &Pod) -> bool {
        let waits = self.spec.pod_replacement_policy.as_deref() == Some("Failed");
        let runs = pod.spec.as_ref().is_some_and(|it| it.node_name.is_some());
        !waits || !runs || self.holds("FailureTarget")
    }

    pub(super) fn next(&self, now: Timestamp) -> Next<'j> {
        let mut next = Next::default();
        if self.spec.suspend == Some(true) {
            next.delete.clone_from(&self.active);
            next.release = true;
            if !self.holds("Suspended") {
                next.conditions.push(("Suspended", "True", "JobSuspended", "Job suspended"));
                next.events.push((Kind::Normal, "Suspended", "Job suspended"));
            }
            return next;
        }
        if self.holds("Suspended") {
            next.conditions.push(("Suspended", "False", "JobResumed", "Job resumed"));
            next.events.push((Kind::Normal, "Resumed", "Job resumed"));
        }
        if let Some((reason, message)) = self.failure(now) {
            next.delete.clone_from(&self.active);
            if !self.holds("FailureTarget") {
                next.conditions.push(("FailureTarget", "True", reason, message));
            }
            if self.is_at_rest() {
                next.conditions.push(("Failed", "True", reason, message));
                next.events.push((Kind::Warning, reason, message));
            }
            return next;
        }
        if self.is_complete() {
            const REACHED: &str = "Reached expected number of succeeded pods";
            next.delete.clone_from(&self.active);
            if !self.holds("SuccessCriteriaMet") {
                next.conditions.push(("SuccessCriteriaMet", "True", "CompletionsReached", REACHED));
            }
            if self.is_at_rest() {
                next.conditions.push(("Complete", "True", "CompletionsReached", REACHED));
                next.events.push((Kind::Normal, "Completed", "Job completed"));
            }
            return next;
        }
        next.again = self.deadline().map(|at| until(at, now));
        self.keep_parallel(&mut next, now);
        next
    }

    /// Makes as many Pods as are wanted at once, and ends those that are too many.
    fn keep_parallel(&self, next: &mut Next<'j>, now: Timestamp) {
        let count = |number: i32| usize::try_from(number).unwrap_or(0);
        let parallelism = count(self.spec.parallelism.unwrap_or(1));
        let wanted = match self.spec.completions {
            Some(completions) => parallelism.min(count(completions - self.succeeded)),
            // Without a number of completions the first success ends the making of Pods.
            None if self.succeeded > 0 => self.active.len(),
            None => parallelism,
        };
        let extra = self.active.len().saturating_sub(wanted);
        next.delete = self.active.iter().rev().take(extra).copied().collect();
        next.release = true;
        let missing = wanted.saturating_sub(self.active.len() + self.terminating);
        if missing == 0 {
            return;
        }
        if let Some(at) = self.backed_off().filter(|at| *at > now) {
            let wait = until(at, now);
            next.again = Some(next.again.map_or(wait, |it| it.min(wait)));
            return;
        }
        next.create = match self.is_indexed() {
            false => vec![None; missing],
            true => {
                let taken: BTreeSet<i32> = self.active.iter().filter_map(|it| index(it)).collect();
                let all = 0..self.spec.completions.unwrap_or(1);
                let free = all.filter(|it| !self.done.contains(it) && !taken.contains(it));
                free.take(missing).map(Some).collect()
            }
        };
    }

    fn failure(&self, now: Timestamp) -> Option<(&'static str, &'static str)> {
        const BACKOFF: (&str, &str) =
            ("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        const DEADLINE: (&str, &str) =
            ("DeadlineExceeded", "Job was active longer than specified deadline");
        // Once decided it stays so, though the Pods that it was seen on are deleted.
        let conditions = self.job.status.iter().flat_map(|it| it.conditions.iter().flatten());
        let mut decided =
            conditions.filter(|it| it.type_ == "FailureTarget" && it.status == "True");
        if let Some(decided) = decided.next() {
            let late = decided.reason.as_deref() == Some(DEADLINE.0);
            return Some(if late { DEADLINE } else { BACKOFF });
        }
        let limit = self.spec.backoff_limit.unwrap_or(6);
        let restarted = self.restarts > 0 && self.restarts >= limit.max(1);
        if self.failed > limit || restarted {
            return Some(BACKOFF);
        }
        self.deadline().filter(|at| *at <= now).map(|_| DEADLINE)
    }

    fn deadline(&self) -> Option<Timestamp> {
        let start = self.job.status.as_ref()?.start_time.as_ref()?.0;
        start.checked_add(SignedDuration::from_secs(self.spec.active_deadline_seconds?)).ok()
    }

    fn backed_off(&self) -> Option<Timestamp> {
        let doublings = u32::try_from(self.failed - 1).unwrap_or(0).min(6);
        let wait = (FIRST_BACKOFF << doublings).min(LONGEST_BACKOFF);
        self.last_failure?.checked_add(SignedDuration::from_secs(wait)).ok()
    }

    /// Whether all its Pods have ended, and are counted.
    fn is_at_rest(&self) -> bool {
        self.active.is_empty() && self.terminating == 0 && self.counted.is_empty()
    }

    fn is_complete(&self) -> bool {
        match self.spec.completions {
            Some(completions) => self.succeeded >= completions,
            None => self.succeeded > 0 && self.active.is_empty(),
        }
    }

    fn is_indexed(&self) -> bool {
        self.spec.completion_mode.as_deref() == Some("Indexed")
    }

    fn holds(&self, condition: &str) -> bool {
        holds(self.job, condition)
    }

    /// The status that says so. Pods that are to be made or ended are counted when they are.
    pub(super) fn status(&self, next: &Next<'_>) -> Value {
        let now = crate::metadata::now();
        let old = serde_json::to_value(&self.job.status).unwrap_or_default();
        let mut conditions = old["conditions"].as_array().cloned().unwrap_or_default();
        for (kind, holds, reason, message) in &next.conditions {
            conditions.retain(|it| it["type"] != *kind);
            conditions
                .push(json!({"type": kind, "status": holds, "reason": reason, "message": message,
                                   "lastProbeTime": now, "lastTransitionTime": now}));
        }
        let became = |kind: &str| next.conditions.iter().any(|it| it.0 == kind && it.1 == "True");
        let mut status = json!({"terminating": self.terminating, "ready": self.ready, "uncountedTerminatedPods": self.uncounted});
        for (field, count) in [
            ("active", i32::try_from(self.active.len()).unwrap_or(i32::MAX)),
            ("succeeded", self.succeeded),
            ("failed", self.failed),
        ] {
            if count > 0 {
                status[field] = count.into();
            }
        }
        if !conditions.is_empty() {
            status["conditions"] = conditions.into();
        }
        if self.is_indexed() && !self.done.is_empty() {
            status["completedIndexes"] = ranges(&self.done).into();
        }
        if self.spec.suspend != Some(true) {
            let started = &old["startTime"];
            status["startTime"] =
                if started.is_null() { now.as_str().into() } else { started.clone() };
        }
        if became("Complete") {
            status["completionTime"] = now.into();
        }
        status
    }
}

pub(super) fn is_finished(job: &Job) -> bool {
    holds(job, "Complete") || holds(job, "Failed")
}

/// What is left of a finished Job's life, if its life is limited.
pub(super) fn time_to_live(job: &Job) -> Option<Duration> {
    let seconds = job.spec.as_ref()?.ttl_seconds_after_finished?;
    let ends = job.status.as_ref()?.conditions.as_ref()?.iter();
    let ends = ends
        .filter(|it| ["Complete", "Failed"].contains(&it.type_.as_str()) && it.status == "True");
    let end = ends.filter_map(|it| it.last_transition_time.as_ref()).map(|it| it.0).max()?;
    let at = end.checked_add(SignedDuration::from_secs(seconds.into())).ok()?;
    Some(until(at, Timestamp::now()))
}

fn holds(job: &Job, condition: &str) -> bool {
    let conditions =
        job.status.as_ref().and_then(|it| it.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|it| it.type_ == condition && it.status == "True")
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    at.duration_since(now).try_into().unwrap_or(Duration::ZERO)
}

fn containers(pod: &Pod) -> &[ContainerStatus] {
    pod.status.as_ref().and_then(|it| it.container_statuses.as_deref()).unwrap_or_default()
}

/// When the last container of a Pod has ended.
fn end(pod: &Pod) -> Option<Timestamp> {
    let ends = containers(pod).iter().filter_map(|it| it.state.as_ref()?.terminated.as_ref());
    let end = ends.filter_map(|it| it.finished_at.as_ref()).map(|it| it.0).max();
    end.or(pod.metadata.creation_timestamp.as_ref().map(|it| it.0))
}

fn index(pod: &Pod) -> Option<i32> {
    pod.annotations().get(INDEX)?.parse().ok()
}

/// `0-2,5` as numbers.
fn indexes(text: Option<&str>) -> BTreeSet<i32> {
    let parts = text.unwrap_or_default().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    parts.flatten().collect()
}

/// Numbers as `0-2,5`.
fn ranges(numbers: &BTreeSet<i32>) -> String {
    let mut ranges: Vec<(i32, i32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let ranges = ranges.into_iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first},{last}"),
        _ => format!("{first}-{last}"),
    });
    ranges.collect::<Vec<_>>().join(",")
}
