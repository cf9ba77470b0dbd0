//! The daemon itself: a process of its own that serves the cluster of one folder.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::Path,
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use super::{
    LocalCluster,
    build::Build,
    home::{Home, HomeError, open_private},
    running::Record,
};
use crate::ToolSet;

/// What a daemon says on its standard output when it can be used.
const READY: &str = "ready";
/// On a busy machine a start takes a while.
const PATIENCE: Duration = Duration::from_secs(20);
/// A log that is longer starts anew with the daemon.
const LOG_LIMIT: u64 = 4 << 20;

/// Serves the cluster of `home` until the process is asked to end.
pub async fn run(home: &Home, sets: &[&'static ToolSet]) -> anyhow::Result<()> {
    let _own = home.own().await?;
    let program = std::env::current_exe()?;
    let supervisor: Vec<OsString> = vec![program.into(), "supervise".into()];
    let cluster = LocalCluster::in_folder(sets, home.path(), supervisor)?;
    let listener = cluster.kube().listen(&home.tls()).await?;
    home.publish(&Record::own(Build::own(sets)?), &listener.kubeconfig)?;
    tracing::info!(folder = %home.path().display(), "the local cluster is ready");
    // Whoever started us may have lost patience.
    let _ = writeln!(io::stdout(), "{READY}");
    let mut asked_to_end = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = asked_to_end.recv() => {}
        _ = interrupted.recv() => {}
        () = home.removed() => {
            tracing::warn!("the local cluster's folder was removed: it ends, and its Pods too");
            return Ok(());
        }
    }
    home.withdraw()?;
    tracing::info!("the local cluster ends; what runs in its Pods goes on");
    Ok(())
}

/// Starts a daemon of our own binary, which outlives us, and waits until it can be used.
pub(super) async fn spawn(home: &Home, build: &Build) -> Result<(), HomeError> {
    let log = home.log();
    if fs::metadata(&log).is_ok_and(|it| it.len() > LOG_LIMIT) {
        fs::remove_file(&log)?;
    }
    let begun = fs::metadata(&log).map_or(0, |it| it.len());
    let mut daemon = Command::new(&build.program)
        .args(["local", "daemon", "--local-dir"])
        .arg(home.path())
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(open_private(&log, &mut OpenOptions::new())?)
        .spawn()?;
    let stdout = daemon.stdout.take().map(BufReader::new);
    let mut said = String::new();
    if let Some(mut stdout) = stdout {
        let _ = timeout(PATIENCE, stdout.read_line(&mut said)).await;
    }
    if said.trim_end() == READY {
        return Ok(());
    }
    let problem = last_line(&log, begun);
    let problem =
        problem.unwrap_or_else(|| format!("nothing said within {} s", PATIENCE.as_secs()));
    Err(HomeError::NotStarted { problem: format!("{problem} (its log is {})", log.display()) })
}

fn last_line(log: &Path, begun: u64) -> Option<String> {
    let text = fs::read(log).ok()?;
    let text = String::from_utf8_lossy(text.get(usize::try_from(begun).ok()?..)?).into_owned();
    text.lines().rfind(|it| !it.trim().is_empty()).map(str::to_owned)
}
