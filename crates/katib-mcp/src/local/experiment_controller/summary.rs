//! How an experiment stands, from its trials: counts, the best one, and whether it has ended.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::{
    api::{
        Experiment, ExperimentSpec, ExperimentStatus, Objective, OptimalTrial, Trial, UNAVAILABLE,
        condition,
    },
    local::conditions::{self, any},
    states::TrialState,
};

pub(super) const MAX_TRIALS_REACHED: &str = "ExperimentMaxTrialsReached";

/// Counts the trials anew and, unless it has ended before, says whether the experiment runs.
pub(super) fn update(status: &mut ExperimentStatus, spec: &ExperimentSpec, trials: &[Trial]) {
    count(status, trials);
    let goal_reached = choose(status, spec.objective.as_ref(), trials);
    if any(&status.conditions, &["Succeeded", "Failed"]) {
        return;
    }
    let failed = status.trials_failed + status.trial_metrics_unavailable;
    let completed =
        status.trials_succeeded + failed + status.trials_killed + status.trials_early_stopped;
    let (type_, reason, why) = if goal_reached {
        ("Succeeded", "ExperimentGoalReached", "Objective goal has reached")
    } else if failed != 0 && spec.max_failed_trial_count.is_some_and(|max| failed >= max) {
        ("Failed", "ExperimentFailed", "max failed count has reached")
    } else if spec.max_trial_count.is_some_and(|max| completed >= max) {
        ("Succeeded", MAX_TRIALS_REACHED, "max trial count has reached")
    } else {
        let running = "Experiment is running";
        conditions::set(&mut status.conditions, "Running", "True", "ExperimentRunning", running);
        return;
    };
    let message = format!("Experiment has {} because {why}", type_.to_lowercase());
    conditions::set_over(&mut status.conditions, type_, reason, &message);
    status.completion_time = Some(Time(Timestamp::now()));
}

/// Whether it has used up its trials, and may go on once it is granted more.
pub(in crate::local) fn is_restartable(experiment: &Experiment) -> bool {
    let conditions = experiment.status.as_ref().map_or(&[][..], |it| &it.conditions);
    let succeeded = condition(conditions, "Succeeded").and_then(|it| it.reason.as_deref());
    let policy = experiment.spec.resume_policy.as_deref();
    succeeded == Some(MAX_TRIALS_REACHED) && matches!(policy, Some("LongRunning" | "FromVolume"))
}

fn count(status: &mut ExperimentStatus, trials: &[Trial]) {
    let named = |state: TrialState| -> Vec<String> {
        let of_state = trials.iter().filter(|it| TrialState::of(it) == state);
        of_state.map(ResourceExt::name_any).collect()
    };
    let count = |list: &[String]| i32::try_from(list.len()).unwrap_or(i32::MAX);
    status.trials = i32::try_from(trials.len()).unwrap_or(i32::MAX);
    status.running_trial_list = named(TrialState::Running);
    status.pending_trial_list = named(TrialState::Pending);
    status.failed_trial_list = named(TrialState::Failed);
    status.succeeded_trial_list = named(TrialState::Succeeded);
    status.killed_trial_list = named(TrialState::Killed);
    status.early_stopped_trial_list = named(TrialState::EarlyStopped);
    status.metrics_unavailable_trial_list = named(TrialState::MetricsUnavailable);
    status.trials_running = count(&status.running_trial_list);
    status.trials_pending = count(&status.pending_trial_list);
    status.trials_failed = count(&status.failed_trial_list);
    status.trials_succeeded = count(&status.succeeded_trial_list);
    status.trials_killed = count(&status.killed_trial_list);
    status.trials_early_stopped = count(&status.early_stopped_trial_list);
    status.trial_metrics_unavailable = count(&status.metrics_unavailable_trial_list);
}

/// Finds the best trial, and tells whether the goal is reached.
fn choose(status: &mut ExperimentStatus, objective: Option<&Objective>, trials: &[Trial]) -> bool {
    let Some(objective) = objective else { return false };
    let (mut best, mut best_value, mut reached) = (None, 0.0, false);
    for trial in trials {
        let shown = shown(trial);
        if shown == UNAVAILABLE {
            continue;
        }
        // Of what is no number, the last is Katib's best.
        let Ok(value) = shown.parse::<f64>() else {
            best = Some(trial);
            continue;
        };
        if best.is_none() {
            (best, best_value) = (Some(trial), value);
        }
        let better = if objective.maximizes() { value > best_value } else { value < best_value };
        if better {
            (best, best_value) = (Some(trial), value);
        }
        reached |= objective.reached(best_value);
    }
    if let Some(best) = best {
        let observation = best.status.as_ref().and_then(|it| it.observation.clone());
        status.current_optimal_trial = OptimalTrial {
            best_trial_name: best.name_any(),
            parameter_assignments: best.spec.parameter_assignments.clone(),
            observation: observation.unwrap_or_default(),
        };
    }
    reached
}

/// The text that stands for a trial by its own objective.
fn shown(trial: &Trial) -> &str {
    let objective = trial.spec.objective.as_ref();
    let observation = trial.status.as_ref().and_then(|it| it.observation.as_ref());
    let (Some(objective), Some(observation)) = (objective, observation) else {
        return UNAVAILABLE;
    };
    let name = &objective.objective_metric_name;
    let Some(metric) = observation.metrics.iter().find(|it| it.name == *name) else {
        return UNAVAILABLE;
    };
    let chosen = match objective.strategy(name) {
        "min" => &metric.min,
        "max" => &metric.max,
        _ => &metric.latest,
    };
    if chosen == UNAVAILABLE { &metric.latest } else { chosen }
}
