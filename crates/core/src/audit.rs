//! One line for each call: who did what, and what became of it.

use std::time::Instant;

use rmcp::model::JsonObject;
use serde_json::Value;

use crate::{Answer, Result, ToolDef, redact};

/// Texts up to this length tell an auditor something; longer ones are code and data.
const SHOWN: usize = 120;

/// What is known of a call before it runs.
pub(crate) struct Entry {
    user: String,
    tool: ToolDef,
    arguments: String,
    confirmed: bool,
    started: Instant,
}

impl Entry {
    pub(crate) fn new(user: Option<&str>, tool: ToolDef, arguments: &JsonObject) -> Self {
        let mut shown = Value::Object(arguments.clone());
        mask(&mut shown);
        redact::clean_value(&mut shown);
        Self {
            user: user.unwrap_or("unknown").to_owned(),
            tool,
            arguments: shown.to_string(),
            confirmed: tool.changes(arguments),
            started: Instant::now(),
        }
    }

    /// Writes the line.
    pub(crate) fn close(self, outcome: &Result<Answer>) {
        let outcome = match outcome {
            Ok(_) => "ok",
            Err(error) => error.code(),
        };
        tracing::info!(
            target: "audit",
            user = self.user,
            tool = self.tool.name,
            effect = ?self.tool.effect,
            preview = self.tool.effect.writes() && !self.confirmed,
            arguments = self.arguments,
            outcome,
            milliseconds = self.started.elapsed().as_millis(),
            "tool call"
        );
    }
}

/// Leaves out code, and what variables of the environment hold, whatever it looks like.
fn mask(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > SHOWN => {
            *value = format!("({} bytes)", text.len()).into();
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), &mut *value) {
                    ("code" | "script", Value::String(text)) => {
                        *value = format!("({} bytes)", text.len()).into();
                    }
                    ("env", Value::Object(variables)) => {
                        variables.values_mut().for_each(|it| *it = "…".into());
                    }
                    _ => mask(value),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn code_and_environment_are_not_written_down() {
        let mut arguments = json!({"name": "a", "script": "print(1)", "env": {"A": "b"},
            "args": ["x".repeat(500)], "num_nodes": 2});
        super::mask(&mut arguments);
        assert_eq!(
            arguments,
            json!({"name": "a", "script": "(8 bytes)", "env": {"A": "…"},
                "args": ["(500 bytes)"], "num_nodes": 2})
        );
    }
}
