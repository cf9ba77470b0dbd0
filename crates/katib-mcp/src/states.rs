//! How experiments and trials stand, as Katib's controllers derive it from conditions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{Condition, Experiment, Suggestion, Trial, condition};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExperimentState {
    /// No controller has taken it up yet.
    NotReconciled,
    /// Taken up; no trial yet.
    Created,
    Running,
    /// It had ended, and its budget was raised.
    Restarting,
    /// Its budget is used up or its goal reached; that says nothing of how well.
    Succeeded,
    Failed,
    Deleting,
}

/// How the algorithm stands that chooses an experiment's parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuggestionState {
    /// Its Pod is not ready yet, or not any more.
    NotReady,
    /// It answers.
    Running,
    /// It is not needed any more.
    Succeeded,
    /// It refuses the experiment.
    Failed,
}

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    /// Its workload does not exist yet.
    Pending,
    /// Its workload exists; its Pods may not.
    Running,
    Succeeded,
    EarlyStopped,
    Failed,
    Killed,
    /// Its workload ended well, and never printed the objective.
    MetricsUnavailable,
}

impl ExperimentState {
    pub fn of(experiment: &Experiment) -> Self {
        if experiment.metadata.deletion_timestamp.is_some() {
            return Self::Deleting;
        }
        let conditions = experiment.status.as_ref().map_or(&[][..], |it| &it.conditions);
        // Restarting is never cleared, so what comes after it is asked first.
        let order = [
            ("Failed", Self::Failed),
            ("Succeeded", Self::Succeeded),
            ("Running", Self::Running),
            ("Restarting", Self::Restarting),
            ("Created", Self::Created),
        ];
        let found = order.iter().find(|(type_, _)| condition(conditions, type_).is_some());
        found.map_or(Self::NotReconciled, |(_, state)| *state)
    }

    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// The condition that it is known by.
    pub fn condition(self, conditions: &[Condition]) -> Option<&Condition> {
        let type_ = match self {
            Self::NotReconciled | Self::Deleting => return None,
            Self::Created => "Created",
            Self::Running => "Running",
            Self::Restarting => "Restarting",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        };
        condition(conditions, type_)
    }
}

impl SuggestionState {
    pub fn of(suggestion: &Suggestion) -> Self {
        let conditions = suggestion.status.as_ref().map_or(&[][..], |it| &it.conditions);
        let is = |type_| condition(conditions, type_).is_some();
        match () {
            () if is("Failed") => Self::Failed,
            () if is("Succeeded") => Self::Succeeded,
            () if is("Running") && is("DeploymentReady") => Self::Running,
            () => Self::NotReady,
        }
    }
}

impl TrialState {
    pub fn of(trial: &Trial) -> Self {
        let conditions = trial.status.as_ref().map_or(&[][..], |it| &it.conditions);
        let order = [
            ("Killed", Self::Killed),
            ("Failed", Self::Failed),
            ("Succeeded", Self::Succeeded),
            ("EarlyStopped", Self::EarlyStopped),
            ("Running", Self::Running),
            ("MetricsUnavailable", Self::MetricsUnavailable),
        ];
        let found = order.iter().find(|(type_, _)| condition(conditions, type_).is_some());
        found.map_or(Self::Pending, |(_, state)| *state)
    }

    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}
