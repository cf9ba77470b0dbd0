//! The main job from start to end: an MCP client has a model trained on a throw-away cluster.

mod story;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use clap::{ArgMatches, Args, FromArgMatches as _};
use kubeflow_mcp_core::{
    cli::{self, Extra},
    local::Home,
};
use tokio::signal::unix::{SignalKind, signal};

/// Trains a classifier of handwritten digits, in a few seconds.
const SCRIPT: &str = include_str!("demo/train.py");

/// Watch an MCP client have a model trained, on a cluster that exists only for that
///
/// It plans a training job, previews it, submits it, follows it and reads the trained model's
/// accuracy from its log: what an agent does for you. It needs Python, and the first time a network
/// for scikit-learn; no cluster, and nothing of yours is touched.
#[derive(Debug, Args)]
struct DemoArgs {
    /// Train with this Python program instead; it prints a line with accuracy=NUMBER
    #[arg(long, value_name = "FILE", hide = true)]
    script: Option<PathBuf>,
}

/// The command, for the command line.
pub(crate) fn extra() -> Extra {
    Extra { command: DemoArgs::augment_args(clap::Command::new("demo")), run }
}

fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let DemoArgs { script } = DemoArgs::from_arg_matches(matches)?;
    let script = match script {
        Some(file) => fs::read_to_string(&file)
            .with_context(|| format!("could not read {}", file.display()))?,
        None => SCRIPT.to_owned(),
    };
    cli::block_on(async {
        let folder = tempfile::Builder::new().prefix("kubeflow-mcp-demo-").tempdir()?;
        let home = Home::find(Some(folder.path().join("cluster")))?;
        // Whatever happens, what was started is ended before we are.
        let outcome = tokio::select! {
            outcome = story::tell(&home, &script) => outcome,
            interruption = interrupted() => interruption,
        };
        let cleared = home.delete().await;
        outcome?;
        cleared.context("the demo's cluster could not be cleared away")?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn interrupted() -> anyhow::Result<()> {
    let mut asked_to_end = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = asked_to_end.recv() => {}
        _ = interrupted.recv() => {}
    }
    bail!("interrupted; everything that the demo started is ended")
}
