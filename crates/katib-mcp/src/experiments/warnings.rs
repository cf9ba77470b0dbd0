//! What is not as it should be about an optimization job, as far as its own objects tell.

use crate::{
    api::{Experiment, Suggestion, condition},
    states::ExperimentState,
    trials::Trials,
};

pub(super) fn warnings(
    experiment: &Experiment,
    trials: &Trials,
    suggestion: Option<&Suggestion>,
) -> Vec<String> {
    let state = ExperimentState::of(experiment);
    let status = experiment.status.clone().unwrap_or_default();
    let mut warnings = Vec::new();
    let failed = suggestion.and_then(|it| condition(&it.status.as_ref()?.conditions, "Failed"));
    if let Some(failed) = failed {
        let why = failed.message.as_deref().unwrap_or_default();
        warnings.push(format!("the algorithm has failed: {why}"));
    }
    if state == ExperimentState::Succeeded && trials.ranked(experiment).is_empty() {
        let ended = status.ended();
        warnings.push(format!("it has succeeded, and none of its {ended} trials has a number"));
    }
    if status.trial_metrics_unavailable > 0 {
        warnings.push(format!(
            "{} trials have ended well without ever printing the objective as expected",
            status.trial_metrics_unavailable
        ));
    }
    if status.trials_failed > 0 {
        warnings.push(format!("{} trials have failed", status.trials_failed));
    }
    let active = status.trials_running + status.trials_pending;
    if state.is_final() && active > 0 {
        warnings.push(format!(
            "it is over, and {active} of its trials still run: Katib does not stop them"
        ));
    }
    if experiment.spec.max_trial_count.is_none() {
        warnings.push("it has no max_trials: only its goal or failures end it".to_owned());
    }
    if !trials.complete && !trials.all.is_empty() {
        warnings.push(format!(
            "only {} of its trials were looked at; get_best_results looks at all",
            trials.all.len()
        ));
    }
    if trials.unreadable > 0 {
        warnings.push(format!("{} trials could not be read", trials.unreadable));
    }
    warnings
}
