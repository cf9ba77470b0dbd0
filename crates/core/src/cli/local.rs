//! The commands over the local cluster.

use std::{ffi::OsStr, path::PathBuf, process::ExitCode};

use anyhow::bail;
use clap::Subcommand;

use super::say;
use crate::{
    ToolSet,
    local::{Home, HomeError, Running, run_daemon},
};

/// Start, stop and look at the cluster on this machine
///
/// It is one for all that you run, and works on when they end. kubectl and other clients reach it
/// by its kubeconfig.
#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  local start
  export KUBECONFIG=$(kubeflow-mcp local kubeconfig)
  local status")]
pub(super) enum Command {
    /// Start it, unless it runs
    Start(HomeArgs),
    /// Stop it; jobs that run go on, and are found again by the next start
    Stop(HomeArgs),
    /// Say whether it runs, since when, and how much goes on in it
    Status(HomeArgs),
    /// Print the path of its kubeconfig, after starting it unless it runs
    Kubeconfig(HomeArgs),
    /// Stop it and all that runs in it, and remove everything it keeps
    Delete {
        /// Really do it
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        home: HomeArgs,
    },
    #[command(hide = true)]
    Daemon(HomeArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct HomeArgs {
    /// The folder of the local cluster, instead of the user's own
    #[arg(long, env = "KUBEFLOW_MCP_LOCAL_DIR", value_name = "DIR")]
    local_dir: Option<PathBuf>,
}

impl HomeArgs {
    pub(super) fn home(&self) -> Result<Home, HomeError> {
        let Self { local_dir } = self;
        Home::find(local_dir.clone())
    }
}

/// The exit code of a Pod's supervisor, if that is what this process is to be. It comes before all
/// else: there is one for each container, and it should stay small.
pub(super) fn supervisor() -> Option<ExitCode> {
    let mut words = std::env::args_os().skip(1);
    let is_supervisor = words.next()?.as_os_str() == OsStr::new("supervise");
    is_supervisor.then(|| local_kube::kubelet::supervise(words))
}

pub(super) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let sets = ToolSet::linked();
    match command {
        Command::Start(home) => {
            let home = home.home()?;
            let Running { record, .. } = home.start(&sets).await?;
            say(&format!("the local cluster runs (process {})", record.pid))?;
            say(&format!("kubeconfig: {}", home.kubeconfig().display()))?;
        }
        Command::Stop(home) => stop(&home.home()?).await?,
        Command::Status(home) => return status(&home.home()?).await,
        Command::Kubeconfig(home) => {
            let home = home.home()?;
            home.start(&sets).await?;
            say(&home.kubeconfig().display().to_string())?;
        }
        Command::Delete { yes, home } => delete(&home.home()?, yes).await?,
        Command::Daemon(home) => {
            // Away from the terminal of whoever started us. Where that fails, we have no terminal.
            let _ = rustix::process::setsid();
            run_daemon(&home.home()?, &sets).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn stop(home: &Home) -> anyhow::Result<()> {
    let pods = match home.running().await? {
        Some(running) => running.pods().await.unwrap_or_default(),
        None => Default::default(),
    };
    if !home.stop().await? {
        return say("the local cluster does not run");
    }
    say("the local cluster has stopped")?;
    if pods.running > 0 {
        say(&format!("{} Pods go on running; `local delete` would end them", pods.running))?;
    }
    Ok(())
}

/// Exits with 3 where it does not run, as service managers do.
async fn status(home: &Home) -> anyhow::Result<ExitCode> {
    let Some(running) = home.running().await? else {
        say("the local cluster does not run")?;
        say(&format!("folder:     {}", home.path().display()))?;
        return Ok(ExitCode::from(3));
    };
    let pods = running.pods().await?;
    let record = &running.record;
    let up = jiff::Timestamp::now().since(record.started)?;
    let up = up.total(jiff::Unit::Second)? as u64;
    say("the local cluster runs")?;
    say(&format!("process:    {}", record.pid))?;
    say(&format!("version:    {}", record.version()))?;
    say(&format!("up:         {}", uptime(up)))?;
    say(&format!("Pods:       {} running, {} pending", pods.running, pods.pending))?;
    say(&format!("folder:     {}", home.path().display()))?;
    say(&format!("kubeconfig: {}", home.kubeconfig().display()))?;
    Ok(ExitCode::SUCCESS)
}

fn uptime(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

async fn delete(home: &Home, yes: bool) -> anyhow::Result<()> {
    if !yes {
        bail!(
            "this ends all jobs and removes {} with their logs and results: add --yes to do it",
            home.path().display()
        );
    }
    home.delete().await?;
    say("the local cluster and all it kept are gone")
}
