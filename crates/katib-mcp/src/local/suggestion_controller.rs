//! The controller of Suggestions: it has an algorithm choose parameters, as many as are asked for.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Time};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams},
    core::PartialObjectMeta,
    runtime::{
        Controller,
        controller::{Action, Config},
        watcher,
    },
};
use serde_json::json;

use crate::{
    api::{Experiment, SuggestedTrial, Suggestion, SuggestionStatus},
    local::{
        conditions::{self, any},
        control::{AT_ONCE, Control, Failure, writing},
        experiment_controller::trials_of,
        suggest::{SuggestError, Suggested, suggest},
    },
};

/// The label of the Pods that an algorithm runs in.
const SUGGESTION_LABEL: &str = "katib.kubeflow.org/suggestion";
/// When to look again at an algorithm that was not ready, should nothing tell that it is.
const READY: Duration = Duration::from_secs(1);

pub(super) async fn run(client: Client) {
    let control = Control::new(client.clone(), "suggestion-controller");
    let services = watcher::Config::default().labels(SUGGESTION_LABEL);
    Controller::new(Api::<Suggestion>::all(client.clone()), watcher::Config::default())
        .owns(Api::<PartialObjectMeta<Pod>>::all(client), services)
        .with_config(Config::default().concurrency(AT_ONCE))
        .run(reconcile, Control::retry, control)
        .for_each(|outcome| async move {
            if let Err(error) = outcome {
                tracing::debug!(%error, "a Suggestion was not reconciled");
            }
        })
        .await;
}

async fn reconcile(known: Arc<Suggestion>, control: Arc<Control>) -> Result<Action, Failure> {
    let namespace = known.namespace().unwrap_or_default();
    let suggestions: Api<Suggestion> = Api::namespaced(control.client.clone(), &namespace);
    // The watch may lag behind what this controller itself wrote last.
    let current = suggestions.get_opt(&known.name_any()).await?;
    let Some(suggestion) = current.filter(|it| it.metadata.deletion_timestamp.is_none()) else {
        return Ok(Action::await_change());
    };
    let outcome = advance(&suggestion, &suggestions, &control).await;
    control.settle(&suggestion, outcome, "")
}

async fn advance(
    suggestion: &Suggestion,
    suggestions: &Api<Suggestion>,
    control: &Control,
) -> Result<Action, Failure> {
    let mut status = suggestion.status.clone().unwrap_or_default();
    if any(&status.conditions, &["Succeeded"]) {
        let namespace = suggestion.namespace().unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(control.client.clone(), &namespace);
        let label = format!("{SUGGESTION_LABEL}={}", suggestion.name_any());
        let of_algorithm = ListParams::default().labels(&label);
        pods.delete_collection(&DeleteParams::background(), &of_algorithm).await?;
        return Ok(Action::await_change());
    }
    let mut outcome = Ok(Action::await_change());
    if !any(&status.conditions, &["Created"]) {
        status.start_time = Some(Time(Timestamp::now()));
        let message = "Suggestion is created";
        conditions::set(&mut status.conditions, "Created", "True", "SuggestionCreated", message);
    }
    if !any(&status.conditions, &["Failed"]) {
        outcome = ask(suggestion, &mut status, control).await;
    }
    if json!(status) != json!(suggestion.status) {
        // Replaced, not patched: of two answers to one request, one shall be lost.
        let changed = Suggestion { status: Some(status), ..suggestion.clone() };
        let name = suggestion.name_any();
        suggestions.replace_status(&name, &writing(), &changed).await?;
    }
    outcome
}

/// Asks the algorithm for what is missing. The first time it is asked in any case, so that it can
/// find fault with the experiment.
async fn ask(
    suggestion: &Suggestion,
    status: &mut SuggestionStatus,
    control: &Control,
) -> Result<Action, Failure> {
    let missing = suggestion.spec.requests - status.suggestion_count;
    if missing <= 0 && any(&status.conditions, &["Running"]) {
        return Ok(Action::await_change());
    }
    let namespace = suggestion.namespace().unwrap_or_default();
    let name = suggestion.name_any();
    let experiments: Api<Experiment> = Api::namespaced(control.client.clone(), &namespace);
    let experiment = experiments.get(&name).await?;
    let trials = trials_of(&experiment, &control.client).await?;
    let missing = usize::try_from(missing).unwrap_or_default();
    let answer = suggest(&control.client, &experiment, suggestion, &trials, missing).await;
    let (ready, reason, message) = match &answer {
        Err(SuggestError::NotReady(why)) => {
            ("False", "DeploymentNotReady", format!("Deployment is not ready: {why}"))
        }
        _ => ("True", "DeploymentReady", "Deployment is ready".to_owned()),
    };
    conditions::set(&mut status.conditions, "DeploymentReady", ready, reason, &message);
    if let Err(SuggestError::Invalid(why)) = &answer {
        let why = format!("Validation failed: ValidateAlgorithmSettings Error: {why}");
        conditions::set_over(&mut status.conditions, "Failed", "SuggestionFailed", &why);
        return Ok(Action::await_change());
    }
    let answer = match answer {
        Err(SuggestError::NotReady(_)) => return Ok(Action::requeue(READY)),
        Err(failed) => Err(Failure::State(failed.to_string())),
        // Katib takes none where there are fewer, so that its Hyperband never gets to a second rung.
        Ok(suggested) if suggested.assignments.len() > missing => {
            Err(Failure::State("The response contains unexpected trials".to_owned()))
        }
        Ok(suggested) => Ok(suggested),
    };
    // It has found no fault with the experiment.
    conditions::remove(&mut status.conditions, "Succeeded");
    let message = "Suggestion is running";
    conditions::set(&mut status.conditions, "Running", "True", "SuggestionRunning", message);
    let suggested = answer?;
    let fewer = suggested.assignments.len() < missing;
    take(status, &name, suggested);
    // More may come once a trial has ended, of which only the Experiment is told.
    Ok(if fewer { Action::requeue(READY) } else { Action::await_change() })
}

fn take(status: &mut SuggestionStatus, experiment: &str, suggested: Suggested) {
    for assignments in suggested.assignments {
        status.suggestions.push(SuggestedTrial {
            name: format!("{experiment}-{}", random_end()),
            parameter_assignments: assignments,
            early_stopping_rules: suggested.stopping_rules.clone(),
            ..SuggestedTrial::default()
        });
    }
    status.suggestion_count = i32::try_from(status.suggestions.len()).unwrap_or(i32::MAX);
    for setting in suggested.algorithm_settings {
        match status.algorithm_settings.iter_mut().find(|it| it.name == setting.name) {
            Some(known) => known.value = setting.value,
            None => status.algorithm_settings.push(setting),
        }
    }
}

/// Eight letters and digits, without vowels and look-alikes.
fn random_end() -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let random = uuid::Uuid::new_v4();
    // The bytes in the middle are not random alone.
    let bytes = random.as_bytes();
    let random = bytes[..4].iter().chain(&bytes[12..]);
    random.map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}
