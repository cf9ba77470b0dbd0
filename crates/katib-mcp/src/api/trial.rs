//! A Trial: one run of the training code with one choice of parameters.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Condition, MetricsCollector, Objective, Setting, StoppingRule, nullable};

#[derive(Clone, Debug, Default, CustomResource, Deserialize, Serialize)]
#[kube(
    group = "kubeflow.org",
    version = "v1beta1",
    kind = "Trial",
    plural = "trials",
    namespaced,
    status = "TrialStatus",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase", default)]
pub struct TrialSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub parameter_assignments: Vec<Setting>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub early_stopping_rules: Vec<StoppingRule>,
    /// The workload, with the parameters in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_spec: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain_run: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_collector: Option<MetricsCollector>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub primary_pod_labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_container_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_condition: Option<String>,
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TrialStatus {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// Stays absent where a trial was stopped early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Only of trials whose workload has ended well, or that were stopped early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observation: Option<Observation>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Observation {
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
}

/// What a trial has printed of one metric: numbers, nothing, or `unavailable`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Metric {
    pub name: String,
    pub min: String,
    pub max: String,
    pub latest: String,
}
