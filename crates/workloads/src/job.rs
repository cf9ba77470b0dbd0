//! Jobs of Kubernetes that stand for themselves: their Pods, their events, and where each stands.

use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::{Job, JobCondition},
    core::v1::{Event, Pod},
};
use kube::ResourceExt as _;
use kubeflow_mcp_core::{Resource, Sign};

use crate::{
    events::{self, part},
    phase::{Judgement, Phase, Standing, held_up, queued, restarted, untouched, without_pods},
    pods::{Labels, Member, newest},
    train_job::phase::{MULTI_KUEUE, QUEUE_LABEL},
};

pub const JOBS: Resource = Resource::namespaced("batch", "jobs");
/// All its Pods are of one part.
const LABELS: Labels = Labels { group: "", index: "batch.kubernetes.io/job-completion-index" };

/// What is concluded from of a Job, beside what is of its Pods.
pub const SIGNS: [Sign; 3] = [COMPLETE, FAILED, FAILING];

const COMPLETE: Sign = Sign::seen("Complete");
const FAILED: Sign = Sign::seen("Failed");
/// Its Pods are being ended, after which it will have failed.
const FAILING: Sign = Sign::documented("FailureTarget", "k8s.io/api batch/v1/types.go");

/// A condition that is `True`.
pub fn condition<'a>(job: &'a Job, name: &str) -> Option<&'a JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|it| it.type_ == name && it.status == "True")
}

/// The condition that says that it is over.
pub(crate) fn end(job: &Job) -> Option<&JobCondition> {
    condition(job, COMPLETE.name).or_else(|| condition(job, FAILED.name))
}

/// Selects its Pods.
pub fn selector(job: &str) -> String {
    format!("job-name={job}")
}

/// The newest Pod of each rank. Where Pods have no ranks and are to run beside each other, each is one.
pub fn members(job: &Job, pods: &[Pod]) -> Vec<Member> {
    let mut own: Vec<Member> = pods.iter().filter_map(|it| member(job, it)).collect();
    if !is_indexed(job) && parallelism(job) > 1 {
        own.sort_by(|one, other| {
            let age = |it: &Member| (it.created.as_ref().map(|at| at.0), it.pod.clone());
            age(one).cmp(&age(other))
        });
        own.iter_mut().zip(0..).for_each(|(member, index)| member.index = index);
    }
    newest(own)
}

/// The Pod, unless it belongs to a former job of that name.
pub(crate) fn member(job: &Job, pod: &Pod) -> Option<Member> {
    let owned =
        |it: &&Pod| it.owner_references().iter().any(|it| Some(&it.uid) == job.uid().as_ref());
    Some(pod).filter(owned).map(|it| Member::of(it, LABELS))
}

/// How many Pods are to run beside each other.
pub(crate) fn parallelism(job: &Job) -> i32 {
    job.spec.as_ref().and_then(|it| it.parallelism).unwrap_or(1)
}

/// Whether its Pods have ranks, of which their names tell.
pub(crate) fn is_indexed(job: &Job) -> bool {
    job.spec.as_ref().and_then(|it| it.completion_mode.as_deref()) == Some("Indexed")
}

/// The rank of a Pod by its name, `JOB-abcde` or `JOB-RANK-abcde`.
pub(crate) fn rank_of(job: &Job, pod: &str) -> Option<u32> {
    let rest = part(&job.name_any(), pod)?;
    let (rank, suffix) = match rest.rsplit_once('-') {
        Some((rank, suffix)) if is_indexed(job) => (rank.parse().ok()?, suffix),
        None if !is_indexed(job) => (0, rest),
        _ => return None,
    };
    (suffix.len() == 5).then_some(rank)
}

/// Whether an event is about the job or one of its parts, and not about a former job of that name.
pub fn concerns(job: &Job, event: &Event) -> bool {
    let object = &event.involved_object;
    let (Some(kind), Some(name)) = (&object.kind, &object.name) else { return false };
    let own = match kind.as_str() {
        "Job" => {
            *name == job.name_any() && (object.uid.is_none() || object.uid == job.metadata.uid)
        }
        "Pod" => rank_of(job, name).is_some(),
        "PersistentVolumeClaim" => claims(job).any(|it| it == name),
        "Workload" => part("job", name)
            .and_then(|it| part(&job.name_any(), it))
            .is_some_and(|hash| !hash.contains('-')),
        _ => false,
    };
    own && events::is_since(event, job.creation_timestamp())
}

/// The claims that its Pods mount.
fn claims(job: &Job) -> impl Iterator<Item = &String> {
    let pod = job.spec.as_ref().and_then(|it| it.template.spec.as_ref());
    let volumes = pod.into_iter().flat_map(|it| it.volumes.iter().flatten());
    volumes.filter_map(|it| Some(&it.persistent_volume_claim.as_ref()?.claim_name))
}

impl Standing {
    /// Judges a Job by its own status and these Pods.
    pub fn of_job(job: &Job, pods: &[Member], now: Timestamp) -> Self {
        let (phase, reason, message) = judge(job, pods, now);
        let managed_by = job.spec.as_ref().and_then(|it| it.managed_by.as_deref());
        Self { phase, reason, message, remote: managed_by == Some(MULTI_KUEUE.name) }
    }
}

fn judge(job: &Job, pods: &[Member], now: Timestamp) -> Judgement {
    if job.metadata.deletion_timestamp.is_some() {
        return (Phase::Deleting, None, None);
    }
    let ends = [(COMPLETE, Phase::Succeeded), (FAILED, Phase::Failed), (FAILING, Phase::Failing)];
    for (sign, phase) in ends {
        if let Some(it) = condition(job, sign.name) {
            return (phase, it.reason.clone(), it.message.clone());
        }
    }
    let status = job.status.clone().unwrap_or_default();
    let active = status.active.unwrap_or_default();
    if job.spec.as_ref().is_some_and(|it| it.suspend == Some(true)) {
        return match job.labels().get(QUEUE_LABEL) {
            _ if active > 0 => (Phase::Suspending, None, None),
            Some(queue) => queued(queue),
            None => (Phase::Suspended, None, None),
        };
    }
    if status.ready.is_some_and(|it| it > 0) {
        return restarted(pods);
    }
    if active > 0 {
        return held_up(pods, Phase::Starting);
    }
    if let Some(failed) = status.failed.filter(|it| *it > 0) {
        let message = format!("{failed} of its Pods failed, and another is to be started");
        return (Phase::CrashLooping, None, Some(message));
    }
    match untouched(touched(job), now) {
        Some(age) if pods.is_empty() => without_pods(age, "it has"),
        _ => (Phase::Created, None, None),
    }
}

/// When something about it was last changed; one that was resumed is as if it were new.
fn touched(job: &Job) -> Option<Timestamp> {
    let conditions = job.status.iter().flat_map(|it| it.conditions.iter().flatten());
    let changed = conditions.filter_map(|it| it.last_transition_time.as_ref());
    changed.chain(&job.metadata.creation_timestamp).map(|it| it.0).max()
}

#[cfg(test)]
mod tests;
