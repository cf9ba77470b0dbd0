//! How a diagnosis shows what it has concluded from, and finds it in texts.

use k8s_openapi::api::core::v1::Event;
use kubeflow_mcp_core::{Sign, without_variables};

/// How much of a message is evidence.
const SHOWN: usize = 320;

/// A message as evidence: on one line, without what it quotes of environments.
pub fn quoted(message: &str) -> String {
    let message = without_variables(message);
    let words: Vec<&str> = message.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

/// An event as evidence.
pub fn shown(event: &Event) -> String {
    let object = &event.involved_object;
    let (kind, name) =
        (object.kind.as_deref().unwrap_or("?"), object.name.as_deref().unwrap_or("?"));
    let reason = event.reason.as_deref().unwrap_or("?");
    format!("event {reason} of {kind}/{name}: {}", quoted(message(event)))
}

pub fn message(event: &Event) -> &str {
    event.message.as_deref().unwrap_or_default()
}

/// Whether a text says one of these.
pub fn says(text: &str, signs: &[Sign]) -> bool {
    signs.iter().any(|it| text.contains(it.name))
}
