//! What the tools cost a model before it has called one.

use kubeflow_mcp_core::{Persona, ToolDef};
use serde_json::json;

use crate::tools;

const SUBMITTING: &[&str] = &["fine_tune", "run_container_training", "run_custom_training"];

/// What a client shows the model of one tool, in o200k tokens.
fn tokens(tool: &ToolDef) -> usize {
    let described = tool.describe();
    let shown = json!({
        "name": described.name,
        "description": described.description,
        "inputSchema": described.input_schema,
    });
    tiktoken_rs::o200k_base_singleton().encode_ordinary(&shown.to_string()).len()
}

#[test]
fn no_tool_costs_more_than_its_budget() {
    for tool in tools() {
        let budget = if SUBMITTING.contains(&tool.name) { 600 } else { 180 };
        let tokens = tokens(tool);
        assert!(tokens <= budget, "{} costs {tokens} tokens, more than {budget}", tool.name);
    }
}

#[test]
fn no_list_costs_more_than_its_budget() {
    for (persona, budget) in [(Persona::Readonly, 1_600), (Persona::DataScientist, 3_000)] {
        let sum: usize = tools().filter(|it| it.persona <= persona).map(tokens).sum();
        assert!(sum <= budget, "{persona:?} costs {sum} tokens, more than {budget}");
    }
}
