//! The controller of TrainJobs: it turns each into a JobSet and mirrors how that fares.

mod snapshot;
mod status;

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
    runtime::{
        Controller,
        controller::{Action, Config},
        watcher,
    },
};
use serde_json::json;
use workloads::train_job::TrainJobStatus;

use crate::local::{
    assembly,
    job_set::JobSet,
    ownership::belongs_to,
    reporting::{AT_ONCE, Failure, Reporting, Severity},
    train_job::{CONTROLLER, TrainJob},
};

/// The field manager under which the Trainer applies what it makes.
const MANAGER: &str = "trainer";
/// The program's name, under which it updates statuses.
const PROGRAM: &str = "trainer-controller-manager";
/// An event's message holds 1024 characters; the Trainer leaves some room.
const LONGEST_REASON: usize = 950;

pub(super) async fn run(client: Client) {
    let reporting = Arc::new(Reporting::new(client.clone(), "trainer-trainjob-controller"));
    Controller::new(Api::<TrainJob>::all(client.clone()), watcher::Config::default())
        .owns(Api::<JobSet>::all(client), watcher::Config::default())
        .with_config(Config::default().concurrency(AT_ONCE))
        .run(reconcile, Reporting::retry, reporting)
        .for_each(|outcome| async move {
            if let Err(error) = outcome {
                tracing::debug!(%error, "a TrainJob was not reconciled");
            }
        })
        .await;
}

async fn reconcile(job: Arc<TrainJob>, reporting: Arc<Reporting>) -> Result<Action, Failure> {
    // It cannot change, and thousands of jobs that are managed elsewhere must cost nothing.
    if job.spec.managed_by.as_deref().is_some_and(|manager| manager != CONTROLLER) {
        return Ok(Action::await_change());
    }
    let client = reporting.client();
    let namespace = job.namespace().unwrap_or_default();
    let name = job.name_any();
    let jobs: Api<TrainJob> = Api::namespaced(client.clone(), &namespace);
    // The watch may lag behind what this controller itself wrote last. A job that is being deleted is
    // a job like any other here, as for the Trainer: what is deleted of it first is made anew.
    let Some(job) = jobs.get_opt(&name).await? else {
        reporting.succeeded(&*job);
        return Ok(Action::await_change());
    };
    let mut status = job.status.clone().unwrap_or_default();
    let now = Timestamp::now();
    let mut failure = None;
    if let Some(unknown) = job.spec.runtime_ref.unsupported() {
        let message = format!("unsupported runtime: {unknown}");
        status::set(&mut status, "Failed", "TrainingRuntimeNotSupported", &message, now);
        failure = Some(Failure::State(message));
    } else if !status::is_finished(&status)
        && let Err(error) = make_objects(&job, client).await
    {
        report(&job, &error, &reporting).await;
        failure = Some(error);
    }
    status::set_suspended(&mut status, job.spec.suspend == Some(true), now);
    let job_sets: Api<JobSet> = Api::namespaced(client.clone(), &namespace);
    let job_set = job_sets.get_opt(&name).await?;
    let alive = |it: &JobSet| it.metadata.deletion_timestamp.is_none() && belongs_to(it, &job);
    if let Some(job_set) = job_set.filter(alive) {
        status::mirror(&mut status, &job_set);
    }
    let left = status::time_left(&job, &status, now);
    if left == Some(Duration::ZERO) {
        // First the deletion: a process killed in between finds the deadline passed once more.
        delete(&job_sets, &name).await?;
        let message = "TrainJob exceeded its active deadline";
        status::set(&mut status, "Failed", "DeadlineExceeded", message, now);
    }
    write_status(&jobs, &job, &status).await?;
    match failure {
        Some(failure) => Err(failure),
        None => {
            reporting.succeeded(&job);
            let again = left.filter(|left| !left.is_zero());
            Ok(again.map_or_else(Action::await_change, Action::requeue))
        }
    }
}

/// Applies the JobSet, unless it is there and runs.
async fn make_objects(job: &TrainJob, client: &Client) -> Result<(), Failure> {
    let runtime = snapshot::runtime_of(job, client).await?;
    let wanted = assembly::job_set(job, &runtime)?;
    let namespace = job.namespace().unwrap_or_default();
    let job_sets: Api<JobSet> = Api::namespaced(client.clone(), &namespace);
    let existing = job_sets.get_opt(&job.name_any()).await?;
    if let Some(existing) = existing {
        if !belongs_to(&existing, job) {
            let name = job.name_any();
            return Err(Failure::State(format!(
                "JobSet {name:?} exists and belongs to another object"
            )));
        }
        if !existing.suspended() && !wanted.suspended() {
            return Ok(());
        }
    }
    let apply = PatchParams::apply(MANAGER).force();
    job_sets.patch(&job.name_any(), &apply, &Patch::Apply(&wanted)).await?;
    Ok(())
}

async fn report(job: &TrainJob, failure: &Failure, reporting: &Reporting) {
    let reason = failure.to_string();
    let mut message: String = reason.chars().take(LONGEST_REASON).collect();
    if message.len() < reason.len() {
        message.push_str(" ...");
    }
    let message = format!("TrainJob resources reconciliation failed: {message}");
    let name = "TrainJobResourcesCreationFailed";
    reporting.publish(job, Severity::Warning, name, message).await;
}

async fn delete(job_sets: &Api<JobSet>, name: &str) -> Result<(), Failure> {
    match job_sets.delete(name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => Ok(other.map(|_| ())?),
    }
}

async fn write_status(
    jobs: &Api<TrainJob>,
    job: &TrainJob,
    status: &TrainJobStatus,
) -> Result<(), Failure> {
    let before = job.status.clone().unwrap_or_default();
    // What the training program reports is not ours to write.
    let ours = |status: &TrainJobStatus| json!({"status": TrainJobStatus { trainer_status: None, ..status.clone() }});
    let new = ours(status);
    if new != ours(&before) {
        let patch = Patch::Merge(&new);
        let params = PatchParams { field_manager: Some(PROGRAM.into()), ..Default::default() };
        jobs.patch_status(&job.name_any(), &params, &patch).await?;
    }
    Ok(())
}
