//! Tools for Katib: plan, start, follow and explain the search for good hyper-parameters.

pub mod api;
pub mod metrics;
pub mod objective;
pub mod states;
