//! What the tools cost a model, in o200k tokens, as clients show them.

use serde_json::{Value, json};

use crate::{Binary, Row, local::Daemon, stdio::Server};

pub(crate) fn measure(binary: &Binary) -> anyhow::Result<Vec<Row>> {
    let daemon = Daemon::start(binary)?;
    let mut rows = Vec::new();
    let mut guide: f64 = 0.0;
    for (persona, what, budget) in [
        ("readonly", "`tools/list`, readonly", 1_600.0),
        ("data-scientist", "`tools/list`, data-scientist", 3_000.0),
    ] {
        let mut server =
            Server::start(&mut daemon.command(&["serve", "--local", "--persona", persona]))?;
        let instructions = server.initialize()?["instructions"].as_str().map_or(0.0, tokens);
        guide = guide.max(instructions);
        let listed = server.request("tools/list", json!({}))?;
        let tools = listed["tools"].as_array().cloned().unwrap_or_default();
        let figure = tools.iter().map(|tool| tokens(&shown(tool))).sum();
        rows.push(Row { what, figure, budget, unit: "tokens" });
    }
    rows.push(Row {
        what: "the server's instructions",
        figure: guide,
        budget: 300.0,
        unit: "tokens",
    });
    Ok(rows)
}

/// What a model reads of a tool.
fn shown(tool: &Value) -> String {
    let shown = json!({
        "name": tool["name"], "description": tool["description"], "inputSchema": tool["inputSchema"],
    });
    shown.to_string()
}

fn tokens(text: &str) -> f64 {
    tiktoken_rs::o200k_base_singleton().encode_ordinary(text).len() as f64
}
