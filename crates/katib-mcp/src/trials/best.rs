//! The best trials of an optimization job, ranked by the numbers that they have.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Trials, common};
use crate::{
    api::{EXPERIMENTS, Experiment, Objective, TRIALS, Trial},
    experiments::find,
    objective::{Ranked, number},
    states::{ExperimentState, TrialState},
};

/// Ranks an optimization job's trials, best first.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetBestResults {
    /// The job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
    /// Rows.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 100))]
    limit: usize,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Results {
    name: String,
    /// Of the job.
    state: ExperimentState,
    /// As in `maximize accuracy`.
    objective: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    /// It ends once this is reached.
    goal: Option<f64>,
    /// The best first.
    results: Vec<Best>,
    /// How many trials have a number.
    ranked: usize,
    /// Of trials without a number, how many are in which state.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    without_number: BTreeMap<TrialState, usize>,
    /// What the best share that the others do not, where that is hardly chance.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    in_common: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    /// What else is worth knowing.
    notes: Vec<String>,
}

/// A trial that has a number.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Best {
    /// Its name.
    pub(crate) trial: String,
    /// Of the objective.
    pub(crate) value: f64,
    /// That the algorithm chose for it.
    pub(crate) parameters: BTreeMap<String, String>,
    /// What else it has printed: the values that count.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metrics: BTreeMap<String, f64>,
    /// Of the trial.
    state: TrialState,
    /// As in `TrainJob/search-b2c4d6f8`.
    #[serde(skip_serializing_if = "Option::is_none")]
    workload: Option<String>,
}

/// Katib's own page size times this is more trials than a search has.
const REQUESTS: usize = 20;

impl Tool for GetBestResults {
    type Output = Results;
    const NAME: &str = "get_best_results";
    const TITLE: &str = "Show the best trials";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[Need::to(&["get"], EXPERIMENTS), Need::to(&["list"], TRIALS)];

    async fn call(self, caller: &Caller) -> Result<Results> {
        let experiment = find(caller, self.namespace.as_deref(), &self.name).await?;
        let trials = Trials::read(caller, &experiment, REQUESTS).await?;
        Ok(Results::of(&experiment, &trials, self.limit))
    }
}

impl Results {
    fn of(experiment: &Experiment, trials: &Trials, limit: usize) -> Self {
        let objective = experiment.spec.objective.clone().unwrap_or_default();
        let ranked = objective.ranked(&trials.all);
        let mut without_number = BTreeMap::new();
        for trial in trials.all.iter().filter(|it| objective.value(it).is_none()) {
            *without_number.entry(TrialState::of(trial)).or_default() += 1;
        }
        let mut notes: Vec<String> = poisoned(experiment, &ranked).into_iter().collect();
        if trials.all.is_empty() {
            notes.push("there are no trials yet".to_owned());
        } else if ranked.is_empty() {
            notes.push("no trial has a number; diagnose_optimization_job says why".to_owned());
        }
        if !trials.complete {
            notes.push(format!("only {} trials were looked at", trials.all.len()));
        }
        if trials.unreadable > 0 {
            notes.push(format!("{} trials could not be read", trials.unreadable));
        }
        Self {
            name: experiment.name_any(),
            state: ExperimentState::of(experiment),
            objective: format!("{} {}", objective.type_, objective.objective_metric_name),
            goal: objective.goal,
            results: ranked.iter().take(limit).map(|it| Best::of(&objective, *it)).collect(),
            ranked: ranked.len(),
            without_number,
            in_common: common::of_the_best(&experiment.spec.parameters, &ranked),
            notes,
        }
    }
}

impl Best {
    pub(crate) fn of(objective: &Objective, Ranked { trial, value }: Ranked<'_>) -> Self {
        let observation = trial.status.as_ref().and_then(|it| it.observation.as_ref());
        let others = observation.iter().flat_map(|it| &it.metrics);
        let others = others.filter(|it| it.name != objective.objective_metric_name);
        let counts = |it: &crate::api::Metric| {
            Some((it.name.clone(), number(it, objective.strategy(&it.name))?))
        };
        Self {
            trial: trial.name_any(),
            value,
            parameters: parameters(trial),
            metrics: others.filter_map(counts).collect(),
            state: TrialState::of(trial),
            workload: workload(trial),
        }
    }

    /// `0.97 (search-b2c4d6f8)`.
    pub(crate) fn shown(&self) -> String {
        format!("{} ({})", self.value, self.trial)
    }
}

/// `TrainJob/search-b2c4d6f8`: a trial's workload has its name.
pub(super) fn workload(trial: &Trial) -> Option<String> {
    let kind = trial.spec.run_spec.as_ref()?["kind"].as_str()?;
    Some(format!("{kind}/{}", trial.name_any()))
}

pub(super) fn parameters(trial: &Trial) -> BTreeMap<String, String> {
    let chosen = trial.spec.parameter_assignments.iter();
    chosen.map(|it| (it.name.clone(), it.value.clone())).collect()
}

/// The best trial, and where Katib has chosen another one, a word about that.
pub(crate) fn best_of(experiment: &Experiment, trials: &Trials) -> (Option<Best>, Option<String>) {
    let objective = experiment.spec.objective.clone().unwrap_or_default();
    let ranked = objective.ranked(&trials.all);
    // Katib has looked at all trials, here perhaps only some of them are known.
    let known = trials.complete.then(|| poisoned(experiment, &ranked)).flatten();
    (ranked.first().map(|it| Best::of(&objective, *it)), known)
}

/// Katib compares what is no number as if it were zero, and then keeps the wrong trial.
fn poisoned(experiment: &Experiment, ranked: &[Ranked<'_>]) -> Option<String> {
    let optimal = &experiment.status.as_ref()?.current_optimal_trial;
    let chosen = optimal.best_trial_name.as_str();
    let best = ranked.first()?;
    if chosen.is_empty() || best.trial.name_any() == chosen {
        return None;
    }
    let its = ranked.iter().find(|it| it.trial.name_any() == chosen);
    match its {
        Some(its) if its.value == best.value => None,
        Some(its) => Some(format!(
            "Katib itself names {chosen} with {} as the best, which {} with {} is better than",
            its.value,
            best.trial.name_any(),
            best.value
        )),
        None => Some(format!(
            "Katib itself names {chosen} as the best, which has no number: a value such as NaN \
             misleads it"
        )),
    }
}

fn ten() -> usize {
    10
}

#[cfg(all(test, feature = "local"))]
mod tests;
