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

use k8s_openapi::api::core::v1::Event;
use kubeflow_mcp_core::{Sign, without_variables};

use super::{finding::Finding, snapshot::Snapshot};
use crate::{phase::Standing, pods::Member};

/// What is looked at, and what is concluded of it before any rule.
pub(super) struct Case<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) standing: Standing,
    pub(super) members: Vec<Member>,
}

/// How much of a message is evidence.
const SHOWN: usize = 320;

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

/// A message as evidence: on one line, without what it quotes of environments.
pub(super) fn quoted(message: &str) -> String {
    let message = without_variables(message);
    let words: Vec<&str> = message.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

/// An event as evidence.
fn shown(event: &Event) -> String {
    let object = &event.involved_object;
    let (kind, name) =
        (object.kind.as_deref().unwrap_or("?"), object.name.as_deref().unwrap_or("?"));
    let reason = event.reason.as_deref().unwrap_or("?");
    format!("event {reason} of {kind}/{name}: {}", quoted(message(event)))
}

fn message(event: &Event) -> &str {
    event.message.as_deref().unwrap_or_default()
}

/// Whether a text says one of these.
fn says(text: &str, signs: &[Sign]) -> bool {
    signs.iter().any(|it| text.contains(it.name))
}
