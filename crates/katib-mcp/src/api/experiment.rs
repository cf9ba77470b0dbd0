//! An Experiment: what is searched, how, within which budget, and what has come of it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Algorithm, Condition, Observation, Setting, nullable};

#[derive(Clone, Debug, Default, CustomResource, Deserialize, Serialize)]
#[kube(
    group = "kubeflow.org",
    version = "v1beta1",
    kind = "Experiment",
    plural = "experiments",
    namespaced,
    status = "ExperimentStatus",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentSpec {
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<Algorithm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial_template: Option<TrialTemplate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_trial_count: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_trial_count: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failed_trial_count: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_collector_spec: Option<MetricsCollector>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nas_config: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_policy: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Parameter {
    pub name: String,
    pub parameter_type: String,
    #[serde(deserialize_with = "nullable")]
    pub feasible_space: FeasibleSpace,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct FeasibleSpace {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub list: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Objective {
    /// `minimize` or `maximize`.
    #[serde(rename = "type")]
    pub type_: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub goal: Option<f64>,
    pub objective_metric_name: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub additional_metric_names: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub metric_strategies: Vec<MetricStrategy>,
}

/// Which of its values stands for a metric: `min`, `max` or `latest`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct MetricStrategy {
    pub name: String,
    pub value: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrialTemplate {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial_spec: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<Value>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub trial_parameters: Vec<TrialParameter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_container_name: Option<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub primary_pod_labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain: Option<bool>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct TrialParameter {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub reference: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct MetricsCollector {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collector: Option<Collector>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_system_path: Option<FileSource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct FileSource {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Filter {
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub metrics_format: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Collector {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_collector: Option<Value>,
}

/// Counts are absent where they are zero.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperimentStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    #[serde(deserialize_with = "nullable")]
    pub current_optimal_trial: OptimalTrial,
    #[serde(skip_serializing_if = "is_zero")]
    pub trials: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub trials_succeeded: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub trials_failed: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub trials_killed: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub trials_pending: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub trials_running: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub trials_early_stopped: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub trial_metrics_unavailable: i32,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub running_trial_list: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub pending_trial_list: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub failed_trial_list: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub succeeded_trial_list: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub killed_trial_list: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub early_stopped_trial_list: Vec<String>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub metrics_unavailable_trial_list: Vec<String>,
}

/// The best trial, as Katib sees it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OptimalTrial {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub best_trial_name: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub parameter_assignments: Vec<Setting>,
    #[serde(deserialize_with = "nullable")]
    pub observation: Observation,
}

impl ExperimentSpec {
    /// How metrics are collected.
    pub fn collector(&self) -> &str {
        kind(self.metrics_collector_spec.as_ref())
    }
}

/// The kind of a collector; Katib's default where none is named.
pub fn kind(collector: Option<&MetricsCollector>) -> &str {
    let kind = collector.and_then(|it| it.collector.as_ref()?.kind.as_deref());
    kind.unwrap_or("StdOut")
}

impl ExperimentStatus {
    /// How many trials have ended, however they did.
    pub fn ended(&self) -> i32 {
        self.trials_succeeded
            + self.trials_failed
            + self.trials_killed
            + self.trials_early_stopped
            + self.trial_metrics_unavailable
    }
}

fn is_zero(count: &i32) -> bool {
    *count == 0
}
