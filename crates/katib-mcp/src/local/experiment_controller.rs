//! The controller of Experiments: it asks for parameters, makes trials of them, and sums up.

mod summary;
mod trials;

use std::sync::Arc;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, Patch},
    runtime::{
        Controller,
        controller::{Action, Config},
        watcher,
    },
};
use serde_json::json;

pub(super) use self::summary::is_restartable;
use crate::{
    api::{EXPERIMENT_LABEL, Experiment, ExperimentStatus, Suggestion, Trial},
    local::{
        conditions::{self, any},
        control::{AT_ONCE, Control, Failure, belongs_to_another, finalizers, patching, writing},
    },
};

const FINALIZER: &str = "update-prometheus-metrics";
/// Of a Suggestion whose experiment goes on after its end.
const RESTARTING: &str = "Experiment is restarting";

pub(super) async fn run(client: Client) {
    let control = Control::new(client.clone(), "experiment-controller");
    Controller::new(Api::<Experiment>::all(client.clone()), watcher::Config::default())
        .owns(Api::<Trial>::all(client.clone()), watcher::Config::default())
        .owns(Api::<Suggestion>::all(client), watcher::Config::default())
        .with_config(Config::default().concurrency(AT_ONCE))
        .run(reconcile, Control::retry, control)
        .for_each(|outcome| async move {
            if let Err(error) = outcome {
                tracing::debug!(%error, "an Experiment was not reconciled");
            }
        })
        .await;
}

async fn reconcile(known: Arc<Experiment>, control: Arc<Control>) -> Result<Action, Failure> {
    let namespace = known.namespace().unwrap_or_default();
    let experiments: Api<Experiment> = Api::namespaced(control.client.clone(), &namespace);
    // The watch may lag behind what this controller itself wrote last.
    let Some(experiment) = experiments.get_opt(&known.name_any()).await? else {
        return Ok(Action::await_change());
    };
    let outcome = advance(&experiment, &experiments, &control).await;
    control.settle(&experiment, outcome, "Failed to reconcile: ")
}

async fn advance(
    experiment: &Experiment,
    experiments: &Api<Experiment>,
    control: &Control,
) -> Result<Action, Failure> {
    let name = experiment.name_any();
    if let Some(finalizers) = finalizers(experiment, FINALIZER) {
        let version = experiment.resource_version();
        let patch = json!({"metadata": {"finalizers": finalizers, "resourceVersion": version}});
        experiments.patch(&name, &patching(), &Patch::Merge(patch)).await?;
        // The write itself brings it back.
        return Ok(Action::await_change());
    }
    if experiment.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let mut status = experiment.status.clone().unwrap_or_default();
    if any(&status.conditions, &["Succeeded", "Failed"]) {
        let policy = experiment.spec.resume_policy.as_deref();
        if policy != Some("LongRunning") {
            end_suggestion(experiment, control).await?;
        }
        let more = experiment.spec.max_trial_count.is_some_and(|max| max > status.trials);
        if more && is_restartable(experiment) {
            restart(experiment, &mut status, control).await?;
        } else if status.trials_running == 0 {
            return Ok(Action::await_change());
        }
    }
    if any(&status.conditions, &["Created"]) {
        let trials = trials_of(experiment, &control.client).await?;
        if !trials.is_empty() {
            summary::update(&mut status, &experiment.spec, &trials);
        }
        if !any(&status.conditions, &["Succeeded", "Failed"]) {
            trials::balance(experiment, &mut status, trials, control).await?;
        }
    } else {
        status.start_time.get_or_insert_with(|| Time(Timestamp::now()));
        let message = "Experiment is created";
        conditions::set(&mut status.conditions, "Created", "True", "ExperimentCreated", message);
    }
    write_status(experiment, status, experiments).await?;
    Ok(Action::await_change())
}

async fn write_status(
    experiment: &Experiment,
    status: ExperimentStatus,
    experiments: &Api<Experiment>,
) -> Result<(), Failure> {
    if json!(status) != json!(experiment.status) {
        // Replaced, not patched: of two writers, one shall lose.
        let changed = Experiment { status: Some(status), ..experiment.clone() };
        let name = experiment.name_any();
        experiments.replace_status(&name, &writing(), &changed).await?;
    }
    Ok(())
}

/// The trials of an experiment, but for those of a former one of its name.
pub(super) async fn trials_of(
    experiment: &Experiment,
    client: &Client,
) -> Result<Vec<Trial>, Failure> {
    let namespace = experiment.namespace().unwrap_or_default();
    let trials: Api<Trial> = Api::namespaced(client.clone(), &namespace);
    let label = format!("{EXPERIMENT_LABEL}={}", experiment.name_any());
    let mut trials = trials.list(&ListParams::default().labels(&label)).await?.items;
    trials.retain(|it| !belongs_to_another(it, experiment));
    Ok(trials)
}

/// Tells the Suggestion that no more is asked of it.
async fn end_suggestion(experiment: &Experiment, control: &Control) -> Result<(), Failure> {
    let message = match experiment.spec.resume_policy.as_deref() {
        Some("FromVolume") => {
            "Suggestion is succeeded, suggestion volume is not deleted, can be restarted"
        }
        _ => "Suggestion is succeeded, can't be restarted",
    };
    change_suggestion(experiment, control, |suggestion| {
        let status = suggestion.status.get_or_insert_default();
        let conditions = &mut status.conditions;
        if any(conditions, &["Succeeded", "Failed"]) || is_restarting(conditions) {
            return;
        }
        let why = "Suggestion is succeeded";
        for (type_, message) in [
            ("Running", "Suggestion is not running"),
            ("DeploymentReady", "Deployment is not ready"),
        ] {
            if conditions.iter().any(|it| it.type_ == type_) {
                conditions::set(conditions, type_, "False", why, message);
            }
        }
        conditions::set(conditions, "Succeeded", "True", "Experiment is succeeded", message);
    })
    .await
}

async fn restart(
    experiment: &Experiment,
    status: &mut ExperimentStatus,
    control: &Control,
) -> Result<(), Failure> {
    conditions::remove(&mut status.conditions, "Succeeded");
    conditions::remove(&mut status.conditions, "Failed");
    let (reason, message) = ("ExperimentRestarting", "Experiment is restarted");
    conditions::set(&mut status.conditions, "Restarting", "True", reason, message);
    if experiment.spec.resume_policy.as_deref() != Some("FromVolume") {
        return Ok(());
    }
    change_suggestion(experiment, control, |suggestion| {
        let conditions = &mut suggestion.status.get_or_insert_default().conditions;
        if !is_restarting(conditions) {
            conditions::remove(conditions, "Succeeded");
            let message = "Suggestion is not running";
            conditions::set(conditions, "Running", "False", RESTARTING, message);
        }
    })
    .await
}

fn is_restarting(conditions: &[crate::api::Condition]) -> bool {
    let running = conditions.iter().find(|it| it.type_ == "Running" && it.status == "False");
    running.is_some_and(|it| it.reason.as_deref() == Some(RESTARTING))
}

async fn change_suggestion(
    experiment: &Experiment,
    control: &Control,
    change: impl FnOnce(&mut Suggestion),
) -> Result<(), Failure> {
    let namespace = experiment.namespace().unwrap_or_default();
    let suggestions: Api<Suggestion> = Api::namespaced(control.client.clone(), &namespace);
    let name = experiment.name_any();
    let Some(before) = suggestions.get_opt(&name).await? else { return Ok(()) };
    let mut after = before.clone();
    change(&mut after);
    if json!(after.status) != json!(before.status) {
        suggestions.replace_status(&name, &writing(), &after).await?;
    }
    Ok(())
}
