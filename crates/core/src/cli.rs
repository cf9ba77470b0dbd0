//! The command line that every binary shares, over the tool sets that are linked into it.

mod call;
mod cluster;
#[cfg(feature = "local")]
mod local;
mod logging;
mod policy;
mod steps;
mod tools;
mod words;

use std::{
    io::{self, Write as _},
    process::ExitCode,
    thread::available_parallelism,
    time::Duration,
};

pub use self::steps::Steps;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::{Caller, Persona, Server, ToolSet};

/// What a binary says of itself, and the commands that only it has.
pub struct Info {
    pub name: &'static str,
    pub about: &'static str,
    pub version: &'static str,
    pub commands: Vec<Extra>,
}

/// A command beside the shared ones.
pub struct Extra {
    pub command: clap::Command,
    pub run: fn(&ArgMatches) -> anyhow::Result<ExitCode>,
}

#[derive(Debug, Parser)]
struct Args {
    /// What is logged, as in `debug` or `kubeflow_mcp_core=trace,warn`
    #[arg(long, env = "KUBEFLOW_MCP_LOG", global = true, value_name = "FILTER")]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(ServeArgs),
    Call(call::CallArgs),
    Tools(tools::ToolsArgs),
    #[cfg(feature = "local")]
    #[command(subcommand)]
    Local(local::Command),
}

impl Command {
    /// Whether nobody sits before it, so that the log is all there is to read.
    fn is_service(&self) -> bool {
        match self {
            Self::Serve(_) => true,
            #[cfg(feature = "local")]
            Self::Local(local::Command::Daemon(_)) => true,
            _ => false,
        }
    }
}

/// Serve the tools to an MCP client, over standard input and output
///
/// The client starts this command and speaks the protocol with it. Without a cluster named, it is
/// the one of KUBECONFIG or ~/.kube/config, or the one that the server runs in.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  serve --local                              a cluster on this machine, with no installation
  serve --context production                 another context of your kubeconfig, reading only
  serve --persona ml-engineer --namespace team-a --namespace team-b")]
struct ServeArgs {
    #[command(flatten)]
    session: SessionArgs,
}

/// Whose cluster the tools act on, and what they may do there.
#[derive(Debug, clap::Args)]
struct SessionArgs {
    #[command(flatten)]
    cluster: cluster::ClusterArgs,
    #[command(flatten)]
    policy: policy::PolicyArgs,
}

impl SessionArgs {
    /// The server that these arguments describe. Their mistakes show here, before any client is
    /// answered; the cluster is asked nothing yet.
    async fn server(self) -> anyhow::Result<Server> {
        let Self { cluster, policy } = self;
        let sets = ToolSet::linked();
        let tools: Vec<&str> = sets.iter().flat_map(|set| set.tools()).map(|it| it.name).collect();
        let default = if cluster.local() { Persona::DataScientist } else { Persona::Readonly };
        let policy = policy.policy(&tools, default)?;
        let client = cluster.client(&sets).await?;
        Ok(Server::new(Caller::new(client, policy), &sets))
    }

    /// The same for one command, which has the time to wait until the local cluster has started.
    async fn server_of_running(self) -> anyhow::Result<Server> {
        self.cluster.start(&ToolSet::linked()).await?;
        self.server().await
    }
}

/// Runs the command that the process was started with, and returns when it has ended.
pub fn run(info: Info) -> ExitCode {
    let Info { name, about, version, commands } = info;
    #[cfg(feature = "local")]
    if let Some(exit) = local::supervisor() {
        return exit;
    }
    let mut command = Args::command()
        .name(name)
        .about(about)
        .version(version)
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .arg_required_else_help(true);
    for extra in &commands {
        command = command.subcommand(extra.command.clone());
    }
    let matches = command.get_matches();
    let own = matches.subcommand().and_then(|(name, matches)| {
        let extra = commands.iter().find(|it| it.command.get_name() == name)?;
        Some((extra, matches))
    });
    let outcome = match own {
        Some((extra, matches)) => {
            let log = matches.get_one::<String>("log").cloned();
            logging::start(log.as_deref(), "warn").and_then(|()| (extra.run)(matches))
        }
        None => Args::from_arg_matches(&matches)
            .map_err(Into::into)
            .and_then(|args| execute(args, name)),
    };
    outcome.unwrap_or_else(|error| {
        complain(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

fn execute(args: Args, name: &'static str) -> anyhow::Result<ExitCode> {
    let Args { log, command } = args;
    logging::start(log.as_deref(), if command.is_service() { "info" } else { "warn" })?;
    block_on(async {
        match command {
            Command::Serve(ServeArgs { session }) => {
                session.server().await?.named(name).serve_stdio().await?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Call(args) => call::run(args).await,
            Command::Tools(args) => tools::run(args).await,
            #[cfg(feature = "local")]
            Command::Local(command) => local::run(command).await,
        }
    })
}

/// A credential plugin may keep a thread for long.
const LAST_WAIT: Duration = Duration::from_millis(100);

/// Drives a command to its end, and ends the processes that its tasks wait for.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    // Work here is waiting: more threads would only cost memory.
    let threads = available_parallelism().map_or(2, usize::from).min(4);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let outcome = runtime.block_on(future);
    runtime.shutdown_timeout(LAST_WAIT);
    outcome
}

/// Writes a line to standard output. A reader who has seen enough is no failure.
pub fn say(line: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Writes a line to standard error, which has nowhere else to complain to.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
