//! A real cluster for the tests: a Kubernetes control plane, the controllers of JobSet and Trainer, and
//! Katib as we play it, as processes on loopback.

mod credentials;
mod down;
mod identity;
mod keeper;
mod kubectl;
mod manifests;
mod modules;
mod ports;
mod processes;
mod ready;
mod record;
mod up;
mod users;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::Signal;

pub(crate) use self::modules::Generation;
use self::record::Record;
use crate::shell;

/// For a process to end well before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
    /// Which cluster; several may run side by side.
    #[arg(long, global = true, default_value = "default")]
    name: String,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Build what is missing, start the cluster, and wait until all of it serves.
    Up {
        /// Whose Trainer is installed.
        #[arg(long, value_enum, default_value = "v2.3")]
        trainer: Generation,
    },
    /// End exactly what was started, and remove the cluster's folder.
    Down,
    /// Say what runs, and what has ended.
    Status,
    /// Stop one process of the cluster.
    Stop { process: String },
    /// Start a stopped process again, at the same port and with the same certificates.
    Start { process: String },
    /// Let one process do nothing, without ending it.
    Pause { process: String },
    /// Let a paused process go on.
    Continue { process: String },
    /// Hold the processes of a cluster; `up` starts this.
    #[command(hide = true)]
    Keep { folder: PathBuf },
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let folder = folder(&args.name);
    match &args.action {
        Action::Up { trainer } => bring_up(&folder, *trainer),
        Action::Down => take_down(&folder),
        Action::Status => status(&folder),
        Action::Stop { process } => stop(&folder, process),
        Action::Start { process } => start(&folder, process),
        Action::Pause { process } => signal(&folder, process, Signal::STOP),
        Action::Continue { process } => signal(&folder, process, Signal::CONT),
        Action::Keep { folder } => keeper::keep(folder),
    }
}

/// Where the clusters lie.
pub(crate) fn folder_of_all() -> PathBuf {
    shell::target().join("real/clusters")
}

fn folder(name: &str) -> PathBuf {
    folder_of_all().join(name)
}

/// The kubectl of the cluster's version, built if need be.
pub(crate) fn kubectl() -> anyhow::Result<PathBuf> {
    Ok(modules::control_plane()?.join("kubectl"))
}

/// A fresh cluster that ends with this process, however that ends.
pub(crate) struct TestCluster {
    folder: PathBuf,
    _running: up::Running,
    /// Nobody else takes it down.
    _alone: std::fs::File,
}

impl TestCluster {
    /// One of the same name that was left over is taken down first.
    pub(crate) fn up(name: &str, trainer: Generation) -> anyhow::Result<Self> {
        let folder = folder(name);
        let alone = alone(&folder)?;
        down::down(&folder)?;
        Ok(Self { _running: up::up(&folder, trainer)?, folder, _alone: alone })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn down(self) -> anyhow::Result<()> {
        down::down(&self.folder).map(drop)
    }
}

fn bring_up(folder: &Path, trainer: Generation) -> anyhow::Result<()> {
    let _alone = alone(folder)?;
    if let Some(record) = Record::read(folder)? {
        if record.keeper.is_some_and(|it| it.is_alive()) {
            println!("it is up already, and nothing was changed\n");
            return report(&record);
        }
        if let Some(process) = record.processes.iter().find(|it| it.is_alive()) {
            bail!("{} still runs though its keeper has ended: take the cluster down", process.name);
        }
    }
    up::up(folder, trainer)?.let_go()?;
    println!();
    report(&existing(folder)?)
}

fn take_down(folder: &Path) -> anyhow::Result<()> {
    let _alone = alone(folder)?;
    let was = down::down(folder)?;
    println!("{}", if was { "nothing of it is left" } else { "there is no such cluster" });
    Ok(())
}

fn status(folder: &Path) -> anyhow::Result<()> {
    report(&existing(folder)?)
}

fn report(record: &Record) -> anyhow::Result<()> {
    println!("kubeconfig  {}", record.kubeconfig.display());
    println!("users       {}", record.folder.join("users").display());
    println!("kubectl     {}", record.kubectl.display());
    for (name, module) in &record.modules {
        println!("{name:<11} {}", module.version);
    }
    println!();
    for process in &record.processes {
        let (name, port) = (&process.name, process.port);
        match process.identity {
            Some(identity) if identity.is_alive() => {
                println!("{name:<24} port {port}  pid {}", identity.pid);
            }
            Some(_) => {
                let how = process.ended.as_deref().unwrap_or("nobody saw how");
                println!("{name:<24} has ended: {how}\n    {}", process.last_lines(1));
            }
            None => println!("{name:<24} was not started"),
        }
    }
    if !record.keeper.is_some_and(|it| it.is_alive()) {
        bail!("the cluster's keeper has ended: take it down");
    }
    Ok(())
}

fn stop(folder: &Path, name: &str) -> anyhow::Result<()> {
    let record = existing(folder)?;
    match record.process(name)?.identity {
        Some(identity) if identity.is_alive() => identity.end(PATIENCE),
        _ => bail!("{name} does not run"),
    }
    println!("{name} is stopped");
    Ok(())
}

fn start(folder: &Path, name: &str) -> anyhow::Result<()> {
    let record = existing(folder)?;
    if record.process(name)?.is_alive() {
        bail!("{name} runs already");
    }
    keeper::start(folder, name)?;
    up::serves(folder, name)
}

fn signal(folder: &Path, name: &str, signal: Signal) -> anyhow::Result<()> {
    match existing(folder)?.process(name)?.identity {
        Some(identity) if identity.is_alive() => identity.signal(signal),
        _ => bail!("{name} does not run"),
    }
    Ok(())
}

fn existing(folder: &Path) -> anyhow::Result<Record> {
    Record::read(folder)?.context("there is no such cluster: `cargo xtask cluster up` makes one")
}

/// Two calls at once would start or end the same processes.
fn alone(folder: &Path) -> anyhow::Result<std::fs::File> {
    std::fs::create_dir_all(folder.parent().context("clusters lie in a folder")?)?;
    let lock = std::fs::File::create(folder.with_extension("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(_) => bail!("another call brings this cluster up or takes it down just now"),
    }
}
