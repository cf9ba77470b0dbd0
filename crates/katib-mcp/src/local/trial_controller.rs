//! The controller of Trials: it makes the workload of each, and reads what it has reached.

mod collection;
mod workload;

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::{
    api::batch::v1::Job,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch},
    core::PartialObjectMeta,
    runtime::{
        Controller,
        conditions::is_crd_established,
        controller::{Action, Config},
        wait::{Condition as _, await_condition},
        watcher,
    },
};
use local_kube::events::Kind;
use serde_json::{Value, json};

pub(super) use self::workload::is_understood;
use self::workload::{Standing, Stands};
use crate::{
    api::{Trial, TrialStatus, UNAVAILABLE},
    local::{
        conditions::{self, any},
        control::{AT_ONCE, Control, Failure, finalizers, owned_by, patching, writing},
    },
    metrics::{self, ANNOTATION},
};

const TRAIN_JOBS: &str = "trainjobs.trainer.kubeflow.org";
pub(super) const FINALIZER: &str = "clean-metrics-in-db";
/// When to look again for metrics that nobody has collected.
const COLLECTED: Duration = Duration::from_secs(1);
const ENDS: [&str; 5] = ["Succeeded", "Failed", "Killed", "EarlyStopped", "MetricsUnavailable"];

/// Runs with or without a watch on TrainJobs, whether they are there or not: a watch that fails would
/// hold up all others.
pub(super) async fn run(client: Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let are_served = is_crd_established();
    let mut served = definitions.get_opt(TRAIN_JOBS).await.ok().flatten();
    loop {
        let now = are_served.matches_object(served.as_ref());
        let changed = |it: Option<&CustomResourceDefinition>| are_served.matches_object(it) != now;
        let changed = await_condition(definitions.clone(), TRAIN_JOBS, changed);
        tokio::select! {
            () = control(client.clone(), now) => return,
            changed = changed => match changed {
                Ok(definition) => served = definition,
                Err(error) => {
                    tracing::warn!(%error, "it is not known whether there are TrainJobs");
                    tokio::time::sleep(COLLECTED).await;
                }
            },
        }
    }
}

async fn control(client: Client, with_train_jobs: bool) {
    let all = watcher::Config::default();
    let mut controller = Controller::new(Api::<Trial>::all(client.clone()), all.clone())
        .owns(Api::<PartialObjectMeta<Job>>::all(client.clone()), all.clone());
    if with_train_jobs {
        let kind = GroupVersionKind::gvk("trainer.kubeflow.org", "v1alpha1", "TrainJob");
        let kind = ApiResource::from_gvk(&kind);
        let jobs = Api::<PartialObjectMeta<DynamicObject>>::all_with(client.clone(), &kind);
        controller = controller.owns_with(jobs, kind, all);
    }
    controller
        .with_config(Config::default().concurrency(AT_ONCE))
        .run(reconcile, Control::retry, Control::new(client, "trial-controller"))
        .for_each(|outcome| async move {
            if let Err(error) = outcome {
                tracing::debug!(%error, "a Trial was not reconciled");
            }
        })
        .await;
}

async fn reconcile(known: Arc<Trial>, control: Arc<Control>) -> Result<Action, Failure> {
    let namespace = known.namespace().unwrap_or_default();
    let trials: Api<Trial> = Api::namespaced(control.client.clone(), &namespace);
    // The watch may lag behind what this controller itself wrote last.
    let Some(trial) = trials.get_opt(&known.name_any()).await? else {
        return Ok(Action::await_change());
    };
    let outcome = advance(&trial, &trials, &control).await;
    control.settle(&trial, outcome, "Failed to reconcile: ")
}

async fn advance(trial: &Trial, trials: &Api<Trial>, control: &Control) -> Result<Action, Failure> {
    let name = trial.name_any();
    if let Some(finalizers) = finalizers(trial, FINALIZER) {
        let version = trial.resource_version();
        let patch = json!({"metadata": {"finalizers": finalizers, "resourceVersion": version}});
        trials.patch(&name, &patching(), &Patch::Merge(patch)).await?;
        // The write itself brings it back.
        return Ok(Action::await_change());
    }
    if trial.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let mut trial = trial.clone();
    let before = trial.status.clone();
    let status = trial.status.get_or_insert_default();
    status.start_time.get_or_insert_with(|| Time(Timestamp::now()));
    let message = "Trial is created";
    conditions::set(&mut status.conditions, "Created", "True", "TrialCreated", message);
    let outcome = follow(&mut trial, trials, control).await;
    if json!(trial.status) != json!(before) {
        // Replaced, not patched: of two writers, one shall lose.
        trials.replace_status(&name, &writing(), &trial).await?;
    }
    outcome
}

/// Makes the workload, looks how it stands, and says so in the trial's status.
async fn follow(
    trial: &mut Trial,
    trials: &Api<Trial>,
    control: &Control,
) -> Result<Action, Failure> {
    let Some(workload) = deployed(trial, control).await? else {
        return Ok(Action::await_change());
    };
    let status = trial.status.get_or_insert_default();
    let stopped = any(&status.conditions, &["EarlyStopped"]);
    if any(&status.conditions, &ENDS) && !stopped {
        return Ok(Action::await_change());
    }
    let Some(stands) = Stands::of(&trial.spec, &workload).map_err(Failure::State)? else {
        let running = any(&status.conditions, &["Running"]);
        if !running && !stopped {
            let message = "Trial is running";
            conditions::set(&mut status.conditions, "Running", "True", "TrialRunning", message);
            let event = format!("Job {} is running", trial.name_any());
            control.say(trial, Kind::Normal, "JobRunning", event);
        }
        return Ok(Action::await_change());
    };
    if stands.standing == Standing::Succeeded && status.observation.is_none() {
        let Some(collected) = collection::collect(trial, &control.client).await? else {
            return Ok(Action::requeue(COLLECTED));
        };
        keep(trial, trials, collected).await?;
    }
    end(trial, &stands, control);
    Ok(Action::await_change())
}

/// Writes down what was collected: the points beside the object, since there is no database.
async fn keep(
    trial: &mut Trial,
    trials: &Api<Trial>,
    collected: collection::Collected,
) -> Result<(), Failure> {
    if !collected.points.is_empty() {
        let points = metrics::annotation(&collected.points);
        let version = trial.resource_version();
        let patch =
            json!({"metadata": {"annotations": {ANNOTATION: points}, "resourceVersion": version}});
        let patch = Patch::Merge(patch);
        let written = trials.patch(&trial.name_any(), &patching(), &patch).await?;
        trial.metadata = written.metadata;
    }
    let status = trial.status.get_or_insert_default();
    status.observation = Some(collected.observation);
    if collected.stopped_early {
        let (reason, message) = ("TrialEarlyStopped", "Trial is early stopped");
        conditions::set(&mut status.conditions, "EarlyStopped", "True", reason, message);
    }
    Ok(())
}

/// Says how a workload that has ended leaves its trial.
fn end(trial: &mut Trial, stands: &Stands, control: &Control) {
    let name = trial.name_any();
    let observed = is_observed(trial);
    let status = trial.status.get_or_insert_default();
    let stopped = any(&status.conditions, &["EarlyStopped"]);
    let (kind, type_, reason, message, event) = match stands.standing {
        Standing::Succeeded if observed => {
            if stopped {
                return;
            }
            let event = ("JobSucceeded", format!("Job {name} has succeeded"));
            (Kind::Normal, "Succeeded", "TrialSucceeded", "Trial has succeeded", event)
        }
        Standing::Succeeded => {
            let event = ("MetricsUnavailable", format!("Metrics are not available for Job {name}"));
            let message = "Metrics are not available";
            (Kind::Warning, "MetricsUnavailable", "MetricsUnavailable", message, event)
        }
        Standing::Failed if stopped => return,
        Standing::Failed => {
            let mut said = format!("Job {name} has failed");
            if !(stands.message.is_empty() && stands.reason.is_empty()) {
                said = format!("{said}. {} {}", stands.message, stands.reason);
            }
            let event = ("JobFailed", said);
            (Kind::Normal, "Failed", "TrialFailed", "Trial has failed", event)
        }
    };
    let with = |text: &str, what: &str, detail: &str| {
        if detail.is_empty() { text.to_owned() } else { format!("{text}. Job {what}: {detail}") }
    };
    let reason = with(reason, "reason", &stands.reason);
    let message = with(message, "message", &stands.message);
    conditions::set_over(&mut status.conditions, type_, &reason, &message);
    status.completion_time = Some(Time(Timestamp::now()));
    control.say(trial, kind, event.0, event.1);
}

/// The workload as it is in the cluster: made, if it is not there; nothing, once it is deleted with
/// the trial's end.
async fn deployed(trial: &Trial, control: &Control) -> Result<Option<Value>, Failure> {
    let name = trial.name_any();
    let mut wanted = trial.spec.run_spec.clone().unwrap_or_default();
    wanted["metadata"]["ownerReferences"] = json!(owned_by(trial));
    let wanted: DynamicObject = serde_json::from_value(wanted)
        .map_err(|error| Failure::State(format!("the workload cannot be read: {error}")))?;
    let types = wanted.types.clone().unwrap_or_default();
    let kind = GroupVersionKind::try_from(&types)
        .map_err(|error| Failure::State(format!("the workload's kind cannot be read: {error}")))?;
    let resource = ApiResource::from_gvk(&kind);
    let namespace = trial.namespace().unwrap_or_default();
    let workloads: Api<DynamicObject> =
        Api::namespaced_with(control.client.clone(), &namespace, &resource);
    let ended = any(&conditions_of(trial.status.as_ref()), &ENDS);
    let present = workloads.get_opt(&name).await?;
    let Some(present) = present else {
        if ended {
            return Ok(None);
        }
        let made = workloads.create(&writing(), &wanted).await?;
        control.say(trial, Kind::Normal, "JobCreated", format!("Job {name} has been created"));
        return Ok(Some(json!(made)));
    };
    if ended && trial.spec.retain_run != Some(true) {
        if present.metadata.deletion_timestamp.is_none() {
            workloads.delete(&name, &DeleteParams::foreground()).await?;
            control.say(trial, Kind::Normal, "JobDeleted", format!("Job {name} has been deleted"));
        }
        return Ok(None);
    }
    Ok(Some(json!(present)))
}

fn conditions_of(status: Option<&TrialStatus>) -> Vec<crate::api::Condition> {
    status.map(|it| it.conditions.clone()).unwrap_or_default()
}

/// Whether the objective of a trial is known.
pub(super) fn is_observed(trial: &Trial) -> bool {
    let objective = trial.spec.objective.as_ref().map(|it| it.objective_metric_name.as_str());
    let observation = trial.status.as_ref().and_then(|it| it.observation.as_ref());
    observation.is_some_and(|it| {
        let mut metrics = it.metrics.iter().filter(|it| Some(it.name.as_str()) == objective);
        metrics.any(|it| it.latest != UNAVAILABLE)
    })
}
