//! Grid search: every combination once. Shuffled as Katib's is, so that a small budget sees all sides.

use std::collections::HashSet;

use super::{State, draws};
use crate::api::Setting;

pub(super) fn next(state: &State<'_>, count: usize) -> Vec<Vec<Setting>> {
    let Some(combinations) = state.space.combinations() else { return Vec::new() };
    let tried: HashSet<Vec<&str>> =
        state.chosen.iter().map(|(it, _)| values(&it.parameter_assignments)).collect();
    let shuffled = (0..combinations).map(|it| shuffled(it, combinations, state.seed));
    let each = shuffled.map(|it| combination(state, it));
    each.filter(|it| !tried.contains(&values(it))).take(count).collect()
}

fn values(assignments: &[Setting]) -> Vec<&str> {
    assignments.iter().map(|it| it.value.as_str()).collect()
}

/// The combination at a place, where the last parameter changes first.
fn combination(state: &State<'_>, mut place: u64) -> Vec<Setting> {
    let mut assignments = Vec::new();
    for dimension in state.space.dimensions.iter().rev() {
        let count = dimension.values.count().unwrap_or(1).max(1);
        let value = dimension.values.at(place % count).unwrap_or_default();
        assignments.push(Setting { name: dimension.name.clone(), value });
        place /= count;
    }
    assignments.reverse();
    assignments
}

/// Where a place below `count` is put in an order that visits every place once. No list is needed,
/// which a grid of millions would fill the memory with.
fn shuffled(place: u64, count: u64, seed: u64) -> u64 {
    let bits = (u64::BITS - (count - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1_u64 << bits) - 1;
    let mut place = place;
    // A Feistel network permutes the numbers of twice that many bits; those too large go on.
    loop {
        let (mut left, mut right) = (place >> bits, place & mask);
        for round in 0..4 {
            let mixed = draws::generator(seed ^ right, round).u64(..);
            (left, right) = (right, left ^ (mixed & mask));
        }
        place = left << bits | right;
        if place < count {
            return place;
        }
    }
}
