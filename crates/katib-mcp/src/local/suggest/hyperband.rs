//! Hyperband: brackets of rungs, where the best trials of a rung go on with more of the resource.

use super::{State, SuggestError, Suggested, draws};
use crate::{
    algorithms::hyperband::{Hyperband, Rung},
    api::{Setting, SuggestedTrial, Trial},
    states::TrialState,
};

pub(super) fn next(state: &State<'_>, count: usize) -> Result<Suggested, SuggestError> {
    let plan = Hyperband::of(state.algorithm)
        .ok_or_else(|| SuggestError::Invalid("hyperband lacks settings".to_owned()))?;
    let rungs = plan.rungs();
    let mut suggested = Suggested::default();
    for number in state.chosen.len()..state.chosen.len() + count {
        let Some((rung, first)) = rung_at(&rungs, number) else { break };
        let before = rungs[..rung].iter().rev().take(1).map(|it| it.trials as usize);
        let before = first - before.sum::<usize>()..first;
        let place = number - first;
        let Some(mut assignments) = choice(state, rungs[rung], before, place, number) else {
            break;
        };
        for assignment in assignments.iter_mut().filter(|it| it.name == plan.resource) {
            assignment.value = rungs[rung].resource.to_string();
        }
        suggested.assignments.push(assignments);
    }
    let reached = state.chosen.len() + suggested.assignments.len();
    suggested.algorithm_settings = told(&plan, &rungs, reached);
    Ok(suggested)
}

/// The rung of the trial with that number, and the number of the rung's first one.
fn rung_at(rungs: &[Rung], number: usize) -> Option<(usize, usize)> {
    let mut first = 0;
    for (place, rung) in rungs.iter().enumerate() {
        let next = first + rung.trials as usize;
        if number < next {
            return Some((place, first));
        }
        first = next;
    }
    None
}

/// Drawn anew on a bracket's first rung; of the best of the rung before on all others, once they
/// are all known.
fn choice(
    state: &State<'_>,
    rung: Rung,
    before: std::ops::Range<usize>,
    place: usize,
    number: usize,
) -> Option<Vec<Setting>> {
    let drawn = || draws::draw(&state.space, state.seed, number as u64);
    if rung.number == 0 {
        return Some(drawn());
    }
    let before = state.chosen.get(before)?;
    let ended = |(_, trial): &(&SuggestedTrial, Option<&Trial>)| {
        trial.is_some_and(|it| TrialState::of(it).is_final())
    };
    if !before.iter().all(ended) {
        return None;
    }
    let objective = state.experiment.spec.objective.as_ref()?;
    let valued = |(chosen, trial): &(&'_ SuggestedTrial, Option<&Trial>)| {
        Some((objective.value((*trial)?)?, chosen.parameter_assignments.clone()))
    };
    let mut best: Vec<_> = before.iter().filter_map(valued).collect();
    best.sort_by(|(one, _), (other, _)| objective.compare(*one, *other));
    // Where too many have failed, new ones take the places.
    Some(best.into_iter().nth(place).map_or_else(drawn, |(_, assignments)| assignments))
}

/// Where it stands, in the words in which Katib's own Hyperband notes it down.
fn told(plan: &Hyperband, rungs: &[Rung], reached: usize) -> Vec<Setting> {
    let brackets = plan.brackets();
    let rung = rung_at(rungs, reached).map(|(place, _)| rungs[place]);
    let current = |value: fn(Rung) -> String, over: &str| rung.map_or(over.to_owned(), value);
    let each = [
        ("eta", plan.eta.to_string()),
        ("s_max", brackets.to_string()),
        ("r_l", plan.most.to_string()),
        ("b_l", (f64::from(brackets + 1) * plan.most).to_string()),
        ("r", current(|it| it.resource.to_string(), "0")),
        ("n", current(|it| it.trials.to_string(), "0")),
        ("current_s", current(|it| it.bracket.to_string(), "-1")),
        ("current_i", current(|it| it.number.to_string(), "0")),
        ("resource_name", plan.resource.clone()),
    ];
    each.map(|(name, value)| Setting { name: name.to_owned(), value }).into()
}
