//! The controller of JobSets: it makes their Jobs, and sums up how these fare.

mod conditions;
mod failure;
mod jobs;
mod plan;

#[cfg(test)]
mod tests;

use std::{fmt::Debug, sync::Arc};

use futures::StreamExt as _;
use k8s_openapi::api::{batch::v1::Job, core::v1::Service};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::{NamespaceResourceScope, PartialObjectMeta},
    runtime::{
        Controller,
        controller::{Action, Config},
        watcher,
    },
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use self::plan::Plan;
use crate::local::{
    job_set::JobSet,
    ownership::belongs_to,
    reporting::{AT_ONCE, Failure, Reporting, Severity},
};

/// The field manager of what the controller writes.
const MANAGER: &str = "jobset";

/// The label under which all that belongs to a JobSet is found.
pub(super) const JOB_SET_NAME: &str = "jobset.sigs.k8s.io/jobset-name";

pub(super) async fn run(client: Client) {
    let reporting = Arc::new(Reporting::new(client.clone(), "jobset"));
    Controller::new(
        Api::<PartialObjectMeta<JobSet>>::all(client.clone()),
        watcher::Config::default(),
    )
    .owns(Api::<Job>::all(client.clone()), watcher::Config::default())
    .owns(Api::<Service>::all(client), watcher::Config::default())
    .with_config(Config::default().concurrency(AT_ONCE))
    .run(reconcile, Reporting::retry, reporting)
    .for_each(|outcome| async move {
        if let Err(error) = outcome {
            tracing::debug!(%error, "a JobSet was not reconciled");
        }
    })
    .await;
}

async fn reconcile(
    job_set: Arc<PartialObjectMeta<JobSet>>,
    reporting: Arc<Reporting>,
) -> Result<Action, Failure> {
    let client = reporting.client();
    let namespace = job_set.namespace().unwrap_or_default();
    let name = job_set.name_any();
    // The watch may lag behind what this controller itself wrote last.
    let job_sets: Api<JobSet> = Api::namespaced(client.clone(), &namespace);
    let current = job_sets.get_opt(&name).await?;
    let Some(job_set) = current.filter(|it| it.metadata.deletion_timestamp.is_none()) else {
        reporting.succeeded(&*job_set);
        return Ok(Action::await_change());
    };
    let elsewhere = job_set.spec.managed_by.as_deref();
    if elsewhere.is_some_and(|it| it != "jobset.sigs.k8s.io/jobset-controller") {
        return Ok(Action::await_change());
    }
    let children = ListParams::default().labels(&format!("{JOB_SET_NAME}={name}"));
    let mut jobs = Api::<Job>::namespaced(client.clone(), &namespace).list(&children).await?.items;
    jobs.retain(|job| belongs_to(job, &job_set));
    let plan = plan::plan(&job_set, &jobs, jiff::Timestamp::now());
    carry_out(plan, &job_set, &reporting).await
}

/// Does what the plan says. Everything in it may have been done before the process was last killed.
async fn carry_out(plan: Plan, job_set: &JobSet, reporting: &Reporting) -> Result<Action, Failure> {
    let client = reporting.client();
    let namespace = job_set.namespace().unwrap_or_default();
    let jobs: Api<Job> = Api::namespaced(client.clone(), &namespace);
    let patching = PatchParams { field_manager: Some(MANAGER.into()), ..Default::default() };
    for name in &plan.delete {
        let deleted = jobs.delete(name, &DeleteParams::foreground()).await;
        ignore(deleted, 404)?;
    }
    if let Some(service) = &plan.service {
        ensure("HeadlessServiceCreationFailed", service, job_set, reporting).await?;
    }
    for claim in &plan.claims {
        ensure("PVCCreationFailed", claim, job_set, reporting).await?;
    }
    for job in &plan.create {
        let created = jobs.create(&writing(), job).await;
        refuse("JobCreationFailed", created, job_set, reporting).await?;
    }
    for name in &plan.suspend {
        let suspend = Patch::Merge(json!({"spec": {"suspend": true}}));
        ignore(jobs.patch(name, &patching, &suspend).await, 404)?;
    }
    for (name, resumption) in &plan.resume {
        // A Job's template may change only as long as it has no start time.
        let unstarted = Patch::Merge(json!({"status": {"startTime": null}}));
        ignore(jobs.patch_status(name, &patching, &unstarted).await, 404)?;
        let resume = Patch::Merge(resumption);
        ignore(jobs.patch(name, &patching, &resume).await, 404)?;
    }
    let job_sets: Api<JobSet> = Api::namespaced(client.clone(), &namespace);
    if let Some(status) = plan.status {
        // Replaced, not patched: of two controllers that count restarts, one shall lose.
        let changed = JobSet { status: Some(status), ..job_set.clone() };
        job_sets.replace_status(&job_set.name_any(), &writing(), &changed).await?;
    }
    for event in plan.events {
        reporting.publish(job_set, event.severity, &event.reason, event.message).await;
    }
    if plan.expired {
        let deleted = job_sets.delete(&job_set.name_any(), &DeleteParams::foreground()).await;
        ignore(deleted, 404)?;
    }
    reporting.succeeded(job_set);
    Ok(plan.again.map_or_else(Action::await_change, Action::requeue))
}

fn writing() -> PostParams {
    PostParams { field_manager: Some(MANAGER.into()), ..Default::default() }
}

fn ignore<T>(result: kube::Result<T>, code: u16) -> kube::Result<()> {
    match result {
        Err(kube::Error::Api(status)) if status.code == code => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Creates an object unless it is there. It is looked for first, since a full quota would refuse
/// even an object that exists.
async fn ensure<K>(
    reason: &str,
    object: &K,
    job_set: &JobSet,
    reporting: &Reporting,
) -> Result<(), Failure>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize,
{
    let namespace = job_set.namespace().unwrap_or_default();
    let api: Api<K> = Api::namespaced(reporting.client().clone(), &namespace);
    if api.get_opt(&object.name_any()).await?.is_some() {
        return Ok(());
    }
    refuse(reason, api.create(&writing(), object).await, job_set, reporting).await
}

/// Reports why something could not be created. That it is there already is no failure: a process
/// that was killed has created it, or the list of Jobs is older than it.
async fn refuse<T>(
    reason: &str,
    created: kube::Result<T>,
    job_set: &JobSet,
    reporting: &Reporting,
) -> Result<(), Failure> {
    match created {
        Err(kube::Error::Api(status)) if status.reason != "AlreadyExists" => {
            let message = status.message.clone();
            reporting.publish(job_set, Severity::Warning, reason, message).await;
            Err(kube::Error::Api(status).into())
        }
        other => Ok(ignore(other, 409)?),
    }
}
