//! How the demo talks: with the server as an agent, and to its reader.

use anyhow::{Context as _, bail};
use kubeflow_mcp_core::{
    cli::{Steps, say},
    client::{McpClient, Reply},
    local::Home,
};
use serde_json::{Map, Value};
use tokio::process::Command;

/// A client of a server that starts the cluster of `home`.
pub(super) async fn start(home: &Home) -> anyhow::Result<McpClient> {
    let program = std::env::current_exe().context("could not find the server's program")?;
    let mut serve = Command::new(program);
    serve.args(["--log", "error", "serve", "--local", "--local-dir"]).arg(home.path());
    // The demo is the same whatever its user has configured.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KUBEFLOW_MCP_") {
            serve.env_remove(name);
        }
    }
    McpClient::start(&mut serve).await
}

pub(super) async fn call(
    client: &McpClient,
    tool: &str,
    arguments: Value,
) -> anyhow::Result<Reply> {
    let reply = client.call(tool, object(arguments), |_| {}).await?;
    succeeded(tool, reply)
}

fn succeeded(tool: &str, reply: Reply) -> anyhow::Result<Reply> {
    if reply.failed {
        let why = reply.value["message"].as_str().unwrap_or(&reply.text);
        let next = reply.value["hint"].as_str().map(|it| format!("; {it}")).unwrap_or_default();
        bail!("{tool}: {why}{next}");
    }
    Ok(reply)
}

/// A call that takes a while, with what it tells of itself meanwhile.
pub(super) async fn follow(
    client: &McpClient,
    tool: &str,
    arguments: Value,
) -> anyhow::Result<Reply> {
    // A reader who is gone misses the steps, not the work.
    let mut steps = Steps::new(|step| show(step).unwrap_or_default());
    let reply = client.call(tool, object(arguments), |step| steps.show(&step)).await?;
    succeeded(tool, reply)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

pub(super) fn heading(text: &str) -> anyhow::Result<()> {
    say("")?;
    say(&format!("● {text}"))
}

pub(super) fn show(text: &str) -> anyhow::Result<()> {
    text.lines().try_for_each(|line| say(&format!("  {line}")))
}

/// The text in lines that a terminal shows whole.
pub(super) fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().filter(|line| line.len() + word.len() < 96);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => *line = format!("{line} {word}"),
            None => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_wrapped_between_words() {
        let text = ["list_training_jobs,"; 12].join(" ");
        let wrapped = wrapped(&text);
        assert!(wrapped.lines().all(|line| line.len() <= 96), "{wrapped}");
        assert_eq!(wrapped.replace('\n', " "), text);
    }
}
