//! Median stopping, which in spite of its name compares with a mean.

use kube::ResourceExt as _;

use crate::{
    api::{Algorithm, Experiment, StoppingRule, Trial},
    metrics,
    search_space::text,
    states::TrialState,
};

/// What ends a trial that is worse than the first steps of the earlier ones were on average.
pub(super) fn rules(experiment: &Experiment, trials: &[Trial]) -> Vec<StoppingRule> {
    let (Some(stopping), Some(objective)) =
        (&experiment.spec.early_stopping, &experiment.spec.objective)
    else {
        return Vec::new();
    };
    let (required, start_step) = (setting(stopping, "min_trials_required", 3), start(stopping));
    let succeeded = trials.iter().filter(|it| TrialState::of(it) == TrialState::Succeeded);
    let means = succeeded.filter_map(|it| begun(it, &objective.objective_metric_name, start_step));
    let means: Vec<f64> = means.collect();
    if means.len() < required {
        return Vec::new();
    }
    let comparison = if objective.maximizes() { "less" } else { "greater" };
    vec![StoppingRule {
        name: objective.objective_metric_name.clone(),
        value: text(mean(&means)),
        comparison: comparison.to_owned(),
        start_step: i32::try_from(start_step).ok(),
    }]
}

fn start(stopping: &Algorithm) -> usize {
    setting(stopping, "start_step", 4)
}

fn setting(stopping: &Algorithm, name: &str, default: usize) -> usize {
    stopping.setting(name).and_then(|it| it.parse().ok()).unwrap_or(default)
}

/// The mean of the first values that a trial printed; nothing where none is known any more.
fn begun(trial: &Trial, metric: &str, steps: usize) -> Option<f64> {
    let kept = metrics::kept(trial.annotations().get(metrics::ANNOTATION)?);
    let values = kept.iter().filter(|it| it.name == metric).take(steps);
    let values: Vec<f64> = values.filter_map(|it| it.value.parse().ok()).collect();
    (!values.is_empty()).then(|| mean(&values))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::metrics::Point;

    fn trial(end: &str, losses: &[&str]) -> Trial {
        let point = |it: &&str| Point { name: "loss".into(), value: (*it).into(), at: None };
        let points: Vec<_> = losses.iter().map(point).collect();
        let annotations = json!({metrics::ANNOTATION: metrics::annotation(&points)});
        serde_json::from_value(json!({
            "apiVersion": "kubeflow.org/v1beta1", "kind": "Trial", "spec": {},
            "metadata": {"name": "x", "annotations": annotations},
            "status": {"conditions": [{"type": end, "status": "True"}]},
        }))
        .expect("a trial")
    }

    #[test]
    fn new_trials_are_held_against_the_mean_of_how_the_earlier_ones_began() {
        let experiment: Experiment = serde_json::from_value(json!({
            "apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": "x"},
            "spec": {
                "objective": {"type": "minimize", "objectiveMetricName": "loss"},
                "earlyStopping": {"algorithmName": "medianstop", "algorithmSettings": [
                    {"name": "min_trials_required", "value": "2"},
                    {"name": "start_step", "value": "3"}]},
            },
        }))
        .expect("an experiment");
        let began = [
            trial("Succeeded", &["4", "2", "3", "0.1"]),
            trial("EarlyStopped", &["99"]),
            trial("Failed", &["99"]),
        ];
        assert!(rules(&experiment, &began).is_empty());
        let more = [&began[..], &[trial("Succeeded", &["1", "1", "1"])]].concat();
        let told = rules(&experiment, &more).pop().expect("a rule");
        assert_eq!((told.name.as_str(), told.value.as_str()), ("loss", "2.0"));
        assert_eq!((told.comparison.as_str(), told.start_step), ("greater", Some(3)));
    }
}
