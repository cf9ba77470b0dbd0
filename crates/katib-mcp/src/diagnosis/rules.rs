//! The rules of a diagnosis, a file for each family: each looks at what was gathered, and at nothing else.

mod algorithm;
mod collection;
mod lifecycle;
mod metrics;
mod workloads;

use k8s_openapi::api::core::v1::Event;
use kubeflow_mcp_core::{Sign, without_variables};

use super::{finding::Finding, snapshot::Snapshot};

/// How much of a message is evidence.
const SHOWN: usize = 320;

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

/// `1 trial has`, `3 trials have`.
fn trials_have(count: usize) -> String {
    if count == 1 { "1 trial has".to_owned() } else { format!("{count} trials have") }
}
