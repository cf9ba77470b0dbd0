//! The next parameters to try.

mod draws;
mod grid;
mod hyperband;
mod random;
mod service;
mod stopping;
#[cfg(test)]
mod tests;

use kube::{Client, ResourceExt as _};
use uuid::Uuid;

use crate::{
    algorithms,
    api::{Algorithm, Experiment, Setting, StoppingRule, SuggestedTrial, Suggestion, Trial},
    search_space::SearchSpace,
};

/// What an algorithm answers.
#[derive(Debug, Default)]
pub(in crate::local) struct Suggested {
    /// Of as many trials as were asked for, or fewer where the space is at its end.
    pub(in crate::local) assignments: Vec<Vec<Setting>>,
    /// What the algorithm wants to be told next time.
    pub(in crate::local) algorithm_settings: Vec<Setting>,
    /// What ends the new trials early.
    pub(in crate::local) stopping_rules: Vec<StoppingRule>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::local) enum SuggestError {
    /// The algorithm's service is not up yet.
    #[error("{0}")]
    NotReady(String),
    /// The experiment is not one for this algorithm: it will never be.
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    Failed(String),
}

/// All that an algorithm chooses by. It remembers nothing itself.
struct State<'a> {
    experiment: &'a Experiment,
    algorithm: &'a Algorithm,
    space: SearchSpace,
    seed: u64,
    /// What was chosen so far, in its order, with the trial made of it.
    chosen: Vec<(&'a SuggestedTrial, Option<&'a Trial>)>,
}

/// The next `count` choices of parameters.
pub(in crate::local) async fn suggest(
    client: &Client,
    experiment: &Experiment,
    suggestion: &Suggestion,
    trials: &[Trial],
    count: usize,
) -> Result<Suggested, SuggestError> {
    let state = State::of(experiment, suggestion, trials)?;
    let mut suggested = Suggested::default();
    match state.algorithm.algorithm_name.as_str() {
        "random" => suggested.assignments = random::next(&state, count),
        "grid" => suggested.assignments = grid::next(&state, count),
        "hyperband" => suggested = hyperband::next(&state, count)?,
        other => {
            let packages = service::packages(other).ok_or_else(|| {
                SuggestError::Invalid(format!("the local cluster has no algorithm {other:?}"))
            })?;
            let chosen = service::next(client, &state, suggestion, packages, count).await?;
            suggested.assignments = chosen;
        }
    }
    suggested.stopping_rules = stopping::rules(experiment, trials);
    Ok(suggested)
}

impl<'a> State<'a> {
    fn of(
        experiment: &'a Experiment,
        suggestion: &'a Suggestion,
        trials: &'a [Trial],
    ) -> Result<Self, SuggestError> {
        let algorithm = experiment.spec.algorithm.as_ref();
        let algorithm = algorithm.ok_or_else(|| SuggestError::Invalid("no algorithm".into()))?;
        let space = SearchSpace::read(&experiment.spec.parameters).map_err(|objections| {
            let each = objections.iter().map(|it| format!("{} {}", it.parameter, it.problem));
            SuggestError::Invalid(each.collect::<Vec<_>>().join("; "))
        })?;
        let suggestions = suggestion.status.as_ref().map_or(&[][..], |it| &it.suggestions);
        // Budgets may grow later; only what is there at the start is judged.
        if suggestions.is_empty() {
            algorithms::check(experiment, &space).map_err(|objections| {
                let each = objections.iter().map(|it| format!("{} {}", it.subject, it.problem));
                SuggestError::Invalid(each.collect::<Vec<_>>().join("; "))
            })?;
        }
        let trial_of =
            |it: &SuggestedTrial| trials.iter().find(|trial| trial.name_any() == it.name);
        let chosen = suggestions.iter().map(|it| (it, trial_of(it))).collect();
        Ok(Self { experiment, algorithm, space, seed: seed(experiment, algorithm), chosen })
    }
}

/// What all draws of an experiment come from: its own choice, or what makes it differ from others.
fn seed(experiment: &Experiment, algorithm: &Algorithm) -> u64 {
    let chosen = algorithm.setting("random_state").and_then(|it| it.parse().ok());
    chosen.unwrap_or_else(|| {
        let uid = Uuid::parse_str(&experiment.uid().unwrap_or_default()).unwrap_or_default();
        let (high, low) = uid.as_u64_pair();
        high ^ low
    })
}
