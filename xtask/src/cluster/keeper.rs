//! Who holds a cluster's processes: it starts them, notes how they end, and ends them when it is told
//! to, when who brings the cluster up ends before that is done, and when its terminal is closed.

use std::{
    collections::BTreeMap,
    fs,
    io::{IsTerminal as _, Read as _, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::{
    identity::Identity,
    ready,
    record::{Process, Record},
};
use crate::shell;

/// Files in this folder of the cluster are the names of processes that somebody wants started.
const REQUESTS: &str = "start";
/// Said by who brings the cluster up, when it may outlive them.
const STAY: u8 = b's';
/// The program waits for a line before it becomes the process that is wanted: by then its id is
/// written down, so that whatever happens to us, `down` finds it.
const GATE: &str = r#"read -r go && exec "$@" </dev/null"#;

/// A keeper that ends its cluster when this is dropped.
pub(super) struct Hold(ChildStdin);

impl Hold {
    /// Lets the cluster be: it stays until `down`, or until the terminal is closed.
    pub(super) fn let_go(mut self) -> anyhow::Result<()> {
        self.0.write_all(&[STAY]).context("the cluster's keeper has ended")
    }
}

/// Starts a keeper of the cluster that is written down in the folder.
pub(super) fn spawn(folder: &Path) -> anyhow::Result<Hold> {
    fs::create_dir_all(folder.join(REQUESTS))?;
    let log = fs::File::create(folder.join("logs/keeper.log"))?;
    let mut keeper = shell::command(std::env::current_exe()?)
        .args(["cluster", "keep"])
        .arg(folder)
        // What is typed in the terminal is not for it.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("cannot start the cluster's keeper")?;
    let input = keeper.stdin.take().context("its input is piped")?;
    let there = || Record::read(folder).ok().flatten()?.keeper;
    ready::until(Duration::from_secs(10), there).context("the cluster's keeper did not start")?;
    Ok(Hold(input))
}

/// Has the keeper start a process that does not run.
pub(super) fn start(folder: &Path, name: &str) -> anyhow::Result<()> {
    let request = folder.join(REQUESTS).join(name);
    fs::write(&request, "")?;
    let taken = ready::until(Duration::from_secs(20), || (!request.exists()).then_some(()));
    if taken.is_none() {
        fs::remove_file(&request)?;
        bail!("the cluster's keeper does not answer: take the cluster down");
    }
    Ok(())
}

/// What the keeper's process does.
pub(super) fn keep(folder: &Path) -> anyhow::Result<()> {
    let told = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP, SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&told))?;
    }
    let abandoned = watch_starter();
    // Without a terminal there is none that could be closed.
    let terminal = fs::File::open("/dev/tty").ok();
    let closed = || terminal.as_ref().is_some_and(|it| !it.is_terminal());

    let mut record = Record::read(folder)?.context("there is no cluster to keep")?;
    record.keeper = Identity::of(std::process::id());
    record.write()?;
    let mut kept = Kept { folder: folder.into(), record, children: BTreeMap::new() };
    let over = || {
        let gone = !Record::path(folder).exists();
        told.load(Ordering::Relaxed) || abandoned.load(Ordering::Relaxed) || closed() || gone
    };
    while !over() {
        if let Err(error) = kept.turn() {
            println!("{error:#}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    kept.end();
    Ok(())
}

/// Set when who started us has ended without letting the cluster be.
fn watch_starter() -> Arc<AtomicBool> {
    let abandoned = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&abandoned);
    thread::spawn(move || {
        let mut word = [0];
        let stays = std::io::stdin().read_exact(&mut word).is_ok() && word == [STAY];
        set.store(!stays, Ordering::Relaxed);
    });
    abandoned
}

struct Kept {
    folder: PathBuf,
    record: Record,
    children: BTreeMap<String, Child>,
}

impl Kept {
    fn turn(&mut self) -> anyhow::Result<()> {
        self.collect()?;
        for request in fs::read_dir(self.folder.join(REQUESTS))? {
            let request = request?;
            let name = request.file_name().to_string_lossy().into_owned();
            let started = self.start(&name);
            fs::remove_file(request.path())?;
            started.with_context(|| format!("cannot start {name}"))?;
        }
        Ok(())
    }

    /// Notes which processes have ended, and how.
    fn collect(&mut self) -> anyhow::Result<()> {
        let mut ended = false;
        for (name, child) in &mut self.children {
            if let Some(status) = child.try_wait()?
                && let Some(process) = self.record.process_mut(name)
                && process.ended.is_none()
            {
                process.ended = Some(status.to_string());
                ended = true;
            }
        }
        if ended { self.record.write() } else { Ok(()) }
    }

    fn start(&mut self, name: &str) -> anyhow::Result<()> {
        let process = self.record.process_mut(name).context("not a process of the cluster")?;
        if process.is_alive() {
            return Ok(());
        }
        let mut child = waiting(process, &self.folder)?;
        process.identity = Identity::of(child.id());
        process.ended = None;
        let gate = child.stdin.take();
        self.children.insert(name.to_owned(), child);
        self.record.write()?;
        gate.context("its input is piped")?.write_all(b"\n")?;
        Ok(())
    }

    fn end(&mut self) {
        end(&self.record);
        // Collected, so that who asks for them finds nobody.
        for child in self.children.values_mut() {
            let _ = child.wait();
        }
        // Where the folder was removed, nobody asks how they ended.
        let _ = self.collect();
    }
}

/// The process before the gate.
fn waiting(process: &Process, folder: &Path) -> anyhow::Result<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(&process.log)?;
    Ok(Command::new("/bin/sh")
        .args(["-c", GATE, &process.name])
        .args(&process.command)
        .envs(&process.environment)
        .current_dir(folder)
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?)
}

/// Ends all processes, and what they leave. Nothing of the cluster is kept: none is asked first.
pub(super) fn end(record: &Record) {
    for process in record.processes.iter().rev() {
        if let Some(identity) = process.identity {
            identity.signal(Signal::KILL);
        }
    }
    for process in &record.processes {
        let ended = || (!process.is_alive()).then_some(());
        let _ = ready::until(Duration::from_secs(10), ended);
        if let (Some(_), Some((program, arguments))) =
            (process.identity, process.clear.split_first())
            && let Err(error) = shell::run(shell::command(program).args(arguments))
        {
            println!("{error:#}");
        }
    }
}
