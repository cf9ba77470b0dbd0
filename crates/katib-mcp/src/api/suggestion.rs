//! A Suggestion: what an algorithm was asked for, and the parameters that it has chosen.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::CustomResource;
use serde::{Deserialize, Serialize};

use super::{Algorithm, Condition, Setting, nullable};

#[derive(Clone, Debug, Default, CustomResource, Deserialize, Serialize)]
#[kube(
    group = "kubeflow.org",
    version = "v1beta1",
    kind = "Suggestion",
    plural = "suggestions",
    namespaced,
    status = "SuggestionStatus",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase", default)]
pub struct SuggestionSpec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<Algorithm>,
    /// How many assignments are wanted in all.
    pub requests: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_policy: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SuggestionStatus {
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub algorithm_settings: Vec<Setting>,
    pub suggestion_count: i32,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub suggestions: Vec<SuggestedTrial>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SuggestedTrial {
    /// Of the trial that is made of it.
    pub name: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub parameter_assignments: Vec<Setting>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub early_stopping_rules: Vec<StoppingRule>,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A trial ends once its metric, from a step on, compares so with the value.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StoppingRule {
    pub name: String,
    pub value: String,
    /// `equal`, `less` or `greater`.
    pub comparison: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_step: Option<i32>,
}
