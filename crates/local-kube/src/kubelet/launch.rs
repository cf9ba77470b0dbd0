//! Starts a supervisor for a run of a container, and tells when something has happened to the run.

use std::{ffi::OsString, io, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    sync::mpsc,
};

use super::run::{Observed, Order, Run};

/// How often a run is looked at whose supervisor another process has started.
const LOOK: Duration = Duration::from_millis(250);

/// Says that it is time to look at a run.
pub(super) type Notice = mpsc::UnboundedSender<Which>;

/// A run of a Pod, by its container's number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Which {
    pub(super) container: usize,
    pub(super) attempt: u32,
}

/// Starts the supervisor. A notice comes when the process has started and when the run is over.
pub(super) async fn launch(
    supervisor: &[OsString],
    run: &Run,
    order: &Order,
    which: Which,
    notice: Notice,
) -> io::Result<()> {
    let (program, args) = supervisor.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program)
        .args(args)
        .arg(run.path())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let order = serde_json::to_vec(order)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&order).await?;
    }
    let run = run.clone();
    tokio::spawn(async move {
        let mut said = Vec::new();
        if let Some(mut stdout) = child.stdout.take() {
            while let Ok(1..) = stdout.read_buf(&mut said).await {
                let _ = notice.send(which);
            }
        }
        let _ = child.wait().await;
        // Another supervisor of the same run may have been faster.
        over(&run).await;
        let _ = notice.send(which);
    });
    Ok(())
}

/// Notices the end of a run that an earlier kubelet has started.
pub(super) fn adopt(run: Run, which: Which, notice: Notice) {
    tokio::spawn(async move {
        while let Ok(Observed::Running(None)) = run.observe() {
            tokio::time::sleep(LOOK / 10).await;
        }
        let _ = notice.send(which);
        over(&run).await;
        let _ = notice.send(which);
    });
}

async fn over(run: &Run) {
    while let Ok(Observed::Running(_)) = run.observe() {
        tokio::time::sleep(LOOK).await;
    }
}
