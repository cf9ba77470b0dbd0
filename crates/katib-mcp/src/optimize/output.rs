//! What is told of a search that was started, or would be.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use workloads::code;

use super::{Optimize, parameters::Parameters, trial::Trial};
use crate::{
    api::{Algorithm, Experiment, Objective, Parameter},
    experiments::details::range,
    search_space::SearchSpace,
};

/// A search that was started, or would be.
#[derive(Default, Serialize, JsonSchema)]
pub(super) struct Optimization {
    pub(super) name: String,
    pub(super) namespace: String,
    /// False when the same call had started it before.
    pub(super) created: bool,
    /// Direction, metric, and goal.
    objective: String,
    /// With its settings.
    algorithm: String,
    /// With its settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    early_stopping: Option<String>,
    /// Trials at most.
    max_trial_count: i32,
    /// Trials at a time.
    parallel_trial_count: i32,
    /// Failed trials that end the search.
    max_failed_trial_count: i32,
    /// What is searched, each as it was understood.
    parameters: BTreeMap<String, String>,
    /// The same in all trials.
    #[serde(skip_serializing_if = "Map::is_empty")]
    fixed: Map<String, Value>,
    /// How many different trials there are, where they can be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    combinations: Option<u64>,
    /// What each trial is: TrainJob or Job.
    trial_kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<String>,
    /// Why this runtime, where none was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime_chosen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// What a trial runs in the end.
    command: String,
    /// Of each trial, or of each of its nodes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    resources: BTreeMap<String, String>,
    /// How long the script is.
    #[serde(skip_serializing_if = "Option::is_none")]
    code_bytes: Option<usize>,
    /// The first digits of the script's SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    code_digest: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    packages: Vec<String>,
    /// Names only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    /// The Kueue queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    /// After which a trial is ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_limit_seconds: Option<i64>,
    /// What the cluster has set by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) set_by_cluster: Vec<String>,
    /// What may keep the search from doing what was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) warnings: Vec<String>,
}

impl Optimize {
    pub(super) fn output(
        self,
        name: String,
        namespace: String,
        experiment: &Experiment,
        parameters: &Parameters,
        space: &SearchSpace,
        trial: Trial,
    ) -> Optimization {
        let spec = &experiment.spec;
        let shown = |it: &Parameter| (it.name.clone(), range(it));
        Optimization {
            name,
            namespace,
            objective: spec.objective.as_ref().map(objective).unwrap_or_default(),
            algorithm: spec.algorithm.as_ref().map(algorithm).unwrap_or_default(),
            early_stopping: spec.early_stopping.as_ref().map(algorithm),
            max_trial_count: spec.max_trial_count.unwrap_or_default(),
            parallel_trial_count: spec.parallel_trial_count.unwrap_or_default(),
            max_failed_trial_count: spec.max_failed_trial_count.unwrap_or_default(),
            parameters: parameters.searched.iter().map(shown).collect(),
            fixed: parameters.fixed.clone(),
            combinations: space.combinations(),
            trial_kind: trial.kind,
            runtime: trial.runtime,
            runtime_chosen: trial.runtime_chosen,
            image: trial.image,
            command: trial.command,
            resources: trial.resources,
            code_bytes: self.script.as_ref().map(String::len),
            code_digest: self.script.as_deref().map(code::digest),
            packages: self.packages,
            env: self.env.keys().cloned().collect(),
            queue: trial.queue,
            time_limit_seconds: trial.time_limit_seconds,
            ..Optimization::default()
        }
    }
}

fn objective(objective: &Objective) -> String {
    let goal = objective.goal.map(|it| format!(", goal {it}")).unwrap_or_default();
    format!("{} {}{goal}", objective.type_, objective.objective_metric_name)
}

/// Its name, and its settings behind it.
fn algorithm(algorithm: &Algorithm) -> String {
    let settings = algorithm.algorithm_settings.iter();
    let settings = settings.map(|it| format!(", {}={}", it.name, it.value));
    algorithm.algorithm_name.clone() + &settings.collect::<String>()
}
