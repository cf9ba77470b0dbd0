//! The rules of a diagnosis, a file for each family: each looks at what was gathered, and at nothing else.

mod algorithm;
mod collection;
mod lifecycle;
mod metrics;
mod workloads;

use ::workloads::diagnosis::evidence::{message, quoted, says, shown};
use kubeflow_mcp_core::Sign;

use super::{finding::Finding, snapshot::Snapshot};

/// In the order in which causes are told.
pub(super) const RULES: [fn(&Snapshot) -> Vec<Finding>; 5] = [
    lifecycle::findings,
    algorithm::findings,
    collection::findings,
    workloads::findings,
    metrics::findings,
];

/// What is concluded from.
pub(super) fn signs() -> Vec<Sign> {
    [
        algorithm::SIGNS,
        workloads::SIGNS,
        collection::SIGNS,
        lifecycle::SIGNS,
        &super::snapshot::SIGNS,
    ]
    .concat()
}

/// `1 trial has`, `3 trials have`.
fn trials_have(count: usize) -> String {
    if count == 1 { "1 trial has".to_owned() } else { format!("{count} trials have") }
}
