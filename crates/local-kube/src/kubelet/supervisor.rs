//! The small process that watches over one run of a container, and lives on when the kubelet dies.

use std::{
    ffi::OsString,
    io::{self, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, setsid, waitid},
};

use super::{
    log_writer::{LogWriter, pump},
    process_tree::{birth, descendants, kill_all, memory, signal_group},
    run::{Ended, Order, Run, Started},
};

/// How often memory is measured, and it is looked whether the run is to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How long output may still come: from a process that escaped being killed, or onto a slow disk.
const DRAIN: Duration = Duration::from_secs(10);

/// Carries out the order on standard input in the run's folder, the only argument.
/// It says on standard output that it has begun, or why it could not.
pub fn supervise(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Some(folder) = args.into_iter().next() else {
        return ExitCode::FAILURE;
    };
    match run(&Run::at(PathBuf::from(folder))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(run: &Run) -> io::Result<()> {
    // Fails only when this process leads a session already.
    let _ = setsid();
    let order: Order = serde_json::from_reader(io::stdin().lock())?;
    let Some(_claimed) = run.claim()? else {
        return Ok(());
    };
    adopt_orphans();
    let ended = match start(&order) {
        Ok(child) => {
            let pid = child.id();
            // What nobody can watch over must not run.
            watch(run, &order, child).inspect_err(|_| kill_all(pid, std::process::id()))?
        }
        Err(error) => could_not_start(order.argv.first().map_or("", String::as_str), &error),
    };
    run.write_ended(&ended)
}

fn start(order: &Order) -> io::Result<Child> {
    let (program, args) = order.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program)
        .args(args)
        .env_clear()
        .envs(order.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&order.directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

fn watch(run: &Run, order: &Order, mut child: Child) -> io::Result<Ended> {
    let pid = child.id();
    let started = Started { pid, birth: birth(pid).unwrap_or(0), at: Timestamp::now() };
    run.write_started(&started)?;
    say("started");

    let log = Arc::new(Mutex::new(LogWriter::open(run, order.log_limit)?));
    let (drained, pumps) = mpsc::channel::<()>();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (out, err) = ((log.clone(), drained.clone()), (log, drained));
    thread::spawn(move || stdout.map(|stream| pump(stream, "stdout", &out.0)).map(|()| out.1));
    thread::spawn(move || stderr.map(|stream| pump(stream, "stderr", &err.0)).map(|()| err.1));

    let guard = Arc::new(Mutex::new(Guard { leader: pid, over: false, out_of_memory: false }));
    let watcher = (run.clone(), order.memory_limit, guard.clone());
    thread::spawn(move || look_after(&watcher.0, watcher.1, &watcher.2));

    // The process stays a zombie until `over` is set, so that no signal can reach a stranger.
    if let Some(id) = pid.try_into().ok().and_then(Pid::from_raw) {
        let until_over = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while waitid(WaitId::Pid(id), until_over).is_err_and(|error| error == Errno::INTR) {}
    }
    let mut guard = guard.lock().unwrap_or_else(PoisonError::into_inner);
    kill_all(pid, std::process::id());
    guard.over = true;
    let status = child.wait()?;
    let finished_at = Timestamp::now();
    // Ends when both pumps have dropped their ends of the channel.
    let deadline = Instant::now() + DRAIN;
    while pumps.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {}
    Ok(outcome(status, guard.out_of_memory, started.at, finished_at))
}

struct Guard {
    leader: u32,
    over: bool,
    out_of_memory: bool,
}

/// Keeps the memory limit and carries out a request to stop, until the process is over. When the
/// run's folder is gone, so is the cluster that the process belongs to, and nobody else would end it.
fn look_after(run: &Run, memory_limit: Option<u64>, guard: &Mutex<Guard>) {
    let mut kill_at = None;
    loop {
        {
            let mut guard = guard.lock().unwrap_or_else(PoisonError::into_inner);
            if guard.over {
                return;
            }
            if let Some(limit) = memory_limit
                && memory(&descendants(std::process::id()), limit) > limit
            {
                guard.out_of_memory = true;
                kill_all(guard.leader, std::process::id());
            }
            if kill_at.is_none()
                && let Ok(Some(grace)) = run.stop_requested()
            {
                signal_group(guard.leader, Signal::TERM);
                kill_at = Some(Instant::now() + Duration::from_secs(grace));
            }
            if kill_at.is_some_and(|at| Instant::now() >= at) || run.is_gone() {
                kill_all(guard.leader, std::process::id());
            }
        }
        thread::sleep(LOOK);
    }
}

fn outcome(
    status: ExitStatus,
    out_of_memory: bool,
    started_at: Timestamp,
    finished_at: Timestamp,
) -> Ended {
    let signal = status.signal();
    let exit_code = status.code().or(signal.map(|signal| 128 + signal)).unwrap_or(255);
    let reason = match exit_code {
        _ if out_of_memory => "OOMKilled",
        0 => "Completed",
        _ => "Error",
    };
    Ended {
        exit_code,
        signal,
        reason: reason.into(),
        message: None,
        started_at: Some(started_at),
        finished_at,
    }
}

fn could_not_start(program: &str, error: &io::Error) -> Ended {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "no such file, or not found in $PATH".to_owned(),
        _ => error.to_string(),
    };
    Ended {
        exit_code: 128,
        signal: None,
        reason: "StartError".into(),
        message: Some(format!("failed to start {program:?}: {why}")),
        started_at: None,
        finished_at: Timestamp::now(),
    }
}

/// Processes whose parent has gone become children of this one, so that they are found.
fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

fn say(text: &str) {
    // Nobody listens when the kubelet has died, which changes nothing.
    let _ = writeln!(io::stdout(), "{text}");
    let _ = io::stdout().flush();
}
