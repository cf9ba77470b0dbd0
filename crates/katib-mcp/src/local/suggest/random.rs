//! Random search: every trial is drawn on its own.

use super::{State, draws};
use crate::api::Setting;

pub(super) fn next(state: &State<'_>, count: usize) -> Vec<Vec<Setting>> {
    let first = state.chosen.len();
    (first..first + count).map(|it| draws::draw(&state.space, state.seed, it as u64)).collect()
}
