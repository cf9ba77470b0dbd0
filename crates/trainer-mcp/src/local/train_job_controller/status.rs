//! The status of a TrainJob, worked out from its JobSet and the clock.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use workloads::train_job::{JobStatus, TrainJobStatus};

use crate::local::{job_set::JobSet, train_job::TrainJob};

pub(super) fn is_finished(status: &TrainJobStatus) -> bool {
    ["Complete", "Failed"].iter().any(|name| is_true(status, name))
}

/// Sets a condition to true.
pub(super) fn set(
    status: &mut TrainJobStatus,
    name: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    put(status, condition(name, true, reason, message, now));
}

/// A job that was never suspended has no such condition.
pub(super) fn set_suspended(status: &mut TrainJobStatus, suspended: bool, now: Timestamp) {
    if suspended {
        set(status, "Suspended", "Suspended", "TrainJob is suspended", now);
    } else if is_true(status, "Suspended") {
        put(status, condition("Suspended", false, "Resumed", "TrainJob is resumed", now));
    }
}

/// Copies what the JobSet says of its end and of its Jobs. That a deadline has passed stays true
/// whatever the JobSet says.
pub(super) fn mirror(status: &mut TrainJobStatus, job_set: &JobSet) {
    let Some(of_set) = &job_set.status else { return };
    let late = status.conditions.iter().any(|it| it.reason == "DeadlineExceeded");
    for (theirs, ours) in [("Completed", "Complete"), ("Failed", "Failed")] {
        let end = of_set.conditions.iter().find(|it| it.type_ == theirs && it.status == "True");
        if let Some(end) = end.filter(|_| !late) {
            put(status, Condition { type_: ours.into(), ..end.clone() });
        }
    }
    status.jobs_status = of_set
        .replicated_jobs_status
        .iter()
        .map(|job| JobStatus {
            name: job.name.clone(),
            ready: job.ready,
            succeeded: job.succeeded,
            failed: job.failed,
            active: job.active,
            suspended: job.suspended,
        })
        .collect();
}

/// How long the job may still run, if it has a deadline and the clock ticks: from its creation or,
/// if later, from when it was resumed.
pub(super) fn time_left(
    job: &TrainJob,
    status: &TrainJobStatus,
    now: Timestamp,
) -> Option<Duration> {
    let seconds = job.spec.active_deadline_seconds?;
    if is_finished(status) || job.spec.suspend == Some(true) {
        return None;
    }
    let resumed =
        status.conditions.iter().find(|it| it.type_ == "Suspended" && it.status == "False");
    let start = match resumed {
        Some(condition) => condition.last_transition_time.0,
        None => job.metadata.creation_timestamp.as_ref()?.0,
    };
    let left = SignedDuration::from_secs(seconds).saturating_sub(now.duration_since(start));
    Some(Duration::try_from(left).unwrap_or(Duration::ZERO))
}

fn is_true(status: &TrainJobStatus, name: &str) -> bool {
    status.conditions.iter().any(|it| it.type_ == name && it.status == "True")
}

fn condition(name: &str, holds: bool, reason: &str, message: &str, now: Timestamp) -> Condition {
    // Kubernetes writes conditions in whole seconds.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    Condition {
        type_: name.into(),
        status: if holds { "True" } else { "False" }.into(),
        reason: reason.into(),
        message: message.into(),
        last_transition_time: Time(now),
        observed_generation: None,
    }
}

/// Adds or replaces a condition. Its time moves only when it turns.
fn put(status: &mut TrainJobStatus, new: Condition) {
    match status.conditions.iter_mut().find(|it| it.type_ == new.type_) {
        Some(old) if old.status == new.status => {
            *old = Condition { last_transition_time: old.last_transition_time.clone(), ..new };
        }
        Some(old) => *old = new,
        None => status.conditions.push(new),
    }
}
