//! One optimization job, as far as an agent needs to know it to act.

use std::collections::BTreeMap;

use kube::{ResourceExt as _, api::ListParams};
use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::find;
use crate::{
    api::{
        Algorithm, EXPERIMENTS, Experiment, Parameter, SUGGESTIONS, Setting, Suggestion, TRIALS,
        condition,
    },
    experiments::warnings::warnings,
    states::{ExperimentState, SuggestionState, TrialState},
    trials::{self, Best, Trials},
};

const MESSAGE: usize = 500;

/// Shows an optimization job: state and why, space, budget, best so far.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetOptimizationJob {
    /// The job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Details {
    name: String,
    namespace: String,
    /// Of the job.
    state: ExperimentState,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What the best has most or least of.
    objective: Goal,
    /// What chooses parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<Method>,
    /// What ends trials that begin badly.
    #[serde(skip_serializing_if = "Option::is_none")]
    early_stopping: Option<Method>,
    /// What is searched: `int 1..8`, `double 0.001..0.1 logUniform`, `categorical sgd, adam`.
    space: BTreeMap<String, String>,
    /// How much may be tried.
    budget: Budget,
    /// As in `TrainJob`.
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<String>,
    /// How its metrics are collected.
    collector: String,
    /// How many are in which state.
    trials: BTreeMap<TrialState, i32>,
    /// Of the trials that have a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    best: Option<Best>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<Suggested>,
    /// What is not as it should be; diagnose_optimization_job says why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    created: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    /// What could not be seen.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unseen: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Goal {
    /// Its name.
    metric: String,
    /// `minimize` or `maximize`.
    direction: String,
    /// Which of a trial's values counts: `min`, `max` or `latest`.
    strategy: String,
    /// It ends once this is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<f64>,
    /// Collected, not optimized.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    additional_metrics: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Method {
    name: String,
    /// As far as they are set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    settings: BTreeMap<String, String>,
}

#[derive(Serialize, JsonSchema)]
struct Budget {
    /// In all.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_trials: Option<i32>,
    /// At a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_trials: Option<i32>,
    /// It fails once so many have.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_failed_trials: Option<i32>,
    /// Whether max_trials can be raised once it is used up.
    resumable: bool,
}

/// The algorithm at work.
#[derive(Serialize, JsonSchema)]
struct Suggested {
    state: SuggestionState,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// How many choices of parameters were asked for.
    requested: i32,
    /// How many it has made.
    made: i32,
}

impl Tool for GetOptimizationJob {
    type Output = Details;
    const NAME: &str = "get_optimization_job";
    const TITLE: &str = "Show an optimization job";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[
        Need::to(&["get"], EXPERIMENTS),
        Need::perhaps(&["list"], TRIALS),
        Need::perhaps(&["list"], SUGGESTIONS),
    ];

    async fn call(self, caller: &Caller) -> Result<Details> {
        let experiment = find(caller, self.namespace.as_deref(), &self.name).await?;
        let mut unseen = Vec::new();
        let (trials, suggestion) =
            futures::join!(Trials::read(caller, &experiment, 1), suggestion(caller, &experiment));
        let trials = trials.unwrap_or_else(|error| {
            unseen.push(format!("trials: {error}"));
            Trials::default()
        });
        let suggestion = suggestion.unwrap_or_else(|error| {
            unseen.push(format!("suggestion: {error}"));
            None
        });
        Ok(Details::of(&experiment, &trials, suggestion.as_ref(), unseen))
    }
}

/// What the algorithm does for an experiment, if it was asked already.
pub(crate) async fn suggestion(
    caller: &Caller,
    experiment: &Experiment,
) -> Result<Option<Suggestion>> {
    let named = format!("metadata.name={}", experiment.name_any());
    let suggestions = caller.api::<Suggestion>(experiment.namespace().as_deref());
    let found = suggestions.list(&ListParams::default().fields(&named)).await?;
    Ok(found.items.into_iter().next())
}

impl Details {
    fn of(
        experiment: &Experiment,
        trials: &Trials,
        suggestion: Option<&Suggestion>,
        unseen: Vec<String>,
    ) -> Self {
        let (spec, status) = (&experiment.spec, experiment.status.clone().unwrap_or_default());
        let objective = spec.objective.clone().unwrap_or_default();
        let state = ExperimentState::of(experiment);
        let stated = state.condition(&status.conditions);
        let time = |it: Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time>| {
            it.map(|it| it.0.to_string())
        };
        let (best, disagrees) = trials::best_of(experiment, trials);
        let mut warnings = warnings(experiment, trials, suggestion);
        warnings.extend(disagrees);
        Self {
            name: experiment.name_any(),
            namespace: experiment.namespace().unwrap_or_default(),
            state,
            reason: stated.and_then(|it| it.reason.clone()),
            message: stated.and_then(|it| it.message.clone()).map(shortened),
            objective: Goal {
                strategy: objective.strategy(&objective.objective_metric_name).to_owned(),
                metric: objective.objective_metric_name,
                direction: objective.type_,
                goal: objective.goal,
                additional_metrics: objective.additional_metric_names,
            },
            algorithm: spec.algorithm.as_ref().map(Method::of),
            early_stopping: spec.early_stopping.as_ref().map(Method::of),
            space: spec.parameters.iter().map(|it| (it.name.clone(), range(it))).collect(),
            budget: Budget {
                max_trials: spec.max_trial_count,
                parallel_trials: spec.parallel_trial_count,
                max_failed_trials: spec.max_failed_trial_count,
                resumable: matches!(
                    spec.resume_policy.as_deref(),
                    Some("LongRunning" | "FromVolume")
                ),
            },
            workload: spec
                .trial_template
                .as_ref()
                .and_then(|it| it.trial_spec.as_ref()?["kind"].as_str().map(str::to_owned)),
            collector: spec.collector().to_owned(),
            trials: counts(experiment),
            best,
            suggestion: suggestion.map(Suggested::of),
            warnings,
            created: time(experiment.creation_timestamp()).unwrap_or_default(),
            started: time(status.start_time),
            ended: time(status.completion_time).filter(|_| state.is_final()),
            unseen,
        }
    }
}

impl Method {
    fn of(algorithm: &Algorithm) -> Self {
        let pair = |it: &Setting| (it.name.clone(), it.value.clone());
        Self {
            name: algorithm.algorithm_name.clone(),
            settings: algorithm.algorithm_settings.iter().map(pair).collect(),
        }
    }
}

impl Suggested {
    fn of(suggestion: &Suggestion) -> Self {
        let status = suggestion.status.clone().unwrap_or_default();
        let failed = condition(&status.conditions, "Failed");
        Self {
            state: SuggestionState::of(suggestion),
            message: failed.and_then(|it| it.message.clone()).map(shortened),
            requested: suggestion.spec.requests,
            made: status.suggestion_count,
        }
    }
}

fn shortened(text: String) -> String {
    text.chars().take(MESSAGE).collect()
}

/// `double 0.001..0.1 logUniform`.
pub(crate) fn range(parameter: &Parameter) -> String {
    const SHOWN: usize = 20;
    let space = &parameter.feasible_space;
    let mut text = parameter.parameter_type.clone();
    if let (Some(min), Some(max)) = (&space.min, &space.max) {
        text += &format!(" {min}..{max}");
    }
    if !space.list.is_empty() {
        let shown: Vec<&str> = space.list.iter().take(SHOWN).map(String::as_str).collect();
        text += &format!(" {}", shown.join(", "));
        if space.list.len() > SHOWN {
            text += &format!(" and {} more", space.list.len() - SHOWN);
        }
    }
    if let Some(step) = &space.step {
        text += &format!(" step {step}");
    }
    let distribution = space.distribution.as_deref().filter(|it| *it != "uniform");
    if let Some(distribution) = distribution {
        text += &format!(" {distribution}");
    }
    text
}

/// As Katib counts them.
pub(crate) fn counts(experiment: &Experiment) -> BTreeMap<TrialState, i32> {
    let Some(status) = &experiment.status else { return BTreeMap::new() };
    let counts = [
        (TrialState::Pending, status.trials_pending),
        (TrialState::Running, status.trials_running),
        (TrialState::Succeeded, status.trials_succeeded),
        (TrialState::EarlyStopped, status.trials_early_stopped),
        (TrialState::Failed, status.trials_failed),
        (TrialState::Killed, status.trials_killed),
        (TrialState::MetricsUnavailable, status.trial_metrics_unavailable),
    ];
    counts.into_iter().filter(|(_, count)| *count != 0).collect()
}
