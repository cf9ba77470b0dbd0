//! Where a TrainJob stands, by its status, its Pods, and the one event of its controller.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt as _;
use kubeflow_mcp_core::{Sign, without_variables};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{JobStatus, TrainJob};
use crate::{
    events::when,
    phase::{Judgement, Phase, Standing, held_up, queued, restarted, untouched, without_pods},
    pods::Member,
};

/// What the Kubeflow SDK's `TrainJob.status` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SdkStatus {
    Created,
    Running,
    Complete,
    Failed,
}

/// What is concluded from of a TrainJob, and of the parts that others give it.
pub const SIGNS: [Sign; 6] =
    [COMPLETE, FAILED, CREATION_FAILED, IN_THE_FOREGROUND, QUEUE, MULTI_KUEUE];

const COMPLETE: Sign = Sign::seen("Complete");
const FAILED: Sign = Sign::seen("Failed");
/// The only event that the Trainer emits.
const CREATION_FAILED: Sign = Sign::seen("TrainJobResourcesCreationFailed");
const IN_THE_FOREGROUND: Sign = Sign::seen("foregroundDeletion");
/// The tests' clusters have no Kueue.
const QUEUE: Sign =
    Sign::documented(QUEUE_LABEL, "sigs.k8s.io/kueue pkg/controller/constants/constants.go");
pub(crate) const MULTI_KUEUE: Sign = Sign::documented(
    "kueue.x-k8s.io/multikueue",
    "sigs.k8s.io/kueue apis/kueue/v1beta1/multikueue_types.go",
);
pub const QUEUE_LABEL: &str = "kueue.x-k8s.io/queue-name";

impl Standing {
    /// Judges by the job's own status and these Pods.
    pub fn now(job: &TrainJob, pods: &[Member]) -> Self {
        Self::of(job, pods, &[], Timestamp::now())
    }

    /// Judges by what was seen: without Pods and events, some phases are told apart less finely.
    pub fn of(job: &TrainJob, pods: &[Member], events: &[Event], now: Timestamp) -> Self {
        let (phase, reason, message) = judge(job, pods, events, now);
        Self {
            phase,
            reason,
            message,
            remote: job.spec.managed_by.as_deref() == Some(MULTI_KUEUE.name),
        }
    }
}

impl SdkStatus {
    pub fn of(job: &TrainJob) -> Self {
        let Some(status) = &job.status else { return Self::Created };
        let trainer_runs =
            || status.jobs_status.iter().any(|it| it.name == "node" && it.ready + it.succeeded > 0);
        if job.condition(COMPLETE.name).is_some() {
            Self::Complete
        } else if job.condition(FAILED.name).is_some() {
            Self::Failed
        } else if status.conditions.is_empty() && trainer_runs() {
            Self::Running
        } else {
            Self::Created
        }
    }
}

/// Why a deletion may have no end: the Trainer's controller does not look whether a job is being deleted.
fn endless(job: &TrainJob) -> Option<&'static str> {
    let in_the_foreground = job.finalizers().iter().any(|it| it == IN_THE_FOREGROUND.name);
    (in_the_foreground && job.end().is_none()).then_some(
        "it was deleted in the foreground, which waits for its parts to go, and the Trainer's \
         controller makes them anew: delete_training_job ends it",
    )
}

fn judge(job: &TrainJob, pods: &[Member], events: &[Event], now: Timestamp) -> Judgement {
    if job.metadata.deletion_timestamp.is_some() {
        return (Phase::Deleting, None, endless(job).map(str::to_owned));
    }
    for (condition, phase) in [(COMPLETE, Phase::Succeeded), (FAILED, Phase::Failed)] {
        if let Some(it) = job.condition(condition.name) {
            return (phase, Some(it.reason.clone()), Some(it.message.clone()));
        }
    }
    let jobs = job.status.as_ref().map(|it| it.jobs_status.as_slice()).unwrap_or_default();
    if job.spec.suspend == Some(true) {
        let phase = match job.labels().get(QUEUE_LABEL) {
            _ if jobs.iter().any(|it| it.active > 0) => Phase::Suspending,
            Some(queue) => return queued(queue),
            None => Phase::Suspended,
        };
        return (phase, None, None);
    }
    if jobs.is_empty() {
        return unreconciled(job, events, now);
    }
    let trainer = jobs.iter().find(|it| it.name == "launcher");
    let trainer = trainer.or_else(|| jobs.iter().find(|it| it.name == "node"));
    let worker = |it: &JobStatus| it.name == "node" || it.name == "launcher";
    if trainer.is_some_and(|it| it.ready > 0) {
        return restarted(pods);
    }
    if jobs.iter().any(|it| worker(it) && it.active > 0) {
        return held_up(pods, Phase::Starting);
    }
    if jobs.iter().any(|it| !worker(it) && it.active > 0) {
        return held_up(pods, Phase::Initializing);
    }
    if let Some(failed) = jobs.iter().find(|it| it.failed > 0) {
        return (
            Phase::Failing,
            None,
            Some(format!("replicated job {:?} has failed", failed.name)),
        );
    }
    match untouched(touched(job), now) {
        Some(age) if pods.is_empty() => without_pods(age, "its Jobs have"),
        _ => (Phase::Created, None, None),
    }
}

/// Nothing is known of its parts yet: is that a matter of time?
fn unreconciled(job: &TrainJob, events: &[Event], now: Timestamp) -> Judgement {
    let born = job.creation_timestamp().map(|at| at.0);
    let of_this_job = |it: &&Event| {
        it.reason.as_deref() == Some(CREATION_FAILED.name)
            && it.involved_object.name == job.metadata.name
            && (it.involved_object.uid.is_none() || it.involved_object.uid == job.metadata.uid)
            && when(it) >= born
    };
    if let Some(event) = events.iter().filter(of_this_job).max_by_key(|it| when(it)) {
        let message = event.message.as_deref().map(|it| without_variables(it).into_owned());
        return (Phase::CreationFailed, event.reason.clone(), message);
    }
    match untouched(touched(job), now) {
        Some(age) => {
            let message = format!(
                "nothing has been made for it for {} s: the Trainer's controller may be stopped",
                age.as_secs()
            );
            (Phase::NotReconciled, None, Some(message))
        }
        None => (Phase::Created, None, None),
    }
}

/// When something about the job was last changed; one that was resumed is as if it were new.
fn touched(job: &TrainJob) -> Option<Timestamp> {
    let conditions = job.status.iter().flat_map(|it| &it.conditions);
    let changed = conditions.map(|it| it.last_transition_time.0);
    changed.chain(job.creation_timestamp().map(|at| at.0)).max()
}

#[cfg(test)]
mod tests;
