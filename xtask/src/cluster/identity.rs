//! Which process is meant: its id may be another's by now, so the time of its start is told too.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use sysinfo::{ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System};

use super::ready;

/// A process that once lived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub(super) pid: u32,
    /// Seconds since the epoch.
    pub(super) started: u64,
}

impl Identity {
    /// That of a process which lives now.
    pub(super) fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, started: start_of(pid)? })
    }

    pub(super) fn is_alive(self) -> bool {
        // The system tells when it started itself to the second only, and may think better of it.
        start_of(self.pid).is_some_and(|started| started.abs_diff(self.started) <= 1)
    }

    /// Signals this process, and no stranger that has its id now.
    pub(super) fn signal(self, signal: Signal) {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid
            && self.is_alive()
        {
            // It may end in this moment, which is as well.
            let _ = kill_process(pid, signal);
        }
    }

    /// Asks it to end, waits as long as it may take, then ends it.
    pub(super) fn end(self, patience: Duration) {
        self.signal(Signal::TERM);
        // A paused process hears of it only when it goes on.
        self.signal(Signal::CONT);
        let gone = || (!self.is_alive()).then_some(());
        if ready::until(patience, gone).is_none() {
            self.signal(Signal::KILL);
            let _ = ready::until(Duration::from_secs(10), gone);
        }
    }
}

/// When a living process started; one that has ended and only waits to be collected lives no more.
fn start_of(pid: u32) -> Option<u64> {
    let pid = sysinfo::Pid::from_u32(pid);
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        false,
        ProcessRefreshKind::nothing(),
    );
    let process = system.process(pid)?;
    let ended = matches!(process.status(), ProcessStatus::Zombie | ProcessStatus::Dead);
    (!ended).then(|| process.start_time())
}

#[cfg(test)]
mod tests {
    use std::{
        process::{Command, Stdio},
        time::Duration,
    };

    use super::Identity;

    #[test]
    fn ends_the_process_that_is_meant_and_no_other_of_its_id() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let identity = Identity::of(child.id()).unwrap();
        let stranger = Identity { started: identity.started - 60, ..identity };
        stranger.end(Duration::ZERO);
        assert!(!stranger.is_alive());
        assert!(identity.is_alive(), "a process that started at another time was ended");
        identity.end(Duration::from_secs(10));
        assert!(!identity.is_alive());
        child.wait().unwrap();
    }
}
