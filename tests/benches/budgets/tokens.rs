//! What the tools cost a model, in o200k tokens, as clients show them.

use serde_json::{Value, json};

use crate::{Binary, Row, local::Daemon, stdio::Server};

pub(crate) fn measure(binary: &Binary) -> anyhow::Result<Vec<Row>> {
    let daemon = Daemon::start(binary)?;
    let mut rows = Vec::new();
    for (persona, what, budget) in [
        ("readonly", "`tools/list`, readonly", 1_600.0),
        ("data-scientist", "`tools/list`, data-scientist", 3_000.0),
    ] {
        let mut server =
            Server::start(&mut daemon.command(&["serve", "--local", "--persona", persona]))?;
        server.initialize()?;
        let listed = server.request("tools/list", json!({}))?;
        let tools = listed["tools"].as_array().cloned().unwrap_or_default();
        let figure = tools.iter().map(tokens).sum();
        rows.push(Row { what, figure, budget, unit: "tokens" });
    }
    Ok(rows)
}

fn tokens(tool: &Value) -> f64 {
    let shown = json!({
        "name": tool["name"], "description": tool["description"], "inputSchema": tool["inputSchema"],
    });
    tiktoken_rs::o200k_base_singleton().encode_ordinary(&shown.to_string()).len() as f64
}
