//! What is to be done about a JobSet, from what it asks for and how its Jobs fare.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        batch::v1::{Job, JobCondition, JobStatus},
        core::v1::{PersistentVolumeClaim, Service},
    },
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::ResourceExt as _;
use serde_json::Value;

use super::{
    conditions::{Recorder, Report},
    failure, jobs,
};
use crate::local::job_set::{JobSet, JobSetStatus, Milestone, ReplicatedJob, ReplicatedJobStatus};

#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) delete: Vec<String>,
    pub(super) service: Option<Service>,
    pub(super) claims: Vec<PersistentVolumeClaim>,
    pub(super) create: Vec<Job>,
    pub(super) suspend: Vec<String>,
    /// The Jobs to resume, with what is to be merged into them.
    pub(super) resume: Vec<(String, Value)>,
    /// The new status, if it differs.
    pub(super) status: Option<JobSetStatus>,
    pub(super) events: Vec<Report>,
    /// Whether the JobSet has outlived its time.
    pub(super) expired: bool,
    /// When to look again although nothing has changed.
    pub(super) again: Option<Duration>,
}

/// The Jobs of the current run by how they stand, and those of runs before it.
#[derive(Default)]
pub(super) struct Children<'a> {
    pub(super) active: Vec<&'a Job>,
    pub(super) succeeded: Vec<&'a Job>,
    pub(super) failed: Vec<&'a Job>,
    pub(super) previous: Vec<&'a Job>,
}

pub(super) fn plan(job_set: &JobSet, jobs: &[Job], now: Timestamp) -> Plan {
    let before = job_set.status.clone().unwrap_or_default();
    let children = Children::of(jobs, before.restarts);
    let mut recorder = Recorder::new(before.clone(), now);
    recorder.status.replicated_jobs_status = counts(job_set, &children);
    let mut plan = match job_set.end() {
        Some(end) => wind_up(job_set, &children, end, now),
        None => advance(job_set, &children, &mut recorder),
    };
    plan.status = (recorder.status != before).then_some(recorder.status);
    plan.events = recorder.events;
    plan
}

/// A JobSet that has ended keeps its finished Jobs, until its own time is over.
fn wind_up(job_set: &JobSet, children: &Children<'_>, end: &Condition, now: Timestamp) -> Plan {
    let mut plan = Plan { delete: names(&children.active), ..Plan::default() };
    if let Some(seconds) = job_set.spec.ttl_seconds_after_finished {
        let left = i64::from(seconds) - now.duration_since(end.last_transition_time.0).as_secs();
        plan.expired = left <= 0;
        plan.again = u64::try_from(left).ok().filter(|&left| left > 0).map(Duration::from_secs);
    }
    plan
}

fn advance(job_set: &JobSet, children: &Children<'_>, recorder: &mut Recorder) -> Plan {
    let mut plan = Plan { delete: names(&children.previous), ..Plan::default() };
    if !job_set.suspended() && all_ready(job_set, &recorder.status) {
        recorder.restarted("JobsReady", "all jobs are ready");
    }
    if !children.failed.is_empty() {
        failure::respond(job_set, &children.failed, recorder);
        return plan;
    }
    if has_succeeded(job_set, &children.succeeded) {
        recorder.complete();
        return plan;
    }
    plan.service = jobs::service(job_set);
    plan.claims = jobs::claims(job_set);
    create(job_set, children, recorder, &mut plan);
    if job_set.suspended() {
        let running = children.active.iter().filter(|job| !is_suspended(job));
        plan.suspend = running.map(|job| job.name_any()).collect();
        recorder.suspend();
    } else {
        resume(job_set, children, recorder, &mut plan);
    }
    plan
}

/// Creates the Jobs that are missing, as far as those that they depend on have come.
fn create(job_set: &JobSet, children: &Children<'_>, recorder: &mut Recorder, plan: &mut Plan) {
    let in_order = job_set.in_order() && !job_set.suspended();
    let blocked = !children.previous.is_empty() && job_set.recreates_at_once();
    for replicated in &job_set.spec.replicated_jobs {
        if !may_start(job_set, replicated, &recorder.status)
            || in_order && has_started(replicated, &recorder.status)
        {
            continue;
        }
        for index in (0..replicated.replicas()).filter(|_| !blocked) {
            let name = replicated.job_name(&job_set.name_any(), index);
            if !children.all().any(|job| job.metadata.name.as_deref() == Some(&name)) {
                plan.create.push(jobs::job(job_set, replicated, index, recorder.status.restarts));
            }
        }
        if in_order {
            recorder.start_in_order();
            return;
        }
    }
    if in_order {
        recorder.started_in_order();
    }
}

fn resume(job_set: &JobSet, children: &Children<'_>, recorder: &mut Recorder, plan: &mut Plan) {
    for replicated in &job_set.spec.replicated_jobs {
        if !may_start(job_set, replicated, &recorder.status)
            || job_set.in_order() && has_started(replicated, &recorder.status)
        {
            continue;
        }
        let own = children.active.iter().filter(|job| {
            is_suspended(job) && job.labels().get(jobs::REPLICATED_JOB) == Some(&replicated.name)
        });
        plan.resume.extend(own.map(|job| (job.name_any(), jobs::resumption(job, replicated))));
        if job_set.in_order() {
            return;
        }
    }
    recorder.resume();
}

impl<'a> Children<'a> {
    fn of(jobs: &'a [Job], restarts: i32) -> Self {
        let mut children = Self::default();
        for job in jobs {
            let attempt = job.labels().get(jobs::RESTART_ATTEMPT).and_then(|it| it.parse().ok());
            let group = if attempt.unwrap_or(0) < restarts {
                &mut children.previous
            } else if condition(job, "Failed").is_some() {
                &mut children.failed
            } else if condition(job, "Complete").is_some() {
                &mut children.succeeded
            } else {
                &mut children.active
            };
            group.push(job);
        }
        children
    }

    fn all(&self) -> impl Iterator<Item = &&'a Job> {
        [&self.active, &self.succeeded, &self.failed, &self.previous].into_iter().flatten()
    }
}

/// How many Jobs of each replicated job are in which state, by name from Z to A as the real one.
fn counts(job_set: &JobSet, children: &Children<'_>) -> Vec<ReplicatedJobStatus> {
    let mut counts: Vec<_> = job_set
        .spec
        .replicated_jobs
        .iter()
        .map(|replicated| {
            let own = |jobs: &[&'_ Job], counted: &dyn Fn(&Job) -> bool| {
                let own = jobs
                    .iter()
                    .filter(|job| job.labels().get(jobs::REPLICATED_JOB) == Some(&replicated.name));
                i32::try_from(own.filter(|job| counted(job)).count()).unwrap_or(i32::MAX)
            };
            ReplicatedJobStatus {
                name: replicated.name.clone(),
                ready: own(&children.active, &is_ready),
                succeeded: own(&children.succeeded, &|_| true),
                failed: own(&children.failed, &|_| true),
                active: own(&children.active, &|job| job_status(job).active.unwrap_or(0) > 0),
                suspended: own(&children.active, &is_suspended),
            }
        })
        .collect();
    counts.sort_by(|a, b| b.name.cmp(&a.name));
    counts
}

/// Whether every Pod of a Job is ready or done.
fn is_ready(job: &Job) -> bool {
    let spec = job.spec.as_ref();
    let parallelism = spec.and_then(|spec| spec.parallelism).unwrap_or(1);
    let completions = spec.and_then(|spec| spec.completions).unwrap_or(parallelism);
    let status = job_status(job);
    status.succeeded.unwrap_or(0) + status.ready.unwrap_or(0) >= completions.min(parallelism)
}

fn is_suspended(job: &Job) -> bool {
    job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true)
}

fn job_status(job: &Job) -> JobStatus {
    job.status.clone().unwrap_or_default()
}

/// A condition of a Job that is true.
pub(super) fn condition<'a>(job: &'a Job, name: &str) -> Option<&'a JobCondition> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == name && condition.status == "True")
}

fn names(jobs: &[&Job]) -> Vec<String> {
    let alive = jobs.iter().filter(|job| job.metadata.deletion_timestamp.is_none());
    alive.map(|job| job.name_any()).collect()
}

fn count_of<'a>(name: &str, status: &'a JobSetStatus) -> Option<&'a ReplicatedJobStatus> {
    status.replicated_jobs_status.iter().find(|it| it.name == name)
}

fn may_start(job_set: &JobSet, replicated: &ReplicatedJob, status: &JobSetStatus) -> bool {
    replicated.depends_on.iter().all(|dependency| {
        let jobs = &job_set.spec.replicated_jobs;
        let replicas =
            jobs.iter().find(|it| it.name == dependency.name).map(ReplicatedJob::replicas);
        let count = count_of(&dependency.name, status);
        let come = count.map(|count| match dependency.status {
            Milestone::Ready => count.ready + count.succeeded + count.failed,
            Milestone::Complete => count.succeeded,
        });
        replicas.is_some() && replicas == come
    })
}

fn has_started(replicated: &ReplicatedJob, status: &JobSetStatus) -> bool {
    count_of(&replicated.name, status)
        .is_some_and(|it| it.ready + it.succeeded + it.failed == replicated.replicas())
}

fn all_ready(job_set: &JobSet, status: &JobSetStatus) -> bool {
    let expected: i32 = job_set.spec.replicated_jobs.iter().map(ReplicatedJob::replicas).sum();
    let ready: i32 = status.replicated_jobs_status.iter().map(|it| it.ready + it.succeeded).sum();
    expected == ready
}

fn has_succeeded(job_set: &JobSet, succeeded: &[&Job]) -> bool {
    if succeeded.is_empty() {
        return false;
    }
    let policy = job_set.spec.success_policy.clone().unwrap_or_default();
    let targets = policy.target_replicated_jobs;
    let counts = |name: &String| targets.is_empty() || targets.contains(name);
    let done = succeeded
        .iter()
        .filter(|job| job.labels().get(jobs::REPLICATED_JOB).is_some_and(counts))
        .count();
    let all = job_set.spec.replicated_jobs.iter().filter(|it| counts(&it.name));
    let expected: i32 = match policy.operator.as_str() {
        "Any" => 1,
        _ => all.map(ReplicatedJob::replicas).sum(),
    };
    i32::try_from(done).is_ok_and(|done| done >= expected)
}
