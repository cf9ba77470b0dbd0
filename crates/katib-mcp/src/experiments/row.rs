//! An optimization job in a list.

use kube::ResourceExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use workloads::pages;

use crate::{api::Experiment, objective::number, states::ExperimentState};

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Value")]
pub(super) struct Row {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// Of the job.
    pub(super) state: Option<ExperimentState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// What chooses parameters.
    algorithm: Option<String>,
    /// As in `maximize accuracy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    objective: Option<String>,
    /// The best value so far, as Katib tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<f64>,
    /// How many have ended, of how many there may be: `12/20`.
    #[serde(skip_serializing_if = "Option::is_none")]
    trials: Option<String>,
    #[serde(skip_serializing_if = "is_zero")]
    /// How many trials failed, or had no metrics.
    failed: i32,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    /// Why it cannot be read; get_optimization_job cannot either.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl pages::Row for Row {
    fn name(&self) -> &str {
        &self.name
    }

    fn created(&self) -> &str {
        &self.created
    }
}

impl From<Value> for Row {
    fn from(object: Value) -> Self {
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let (name, created) =
            (text(&object["metadata"]["name"]), text(&object["metadata"]["creationTimestamp"]));
        match Experiment::deserialize(object) {
            Ok(experiment) => Self::of(&experiment),
            Err(error) => {
                Self { name, created, problem: Some(error.to_string()), ..Self::default() }
            }
        }
    }
}

impl Row {
    fn of(experiment: &Experiment) -> Self {
        let objective = experiment.spec.objective.clone().unwrap_or_default();
        let status = experiment.status.clone().unwrap_or_default();
        let metrics = &status.current_optimal_trial.observation.metrics;
        let metric = metrics.iter().find(|it| it.name == objective.objective_metric_name);
        let done = status.ended();
        let trials = match experiment.spec.max_trial_count {
            Some(most) => format!("{done}/{most}"),
            None => done.to_string(),
        };
        Self {
            name: experiment.name_any(),
            state: Some(ExperimentState::of(experiment)),
            algorithm: experiment.spec.algorithm.as_ref().map(|it| it.algorithm_name.clone()),
            best: metric.and_then(|it| number(it, objective.strategy(&it.name))),
            objective: Some(format!("{} {}", objective.type_, objective.objective_metric_name)),
            trials: Some(trials),
            failed: status.trials_failed + status.trial_metrics_unavailable,
            created: experiment.creation_timestamp().map(|it| it.0.to_string()).unwrap_or_default(),
            ended: status.completion_time.map(|it| it.0.to_string()),
            problem: None,
        }
    }
}

fn is_zero(count: &i32) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_that_cannot_be_read_is_a_row_too() {
        let metadata = json!({"name": "odd", "creationTimestamp": "2026-08-21T10:00:00Z"});
        let row = Row::from(json!({"metadata": metadata, "spec": {"maxTrialCount": "many"}}));
        assert_eq!(row.name, "odd");
        assert!(row.problem.is_some_and(|it| it.contains("many")));
    }
}
