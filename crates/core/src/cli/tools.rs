//! What this caller is offered here, what is hidden, and why.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{SessionArgs, say};
use crate::{Refusal, ToolDef};

/// List the tools that are offered here, and why others are not
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tools --local
  tools --context production --persona ml-engineer
  tools --json --local")]
pub(super) struct ToolsArgs {
    /// Print JSON: each tool as MCP clients see it, with the reason where it is hidden
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: SessionArgs,
}

pub(super) async fn run(args: ToolsArgs) -> anyhow::Result<ExitCode> {
    let ToolsArgs { json, session } = args;
    let tools = session.server_of_running().await?.tools().await;
    let (offered, hidden): (Vec<_>, Vec<_>) =
        tools.into_iter().partition(|(_, refusal)| refusal.is_none());
    if json {
        let described =
            |(tool, refusal): &(ToolDef, Option<Refusal>)| -> Result<Value, serde_json::Error> {
                let mut value = serde_json::to_value(tool.describe())?;
                if let Some(refusal) = refusal {
                    value["hidden"] = refusal.to_string().into();
                }
                Ok(value)
            };
        let list = |tools: &[_]| tools.iter().map(described).collect::<Result<Vec<_>, _>>();
        let lists = json!({"offered": list(&offered)?, "hidden": list(&hidden)?});
        say(&serde_json::to_string_pretty(&lists)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("{} tools are offered:", offered.len()))?;
    for (tool, _) in &offered {
        say(&format!("  {:<24} {}", tool.name, purpose(tool)))?;
    }
    if !hidden.is_empty() {
        say(&format!("{} are hidden:", hidden.len()))?;
    }
    for (tool, refusal) in &hidden {
        let reason = refusal.as_ref().map(ToString::to_string).unwrap_or_default();
        say(&format!("  {:<24} {reason}", tool.name))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What the tool does; when to use it is for the agent.
fn purpose(tool: &ToolDef) -> String {
    let description = tool.describe().description.unwrap_or_default();
    let sentence = description.split(". ").next().unwrap_or_default();
    sentence.trim_end_matches('.').to_owned()
}
