//! What the best trials have in common, said only where it is hardly chance.

use std::collections::HashMap;

use crate::{
    api::{Parameter, Trial},
    objective::Ranked,
};

/// Among fewer trials than this, anything may be chance.
const FEWEST: usize = 20;
/// How likely chance may be that something is said of any of the parameters.
const CHANCE: f64 = 0.01;

/// One sentence for each parameter whose values among the best tenth would hardly be so alike if the
/// parameter did not matter.
pub(super) fn of_the_best(parameters: &[Parameter], ranked: &[Ranked<'_>]) -> Vec<String> {
    if ranked.len() < FEWEST {
        return Vec::new();
    }
    let best = (ranked.len() / 10).max(5);
    let chance = CHANCE / parameters.len().max(1) as f64;
    let said = parameters.iter().filter_map(|parameter| {
        let values: Vec<&str> =
            ranked.iter().filter_map(|it| value(it.trial, &parameter.name)).collect();
        if values.len() < ranked.len() {
            return None;
        }
        match parameter.parameter_type.as_str() {
            "double" | "int" => numbers(&parameter.name, &values, best, chance),
            _ => choices(&parameter.name, &values, best, chance),
        }
    });
    said.collect()
}

fn value<'a>(trial: &'a Trial, name: &str) -> Option<&'a str> {
    let chosen = trial.spec.parameter_assignments.iter().find(|it| it.name == name)?;
    Some(&chosen.value)
}

/// All of the best have one value, which few of the others have.
fn choices(name: &str, values: &[&str], best: usize, chance: f64) -> Option<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    let shared = values[0];
    let of_all = counts[shared];
    let share = of_all as f64 / values.len() as f64;
    let alike = values[..best].iter().all(|it| *it == shared);
    let likely = share.powi(i32::try_from(best).unwrap_or(i32::MAX));
    (alike && likely <= chance).then(|| {
        format!("the best {best} of {} all have {name}={shared}; {of_all} have it", values.len())
    })
}

/// The best lie closer together than so many taken at random would.
fn numbers(name: &str, values: &[&str], best: usize, chance: f64) -> Option<String> {
    let numbers: Option<Vec<f64>> = values.iter().map(|it| it.parse().ok()).collect();
    let numbers = numbers?;
    let of_best = &numbers[..best];
    let least = of_best.iter().copied().min_by(f64::total_cmp)?;
    let greatest = of_best.iter().copied().max_by(f64::total_cmp)?;
    let within = numbers.iter().filter(|it| (least..=greatest).contains(it)).count();
    let share = within as f64 / numbers.len() as f64;
    let count = best as f64;
    let power = |exponent: usize| share.powi(i32::try_from(exponent).unwrap_or(i32::MAX));
    // That so many points of the unit interval lie within a part of this length, wherever it is.
    let likely = count * power(best - 1) - (count - 1.0) * power(best);
    (likely <= chance).then(|| {
        format!(
            "the best {best} of {} have {name} from {least} to {greatest}; {within} lie there",
            numbers.len()
        )
    })
}
