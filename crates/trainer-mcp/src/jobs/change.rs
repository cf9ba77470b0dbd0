//! What can be done to a training job that exists: suspending, resuming, deleting.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{
    ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions},
};
use kubeflow_mcp_core::{Caller, Effect, Error, Need, Persona, Resource, Result, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use workloads::{
    phase::{Phase, Standing},
    pods::PODS,
    train_job::{TRAIN_JOBS, TrainJob, phase::QUEUE_LABEL, steps},
};

const CLAIMS: Resource = Resource::namespaced("", "persistentvolumeclaims");

/// Suspends or resumes a training job. Call it to free a job's devices for a while; nothing else
/// of a job can be changed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateTrainingJob {
    /// Of the job.
    name: String,
    /// What to do.
    action: Action,
    /// Default: yours.
    namespace: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    Suspend,
    Resume,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Update {
    name: String,
    namespace: String,
    suspended: bool,
    /// False when it was so already.
    changed: bool,
    /// What the change does to the Pods.
    consequence: &'static str,
}

impl Tool for UpdateTrainingJob {
    type Output = Update;
    const NAME: &str = "update_training_job";
    const TITLE: &str = "Suspend or resume a training job";
    const EFFECT: Effect = Effect::Changes;
    const PERSONA: Persona = Persona::DataScientist;
    const NEEDS: &[Need] = &[Need::to(&["get", "patch"], TRAIN_JOBS)];

    async fn call(self, caller: &Caller) -> Result<Update> {
        let job = TrainJob::find(caller, self.namespace.as_deref(), &self.name).await?;
        check(&job)?;
        let suspend = self.action == Action::Suspend;
        let changed = job.spec.suspend.unwrap_or(false) != suspend;
        if changed {
            // The uid: a job of that name that was made meanwhile is another one.
            let patch = json!({"metadata": {"uid": job.uid()}, "spec": {"suspend": suspend}});
            let api = caller.api::<TrainJob>(self.namespace.as_deref());
            api.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await?;
        }
        Ok(Update {
            namespace: job.namespace().unwrap_or_default(),
            suspended: suspend,
            changed,
            consequence: match (changed, self.action) {
                (false, _) => "none",
                (true, Action::Suspend) => {
                    "its Pods are stopped and removed with their logs; only what the program saved in a volume or a store is kept"
                }
                (true, Action::Resume) => {
                    "new Pods start the program from its beginning; it must find its checkpoints itself"
                }
            },
            name: self.name,
        })
    }
}

/// Whether suspending and resuming is for the caller to do at all.
fn check(job: &TrainJob) -> Result<()> {
    let name = job.name_any();
    let standing = Standing::now(job, &[]);
    if standing.phase.is_final() || standing.phase == Phase::Deleting {
        return Err(Error::conflict(
            format!(
                "training job {name:?} is {:?}: there is nothing to suspend or resume",
                standing.phase
            ),
            "to run it again, start another job",
        ));
    }
    if let Some(manager) = queue_manager(job) {
        return Err(Error::conflict(
            format!(
                "training job {name:?} is managed by Kueue ({manager}), which suspends and resumes it as its queue allows and would undo this"
            ),
            "to stop it, delete it, or have its Workload deactivated",
        ));
    }
    Ok(())
}

fn queue_manager(job: &TrainJob) -> Option<String> {
    if let Some(queue) = job.labels().get(QUEUE_LABEL) {
        return Some(format!("queue {queue:?}"));
    }
    let managers = job.spec.rest.get("runtimePatches").and_then(Value::as_array);
    let managers = managers.into_iter().flatten().filter_map(|it| it["manager"].as_str());
    managers
        .chain(job.spec.managed_by.as_deref())
        .find(|it| it.starts_with("kueue.x-k8s.io/"))
        .map(str::to_owned)
}

/// Deletes a training job with its Pods, logs and the volumes made for it. Call it to stop a job
/// for good or to clean up; the preview says what is lost.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteTrainingJob {
    /// Of the job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Deletion {
    name: String,
    namespace: String,
    phase: Phase,
    /// How many Pods go with it, and their logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pods: Option<usize>,
    /// Volumes that go with it, and all files on them, such as a trained model.
    lost_volumes: Vec<String>,
    /// Volumes made for it that stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept_volumes: Vec<String>,
    /// What could not be seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unseen: Vec<&'static str>,
}

impl Tool for DeleteTrainingJob {
    type Output = Deletion;
    const NAME: &str = "delete_training_job";
    const TITLE: &str = "Delete a training job";
    const EFFECT: Effect = Effect::Deletes;
    const PERSONA: Persona = Persona::DataScientist;
    const NEEDS: &[Need] = &[
        Need::to(&["get", "delete"], TRAIN_JOBS),
        Need::perhaps(&["list"], PODS),
        Need::perhaps(&["list"], CLAIMS),
    ];

    async fn call(self, caller: &Caller) -> Result<Deletion> {
        let namespace = self.namespace.as_deref();
        let job = TrainJob::find(caller, namespace, &self.name).await?;
        let (pods, claims) = futures::join!(steps::pods(caller, &job), claims(caller, &job));
        let (pods, claims) = (pods?, claims?);
        let mut unseen = Vec::new();
        if pods.is_none() {
            unseen.push("Pods: you may not list them");
        }
        if claims.is_none() {
            unseen.push("volumes: you may not list PersistentVolumeClaims; any made for the job may be lost");
        }
        let preconditions = Preconditions { uid: job.uid(), resource_version: None };
        let params = DeleteParams::background().preconditions(preconditions);
        caller.api::<TrainJob>(namespace).delete(&self.name, &params).await?;
        let owned =
            |it: &PersistentVolumeClaim| it.owner_references().iter().any(|it| it.kind == "JobSet");
        let (lost, kept): (Vec<_>, Vec<_>) =
            claims.unwrap_or_default().into_iter().partition(owned);
        let names =
            |claims: Vec<PersistentVolumeClaim>| claims.iter().map(|it| it.name_any()).collect();
        Ok(Deletion {
            namespace: job.namespace().unwrap_or_default(),
            phase: Standing::now(&job, &[]).phase,
            pods: pods.map(|it| it.len()),
            lost_volumes: names(lost),
            kept_volumes: names(kept),
            unseen,
            name: self.name,
        })
    }
}

/// The volumes made for the job; `None` where the caller may not see them.
async fn claims(caller: &Caller, job: &TrainJob) -> Result<Option<Vec<PersistentVolumeClaim>>> {
    let selected = ListParams::default().labels(&steps::selector(&job.name_any()));
    let api = caller.api::<PersistentVolumeClaim>(job.namespace().as_deref());
    match api.list(&selected).await {
        Ok(found) => Ok(Some(found.items)),
        Err(kube::Error::Api(status)) if [403, 404].contains(&status.code) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
