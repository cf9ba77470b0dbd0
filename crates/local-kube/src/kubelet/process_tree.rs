//! The processes that a process has started: which they are, how much memory they use, and killing them.

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// Seconds since the epoch at which a living process was started.
pub(super) fn birth(pid: u32) -> Option<u64> {
    let pid = sysinfo::Pid::from_u32(pid);
    let mut system = System::new().ok()?;
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&[pid]),
        false,
        ProcessRefreshKind::nothing(),
    );
    system.process(pid).map(sysinfo::Process::start_time)
}

/// Everything that descends from `ancestor`, without it.
pub(super) fn descendants(ancestor: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut children = children_finder();
    let mut open = vec![ancestor];
    while let Some(parent) = open.pop() {
        for child in children(parent) {
            found.push(child);
            open.push(child);
        }
    }
    found
}

/// Bytes of memory that the processes use together; what they share counts once where the system tells.
pub(super) fn memory(pids: &[u32], limit: u64) -> u64 {
    let resident = resident(pids);
    // Telling what is shared is slow: asked only when it matters.
    if resident > limit { proportional(pids).unwrap_or(resident) } else { resident }
}

/// Kills the process group of `leader` and all that descends from `ancestor`, also what left the group.
pub(super) fn kill_all(leader: u32, ancestor: u32) {
    let descendants = descendants(ancestor);
    signal_group(leader, Signal::KILL);
    for pid in descendants {
        if let Some(pid) = as_pid(pid) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

pub(super) fn signal_group(leader: u32, signal: Signal) {
    if let Some(leader) = as_pid(leader) {
        // It may have gone meanwhile, which is what was wanted.
        let _ = kill_process_group(leader, signal);
    }
}

fn as_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(pid.try_into().ok()?)
}

#[cfg(target_os = "linux")]
fn children_finder() -> impl FnMut(u32) -> Vec<u32> {
    |parent| {
        let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten();
        let mut children = Vec::new();
        for task in tasks.flatten() {
            let listed = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            children.extend(listed.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        children
    }
}

#[cfg(not(target_os = "linux"))]
fn children_finder() -> impl FnMut(u32) -> Vec<u32> {
    let mut system = System::new().ok();
    if let Some(system) = &mut system {
        let nothing = ProcessRefreshKind::nothing();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, nothing);
    }
    move |parent| {
        let parent = Some(sysinfo::Pid::from_u32(parent));
        let processes = system.iter().flat_map(|system| system.processes().values());
        processes.filter(|process| process.parent() == parent).map(|p| p.pid().as_u32()).collect()
    }
}

fn resident(pids: &[u32]) -> u64 {
    let pids: Vec<_> = pids.iter().map(|pid| sysinfo::Pid::from_u32(*pid)).collect();
    let Ok(mut system) = System::new() else {
        return 0;
    };
    system.refresh_processes_specifics(
        ProcessesToUpdate::Some(&pids),
        false,
        ProcessRefreshKind::nothing().with_memory(),
    );
    pids.iter().filter_map(|pid| system.process(*pid)).map(sysinfo::Process::memory).sum()
}

#[cfg(target_os = "linux")]
fn proportional(pids: &[u32]) -> Option<u64> {
    let mut sum = 0;
    for pid in pids {
        let Ok(rollup) = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else {
            continue;
        };
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        sum += line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024;
    }
    Some(sum)
}

#[cfg(not(target_os = "linux"))]
fn proportional(_pids: &[u32]) -> Option<u64> {
    None
}
