//! The Job controller: makes the Pods of each Job until enough of them succeed or too many fail.

mod pods;
mod state;
mod tracking;

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    runtime::{Controller, controller::Action, watcher},
};
use serde_json::{Value, json};

pub(crate) use self::tracking::FINALIZER as TRACKING;
use self::{
    state::{Next, State},
    tracking::release,
};
use crate::{
    events::{Kind, Recorder, Source},
    watched::Watched,
};

/// When a Job is looked at again after an API request failed.
const RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// Which of the controllers that a Job may be managed by is this one.
pub(crate) const JOB_CONTROLLER: &str = "kubernetes.io/job-controller";

/// Controls Jobs until dropped.
pub(crate) async fn run(client: Client) {
    let source = Source { component: "job-controller", host: None, action: None };
    let recorder = Recorder::new(client.clone(), source);
    let jobs: Api<Watched<Job>> = Api::all(client.clone());
    let pods: Api<Pod> = Api::all(client.clone());
    Controller::new(jobs, watcher::Config::default())
        .owns(pods, watcher::Config::default())
        .run(
            reconcile,
            |job, error, _| Action::requeue(wait_after(&job.0, error)),
            Arc::new(Control { client, recorder }),
        )
        .for_each(async |outcome| {
            if let Err(error) = outcome {
                tracing::debug!(%error, "a Job is looked at again");
            }
        })
        .await;
}

struct Control {
    client: Client,
    recorder: Recorder,
}

async fn reconcile(job: Arc<Watched<Job>>, control: Arc<Control>) -> kube::Result<Action> {
    let namespace = job.namespace().unwrap_or_default();
    let jobs: Api<Job> = Api::namespaced(control.client.clone(), &namespace);
    // What the watch told may be older than what this controller has written since.
    let Some(job) = jobs.get_opt(&job.name_any()).await? else { return Ok(Action::await_change()) };
    if is_managed_by_another(&job) {
        return Ok(Action::await_change());
    }
    let uid = job.uid().unwrap_or_default();
    let pods: Api<Pod> = Api::namespaced(control.client.clone(), &namespace);
    let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/controller-uid={uid}"));
    let owned = pods.list(&of_job).await?.items;
    if job.metadata.deletion_timestamp.is_some() || state::is_finished(&job) {
        for pod in &owned {
            release(&pods, pod).await?;
        }
    }
    if job.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    if let Some(left) = state::time_to_live(&job) {
        if left.is_zero() {
            gone_is_fine(
                jobs.delete(&job.name_any(), &DeleteParams::background()).await.map(drop),
            )?;
        }
        return Ok(Action::requeue(left));
    }
    if state::is_finished(&job) {
        return Ok(Action::await_change());
    }
    let state = State::of(&job, &owned);
    let next = state.next(jiff::Timestamp::now());
    control.carry_out(&job, &pods, &state, &next).await?;
    // Its own writes to Pods change the counts; the Pods' changes bring it back for those.
    control.write_status(&jobs, &job, state.status(&next)).await?;
    for pod in &state.counted {
        release(&pods, pod).await?;
    }
    for (kind, reason, message) in &next.events {
        control.recorder.say(&job.object_ref(&()), *kind, reason, *message);
    }
    Ok(next.again.map_or_else(Action::await_change, Action::requeue))
}

impl Control {
    async fn carry_out(
        &self,
        job: &Job,
        pods: &Api<Pod>,
        state: &State<'_>,
        next: &Next<'_>,
    ) -> kube::Result<()> {
        let about = job.object_ref(&());
        for pod in next.delete.iter().chain(&state.given_up) {
            if next.release {
                release(pods, pod).await?;
            }
            let name = pod.name_any();
            gone_is_fine(pods.delete(&name, &DeleteParams::default()).await.map(drop))?;
            self.recorder.say(
                &about,
                Kind::Normal,
                "SuccessfulDelete",
                format!("Deleted pod: {name}"),
            );
        }
        for index in &next.create {
            match pods.create(&as_controller(), &pods::pod(job, *index)).await {
                Ok(pod) => {
                    let message = format!("Created pod: {}", pod.name_any());
                    self.recorder.say(&about, Kind::Normal, "SuccessfulCreate", message);
                }
                Err(error) => {
                    let why = match &error {
                        kube::Error::Api(status) => status.message.clone(),
                        other => other.to_string(),
                    };
                    let message = format!("Error creating: {why}");
                    self.recorder.say(&about, Kind::Warning, "FailedCreate", message);
                    self.write_status(&self.jobs(job), job, state.status(next)).await?;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn jobs(&self, job: &Job) -> Api<Job> {
        Api::namespaced(self.client.clone(), &job.namespace().unwrap_or_default())
    }

    async fn write_status(&self, jobs: &Api<Job>, job: &Job, status: Value) -> kube::Result<()> {
        if serde_json::to_value(&job.status).is_ok_and(|old| old == status) {
            return Ok(());
        }
        let version = job.resource_version();
        let patch = json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": version},
            {"op": "add", "path": "/status", "value": status},
        ]);
        let patch = serde_json::from_value(patch).map_err(kube::Error::SerdeError)?;
        let patch = Patch::<Job>::Json(patch);
        gone_is_fine(
            jobs.patch_status(&job.name_any(), &PatchParams::default(), &patch).await.map(drop),
        )
    }
}

/// Pods say by which program they were made.
fn as_controller() -> PostParams {
    let field_manager = Some("kube-controller-manager".to_owned());
    PostParams { field_manager, ..PostParams::default() }
}

/// A Job whose Pods are refused is looked at again after as long as it has gone on already, up to a
/// minute, since each refusal is an event.
fn wait_after(job: &Job, error: &kube::Error) -> Duration {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            let start = job.status.as_ref().and_then(|status| status.start_time.as_ref());
            let age = start.map(|start| jiff::Timestamp::now().duration_since(start.0));
            let age = age.and_then(|age| age.try_into().ok()).unwrap_or(RETRY);
            age.clamp(RETRY, LONGEST_RETRY)
        }
        _ => RETRY,
    }
}

fn is_managed_by_another(job: &Job) -> bool {
    let by = job.spec.as_ref().and_then(|spec| spec.managed_by.as_deref());
    by.is_some_and(|by| by != JOB_CONTROLLER)
}

fn gone_is_fine(result: kube::Result<()>) -> kube::Result<()> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_whose_pods_are_refused_is_looked_at_less_and_less_often() {
        let wait = |code: u16, age: i64| {
            let start = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(age);
            let job = json!({"metadata": {}, "status": {"startTime": start}});
            let status = kube::core::Status::failure("", "").with_code(code);
            let error = kube::Error::Api(Box::new(status));
            wait_after(&serde_json::from_value(job).unwrap(), &error).as_secs()
        };
        assert_eq!((wait(403, 0), wait(403, 3600)), (1, 60));
        assert!((10..15).contains(&wait(403, 10)));
        assert_eq!(wait(409, 3600), 1);
    }
}
