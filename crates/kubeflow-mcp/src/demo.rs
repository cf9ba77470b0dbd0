//! The main jobs from start to end: an MCP client has a model trained, or its parameters searched, on
//! a throw-away cluster.

#[cfg(feature = "katib")]
mod plot;
#[cfg(feature = "katib")]
mod search;
mod telling;
mod training;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, bail};
use clap::{ArgMatches, Args, FromArgMatches as _};
use kubeflow_mcp_core::{
    cli::{self, Extra},
    local::Home,
};
use tokio::signal::unix::{SignalKind, signal};

/// Trains a classifier of handwritten digits, in a few seconds.
const TRAINING: &str = include_str!("demo/train.py");
/// Judges another one by cross-validation.
#[cfg(feature = "katib")]
const SEARCH: &str = include_str!("demo/search.py");

/// Watch an MCP client have a model trained, on a cluster that exists only for that
///
/// It plans a training job, previews it, submits it, follows it and reads the trained model's
/// accuracy from its log: what an agent does for you. It needs Python, and the first time a network
/// for scikit-learn; no cluster, and nothing of yours is touched.
#[derive(Debug, Args)]
struct DemoArgs {
    #[cfg(feature = "katib")]
    #[command(subcommand)]
    part: Option<Part>,

    /// Train with this Python program instead; it prints a line with accuracy=NUMBER
    #[arg(long, value_name = "FILE", hide = true, global = true)]
    script: Option<PathBuf>,
}

#[cfg(feature = "katib")]
#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Watch it search for the hyper-parameters of a classifier, in 20 trials
    ///
    /// It tries the defaults, previews a search, starts it, follows its trials, and shows them as a
    /// table and as a plot. It needs the same, and the first time a network for Optuna too.
    Optimize,
}

/// The command, for the command line.
pub(crate) fn extra() -> Extra {
    Extra { command: DemoArgs::augment_args(clap::Command::new("demo")), run }
}

fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let arguments = DemoArgs::from_arg_matches(matches)?;
    let script = arguments.script.as_ref().map(|file| {
        fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))
    });
    let script = script.transpose()?;
    cli::block_on(async {
        let folder = tempfile::Builder::new().prefix("kubeflow-mcp-demo-").tempdir()?;
        let home = Home::find(Some(folder.path().join("cluster")))?;
        // Whatever happens, what was started is ended before we are.
        let outcome = tokio::select! {
            outcome = tell(&arguments, &home, script.as_deref()) => outcome,
            interruption = interrupted() => interruption,
        };
        let cleared = home.delete().await;
        outcome?;
        cleared.context("the demo's cluster could not be cleared away")?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn tell(
    #[cfg_attr(not(feature = "katib"), expect(unused))] arguments: &DemoArgs,
    home: &Home,
    script: Option<&str>,
) -> anyhow::Result<()> {
    #[cfg(feature = "katib")]
    if let Some(Part::Optimize) = arguments.part {
        return search::tell(home, script.unwrap_or(SEARCH)).await;
    }
    training::tell(home, script.unwrap_or(TRAINING)).await
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
