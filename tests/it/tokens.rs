//! What the tools cost a model before it has called one.

use kubeflow_mcp_core::{Persona, ToolDef, ToolSet};
use serde_json::json;

use crate::tools;

const SUBMITTING: &[&str] =
    &["fine_tune", "optimize", "run_container_training", "run_custom_training"];

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
    for (set, persona, budget) in [
        ("katib", Persona::Readonly, 800),
        ("katib", Persona::DataScientist, 1_600),
        ("trainer", Persona::Readonly, 1_600),
        ("trainer", Persona::DataScientist, 3_000),
    ] {
        // Whatever is linked, the core is in every list; it counts with the Trainer's here.
        let of_set = |it: &&ToolSet| it.name == set || (it.name == "core" && set == "trainer");
        let tools = ToolSet::linked().into_iter().filter(of_set).flat_map(ToolSet::tools);
        let sum: usize = tools.filter(|it| it.persona <= persona).map(tokens).sum();
        assert!(sum <= budget, "{set} costs {persona:?} {sum} tokens, more than {budget}");
    }
}
