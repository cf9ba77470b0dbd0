//! The rules of a diagnosis, a file for each family: each looks at what was gathered, and at nothing else.

mod creation;
mod disruption;
mod images;
mod program;
mod queue;
mod running;
mod scheduling;
mod starting;
mod storage;

use kubeflow_mcp_core::Sign;

use super::{
    evidence::{message, quoted, says, shown},
    finding::Finding,
    snapshot::Snapshot,
};
use crate::{phase::Standing, pods::Member};

/// What is looked at, and what is concluded of it before any rule.
pub(super) struct Case<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) standing: Standing,
    pub(super) members: Vec<Member>,
}

pub(super) const RULES: [fn(&Case<'_>) -> Vec<Finding>; 9] = [
    queue::findings,
    creation::findings,
    scheduling::findings,
    storage::findings,
    images::findings,
    starting::findings,
    program::findings,
    disruption::findings,
    running::findings,
];

/// What is concluded from, beside what phases and Pods are judged by.
pub(super) fn signs() -> Vec<Sign> {
    [
        queue::SIGNS,
        creation::SIGNS,
        scheduling::SIGNS,
        storage::SIGNS,
        images::SIGNS,
        starting::SIGNS,
        program::SIGNS,
        disruption::SIGNS,
    ]
    .concat()
}

impl<'a> Case<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, standing: snapshot.standing(), members: snapshot.members() }
    }
}
