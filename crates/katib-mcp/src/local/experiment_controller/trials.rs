//! As many trials as may run at once: made of the Suggestion's parameters, and deleted where there
//! are too many.

use std::{collections::HashSet, time::Duration};

use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ObjectMeta, Patch},
    runtime::{conditions::is_deleted, wait::await_condition},
};
use serde_json::json;

use crate::{
    api::{
        EXPERIMENT_LABEL, Experiment, ExperimentStatus, SuggestedTrial, Suggestion, SuggestionSpec,
        Trial, TrialSpec,
    },
    local::{
        conditions::{self, any},
        control::{Control, Failure, ignore, owned_by, patching, writing},
        template, trial_controller,
    },
    states::TrialState,
};

/// How long trials that are deleted may take to go.
const DELETION: Duration = Duration::from_secs(60);

/// Makes or deletes trials, until as many are active as the experiment allows.
pub(super) async fn balance(
    experiment: &Experiment,
    status: &mut ExperimentStatus,
    trials: Vec<Trial>,
    control: &Control,
) -> Result<(), Failure> {
    let spec = &experiment.spec;
    let parallel = spec.parallel_trial_count.unwrap_or(1);
    let active = status.trials_pending + status.trials_running;
    let completed = status.trials_succeeded
        + status.trials_failed
        + status.trials_killed
        + status.trials_early_stopped;
    if active > parallel {
        let too_many = usize::try_from(active - parallel).unwrap_or_default();
        return delete(experiment, trials, too_many, control).await;
    }
    let left = spec.max_trial_count.map_or(parallel, |max| (max - completed).min(parallel));
    if left > active {
        create(experiment, status, &trials, left - active, control).await?;
    }
    Ok(())
}

async fn create(
    experiment: &Experiment,
    status: &mut ExperimentStatus,
    trials: &[Trial],
    count: i32,
    control: &Control,
) -> Result<(), Failure> {
    // No more is asked for until it is known what the trials that were stopped early have reached.
    let unobserved = trials
        .iter()
        .filter(|it| {
            TrialState::of(it) == TrialState::EarlyStopped && !trial_controller::is_observed(it)
        })
        .count();
    let requests = trials.len().saturating_sub(unobserved);
    let requests = i32::try_from(requests).unwrap_or(i32::MAX).saturating_add(count);
    let namespace = experiment.namespace().unwrap_or_default();
    let suggestions: Api<Suggestion> = Api::namespaced(control.client.clone(), &namespace);
    let Some(suggestion) = suggestions.get_opt(&experiment.name_any()).await? else {
        let wanted = suggestion(experiment, requests);
        let created = suggestions.create(&writing(), &wanted).await;
        return Ok(ignore(created, 409)?);
    };
    let suggested = suggestion.status.unwrap_or_default();
    if any(&suggested.conditions, &["Failed"]) {
        let conditions = &mut status.conditions;
        conditions::set_over(conditions, "Failed", "ExperimentFailed", "Suggestion has failed");
        return Ok(());
    }
    if suggestion.spec.requests != requests {
        let patch = Patch::Merge(json!({"spec": {"requests": requests}}));
        suggestions.patch(&experiment.name_any(), &patching(), &patch).await?;
    }
    let known: HashSet<&str> = trials.iter().filter_map(|it| it.metadata.name.as_deref()).collect();
    let new: Vec<_> =
        suggested.suggestions.iter().filter(|it| !known.contains(it.name.as_str())).collect();
    let Some(trial_template) = experiment.spec.trial_template.as_ref().filter(|_| !new.is_empty())
    else {
        return Ok(());
    };
    let text = template::text(&control.client, trial_template).await.map_err(Failure::State)?;
    let api: Api<Trial> = Api::namespaced(control.client.clone(), &namespace);
    for suggested in new {
        let trial = trial(experiment, suggested, &text).map_err(Failure::State)?;
        // A process that was killed has made it, or the list of trials is older than it.
        ignore(api.create(&writing(), &trial).await, 409)?;
    }
    Ok(())
}

fn suggestion(experiment: &Experiment, requests: i32) -> Suggestion {
    let spec = SuggestionSpec {
        algorithm: experiment.spec.algorithm.clone(),
        early_stopping: experiment.spec.early_stopping.clone(),
        requests,
        resume_policy: experiment.spec.resume_policy.clone(),
    };
    let mut suggestion = Suggestion::new(&experiment.name_any(), spec);
    suggestion.metadata.labels.clone_from(&experiment.metadata.labels);
    suggestion.metadata.annotations.clone_from(&experiment.metadata.annotations);
    suggestion.metadata.owner_references = owned_by(experiment);
    suggestion
}

fn trial(experiment: &Experiment, suggested: &SuggestedTrial, text: &str) -> Result<Trial, String> {
    let namespace = experiment.namespace().unwrap_or_default();
    let template = experiment.spec.trial_template.clone().unwrap_or_default();
    let assignments = &suggested.parameter_assignments;
    let workload = template::render(&template, text, &suggested.name, &namespace, assignments)?;
    let stops = experiment.spec.early_stopping.is_some();
    let conditions = template.success_condition.zip(template.failure_condition).unzip();
    let spec = TrialSpec {
        objective: experiment.spec.objective.clone(),
        parameter_assignments: assignments.clone(),
        early_stopping_rules: if stops {
            suggested.early_stopping_rules.clone()
        } else {
            Vec::new()
        },
        run_spec: Some(workload),
        retain_run: template.retain,
        metrics_collector: experiment.spec.metrics_collector_spec.clone(),
        primary_pod_labels: template.primary_pod_labels,
        primary_container_name: template.primary_container_name,
        success_condition: conditions.0,
        failure_condition: conditions.1,
        rest: serde_json::Map::new(),
    };
    let mut labels = experiment.metadata.labels.clone().unwrap_or_default();
    labels.insert(EXPERIMENT_LABEL.to_owned(), experiment.name_any());
    labels.extend(suggested.labels.clone());
    let metadata = ObjectMeta {
        labels: Some(labels),
        owner_references: owned_by(experiment),
        finalizers: Some(vec![trial_controller::FINALIZER.to_owned()]),
        ..ObjectMeta::default()
    };
    let trial = Trial::new(&suggested.name, spec);
    Ok(Trial { metadata: ObjectMeta { name: trial.metadata.name, ..metadata }, ..trial })
}

/// Deletes the newest trials, as Katib does, whether they are active or not, and forgets what was
/// suggested for them.
async fn delete(
    experiment: &Experiment,
    mut trials: Vec<Trial>,
    count: usize,
    control: &Control,
) -> Result<(), Failure> {
    let namespace = experiment.namespace().unwrap_or_default();
    let api: Api<Trial> = Api::namespaced(control.client.clone(), &namespace);
    trials.sort_by(|one, other| {
        other.metadata.creation_timestamp.cmp(&one.metadata.creation_timestamp)
    });
    trials.truncate(count);
    for trial in &trials {
        ignore(api.delete(&trial.name_any(), &DeleteParams::default()).await, 404)?;
    }
    for trial in &trials {
        let uid = trial.uid().unwrap_or_default();
        let name = trial.name_any();
        let gone = await_condition(api.clone(), &name, is_deleted(&uid));
        if tokio::time::timeout(DELETION, gone).await.is_err() {
            let names: Vec<_> = trials.iter().map(ResourceExt::name_any).collect();
            return Err(Failure::State(format!("Unable to delete trials [{}]", names.join(" "))));
        }
    }
    let suggestions: Api<Suggestion> = Api::namespaced(control.client.clone(), &namespace);
    let name = experiment.name_any();
    let Some(mut suggestion) = suggestions.get_opt(&name).await? else { return Ok(()) };
    let mut status = suggestion.status.take().unwrap_or_default();
    status.suggestions.retain(|it| !trials.iter().any(|trial| trial.name_any() == it.name));
    status.suggestion_count = i32::try_from(status.suggestions.len()).unwrap_or(i32::MAX);
    // First what is asked for: with fewer requests than answers, nothing is suggested anew.
    let patch = Patch::Merge(json!({"spec": {"requests": status.suggestion_count}}));
    let mut suggestion = suggestions.patch(&name, &patching(), &patch).await?;
    suggestion.status = Some(status);
    suggestions.replace_status(&name, &writing(), &suggestion).await?;
    Ok(())
}
