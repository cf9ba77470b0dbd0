//! Deleting a search with everything that came of it.

use std::collections::BTreeMap;

use kube::{
    ResourceExt as _,
    api::{DeleteParams, Preconditions},
};
use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{EXPERIMENTS, Experiment},
    experiments::find,
    objective::number,
    states::ExperimentState,
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<DeleteOptimizationJob>()];

/// Deletes an optimization job and its trials.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DeleteOptimizationJob {
    /// The job.
    name: String,
    /// Yours.
    namespace: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Deletion {
    name: String,
    namespace: String,
    /// How it stood.
    state: ExperimentState,
    /// Trials that go with it: their parameters, metrics, Pods and logs.
    lost_trials: i32,
    /// Those of them that were still to end.
    active_trials: i32,
    /// The best result so far: keep it.
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<BestSoFar>,
}

#[derive(Serialize, JsonSchema)]
struct BestSoFar {
    /// Its name.
    trial: String,
    /// Its parameters.
    parameters: BTreeMap<String, String>,
    /// Of the objective.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
}

impl Tool for DeleteOptimizationJob {
    type Output = Deletion;
    const NAME: &str = "delete_optimization_job";
    const TITLE: &str = "Delete an optimization job";
    const EFFECT: Effect = Effect::Deletes;
    const PERSONA: Persona = Persona::DataScientist;
    const NEEDS: &[Need] = &[Need::to(&["get", "delete"], EXPERIMENTS)];

    async fn call(self, caller: &Caller) -> Result<Deletion> {
        let experiment = find(caller, self.namespace.as_deref(), &self.name).await?;
        let preconditions = Preconditions { uid: experiment.uid(), resource_version: None };
        let params = DeleteParams::background().preconditions(preconditions);
        let api = caller.api::<Experiment>(self.namespace.as_deref());
        api.delete(&self.name, &params).await?;
        let status = experiment.status.clone().unwrap_or_default();
        Ok(Deletion {
            namespace: experiment.namespace().unwrap_or_default(),
            state: ExperimentState::of(&experiment),
            lost_trials: status.trials,
            active_trials: status.trials_pending + status.trials_running,
            best: best(&experiment),
            name: self.name,
        })
    }
}

fn best(experiment: &Experiment) -> Option<BestSoFar> {
    let optimal = &experiment.status.as_ref()?.current_optimal_trial;
    let objective = experiment.spec.objective.clone().unwrap_or_default();
    let mut metrics = optimal.observation.metrics.iter();
    let metric = metrics.find(|it| it.name == objective.objective_metric_name);
    let parameters = optimal.parameter_assignments.iter();
    (!optimal.best_trial_name.is_empty()).then(|| BestSoFar {
        trial: optimal.best_trial_name.clone(),
        parameters: parameters.map(|it| (it.name.clone(), it.value.clone())).collect(),
        value: metric.and_then(|it| number(it, objective.strategy(&it.name))),
    })
}

#[cfg(all(test, feature = "local"))]
mod tests {
    use expect_test::expect;
    use kube::Api;
    use serde_json::json;

    use super::*;
    use crate::testing::ByHand;

    #[tokio::test]
    async fn the_preview_shows_what_is_lost() {
        let cluster = ByHand::new().await;
        let objective = json!({"type": "maximize", "objectiveMetricName": "accuracy"});
        let metric = json!({"name": "accuracy", "min": "0.5", "max": "0.9", "latest": "0.8"});
        let status = json!({"trials": 4, "trialsRunning": 1, "trialsSucceeded": 3,
            "conditions": [{"type": "Running", "status": "True"}],
            "currentOptimalTrial": {"bestTrialName": "search-b",
                "parameterAssignments": [{"name": "lr", "value": "0.01"}],
                "observation": {"metrics": [metric]}}});
        cluster.experiment("search", json!({"objective": objective}), status).await;
        let preview = cluster.call("delete_optimization_job", json!({"name": "search"})).await;
        expect![[r#"{"active_trials":1,"best":{"parameters":{"lr":"0.01"},"trial":"search-b","value":0.9},"lost_trials":4,"name":"search","namespace":"default","preview":true,"state":"running"}"#]]
            .assert_eq(&preview.to_string());
        let experiments: Api<Experiment> = cluster.api();
        experiments.get("search").await.expect("it is still there");

        let call = json!({"name": "search", "confirmed": true});
        let deleted = cluster.call("delete_optimization_job", call.clone()).await;
        assert_eq!(deleted["preview"], false, "{deleted}");
        let again = cluster.call("delete_optimization_job", call).await;
        assert_eq!(again["code"], "not_found", "{again}");
    }
}
