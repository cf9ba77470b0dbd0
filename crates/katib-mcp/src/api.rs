//! Katib's objects, as far as the tools and the local cluster read or write them.
//!
//! Katib's definitions have no schema and its controllers write nulls, so everything may be absent.

mod experiment;
mod suggestion;
mod trial;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kubeflow_mcp_core::Resource;
use serde::{Deserialize, Deserializer, Serialize};

pub use self::{
    experiment::{
        Collector, Experiment, ExperimentSpec, ExperimentStatus, FeasibleSpace, FileSource, Filter,
        MetricStrategy, MetricsCollector, Objective, OptimalTrial, Parameter, Source,
        TrialParameter, TrialTemplate, kind,
    },
    suggestion::{StoppingRule, SuggestedTrial, Suggestion, SuggestionSpec, SuggestionStatus},
    trial::{Metric, Observation, Trial, TrialSpec, TrialStatus},
};

pub const GROUP: &str = "kubeflow.org";
pub const VERSION: &str = "v1beta1";
pub const EXPERIMENTS: Resource = Resource::namespaced(GROUP, "experiments");
pub const SUGGESTIONS: Resource = Resource::namespaced(GROUP, "suggestions");
pub const TRIALS: Resource = Resource::namespaced(GROUP, "trials");

/// The label by which the trials of an experiment are found.
pub const EXPERIMENT_LABEL: &str = "katib.kubeflow.org/experiment";
/// The label of a trial's Pods.
pub const TRIAL_LABEL: &str = "katib.kubeflow.org/trial";
/// The label of the Pods of an algorithm.
pub const SUGGESTION_LABEL: &str = "katib.kubeflow.org/suggestion";
/// The label that a namespace needs, with the value `enabled`.
pub const INJECTION_LABEL: &str = "katib.kubeflow.org/metrics-collector-injection";
/// What a metric's value is where it was never printed.
pub const UNAVAILABLE: &str = "unavailable";

/// An algorithm of search or of early stopping, with its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Algorithm {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub algorithm_name: String,
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub algorithm_settings: Vec<Setting>,
}

/// A name with a value; every number in Katib is a string.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Setting {
    pub name: String,
    pub value: String,
}

/// Katib's own kind of condition.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    #[serde(rename = "type")]
    pub type_: String,
    pub status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_update_time: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
}

impl Algorithm {
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.algorithm_settings.iter().find(|it| it.name == name).map(|it| it.value.as_str())
    }
}

/// The condition of that type, where it is `True`.
pub fn condition<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|it| it.type_ == type_ && it.status == "True")
}

/// Lists and objects that may be null.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
