//! One tool called from the shell, through everything that an agent's call goes through.

use std::{pin::pin, process::ExitCode};

use super::{SessionArgs, Steps, complain, say, words};
use crate::{Answer, Block, Error, Progress, ToolSet, did_you_mean};

/// Call one tool, as an agent would
///
/// Prints the answer's text, or with --json its structure. A tool that writes shows only what
/// would happen until it is called with confirmed=true.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  call list_runtimes --local
  call get_training_logs name=digits tail=20 --local
  call run_custom_training script=@train.py packages='[\"scikit-learn\"]' --local
  call delete_training_job '{\"name\": \"digits\", \"confirmed\": true}' --local")]
pub(super) struct CallArgs {
    /// The tool's name, as `tools` lists it
    tool: String,
    /// Its arguments: one JSON object, or key=value for each; key=@FILE takes a file's text
    #[arg(value_name = "JSON | KEY=VALUE")]
    arguments: Vec<String>,
    /// Print the structured answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    session: SessionArgs,
}

pub(super) async fn run(args: CallArgs) -> anyhow::Result<ExitCode> {
    let CallArgs { tool, arguments, json, session } = args;
    let tools = || ToolSet::linked().into_iter().flat_map(ToolSet::tools);
    let Some(definition) = tools().find(|it| it.name == tool) else {
        let guess = did_you_mean(&tool, tools().map(|it| it.name));
        anyhow::bail!("no tool is named {tool:?}{guess}");
    };
    let arguments = words::parse(&arguments, &definition.describe().input_schema)?;
    let server = session.server_of_running().await?;
    let (progress, mut steps) = Progress::channel();
    let mut call = pin!(server.call(&tool, arguments, progress));
    let outcome = {
        let mut shown = Steps::new(complain);
        loop {
            tokio::select! {
                biased;
                Some(step) = steps.recv() => shown.show(&step),
                outcome = &mut call => break outcome,
            }
        }
    };
    match outcome {
        Ok(answer) => print(&answer, json).map(|()| ExitCode::SUCCESS),
        Err(error) => report(&error, json).map(|()| ExitCode::FAILURE),
    }
}

fn print(answer: &Answer, json: bool) -> anyhow::Result<()> {
    if json {
        return say(&serde_json::to_string_pretty(&answer.value)?);
    }
    say(&answer.text)?;
    for block in &answer.blocks {
        match block {
            Block::Text(text) | Block::Document { text, .. } => say(text)?,
            Block::Image { data, mime_type } | Block::Audio { data, mime_type } => {
                say(&format!("({mime_type}, {} bytes in base64)", data.len()))?;
            }
        }
    }
    Ok(())
}

fn report(error: &Error, json: bool) -> anyhow::Result<()> {
    if json {
        return say(&serde_json::to_string_pretty(&error.to_json())?);
    }
    let told = error.to_json();
    for (word, key) in [("error", "message"), ("hint", "hint")] {
        if let Some(text) = told[key].as_str() {
            complain(&format!("{word}: {text}"));
        }
    }
    Ok(())
}
