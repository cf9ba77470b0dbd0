//! What an earlier kubelet has left: runs that still go on, runs that ended meanwhile, and Pods that are gone.

use std::{fs::File, io::Read, path::Path, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::{
    container::{Backoff, Container, State},
    folder, logs,
    process_tree::{birth, kill_all},
    run::{Ended, Observed, Run, Started},
};

/// The Pod's containers with what their folders tell of them.
pub(super) fn containers(dir: &Path, pod: &Pod, backoff: Backoff) -> Vec<Container> {
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    let inits =
        spec.init_containers.iter().flatten().map(|spec| Container::new(spec.clone(), true));
    let waits = spec.init_containers.as_ref().is_some_and(|inits| !inits.is_empty());
    let mains = spec.containers.iter().map(|spec| Container::new(spec.clone(), false));
    let mains = mains.map(|mut container| {
        if waits {
            container.waits("PodInitializing", None);
        }
        container
    });
    let mut containers: Vec<Container> = inits.chain(mains).collect();
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    for container in &mut containers {
        let runs = folder::names(&folder::runs(dir, uid, container.name()));
        let mut attempts: Vec<u32> = runs.iter().filter_map(|name| name.parse().ok()).collect();
        attempts.sort_unstable();
        // The newest run, and the one before it for `lastState`.
        for attempt in attempts.split_off(attempts.len().saturating_sub(2)) {
            let run = Run::at(folder::run(dir, uid, container.name(), attempt));
            if let State::Terminated { attempt, ended } = &container.state {
                container.last = Some((*attempt, ended.clone()));
            }
            look(container, &run, attempt, backoff);
            container.strikes = container.strikes.max(attempt);
        }
    }
    containers
}

/// Brings what is known of a run up to date. An undecided one is left to be started.
pub(super) fn look(container: &mut Container, run: &Run, attempt: u32, backoff: Backoff) {
    match run.observe() {
        Ok(Observed::Running(started)) => {
            let stopping = matches!(container.state, State::Running { stopping: true, .. });
            container.state = State::Running { attempt, started, stopping };
        }
        Ok(Observed::Ended(mut ended)) => {
            let policy = container.spec.termination_message_policy.as_deref();
            let fall_back = policy == Some("FallbackToLogsOnError") && ended.exit_code != 0;
            ended.message = ended.message.or_else(|| told(run));
            if fall_back {
                ended.message = ended.message.or_else(|| logs::last_words(run));
            }
            container.end(attempt, ended, backoff);
        }
        Ok(Observed::Orphaned(started)) => {
            let ended = lost(run, started.as_ref());
            container.end(attempt, ended, backoff);
        }
        Ok(Observed::Unstarted) => container.waits("ContainerCreating", None),
        Err(error) => container.waits("CreateContainerError", error.to_string()),
    }
}

/// What the container has written to its termination message path, as far as a status may hold it.
fn told(run: &Run) -> Option<String> {
    const LONGEST: u64 = 4096;
    let path = run.termination_message();
    // To open a pipe that the container has made there would wait for somebody to write to it.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut told = Vec::new();
    File::open(path).ok()?.take(LONGEST).read_to_end(&mut told).ok()?;
    Some(String::from_utf8_lossy(&told).into_owned()).filter(|told| !told.is_empty())
}

/// Its supervisor was killed: what it watched over must not go on unwatched.
fn lost(run: &Run, started: Option<&Started>) -> Ended {
    if let Some(started) = started {
        kill_leftover(started);
    }
    let ended = Ended {
        exit_code: 137,
        signal: None,
        reason: "ContainerStatusUnknown".into(),
        message: Some("the supervisor of the container's process was killed".into()),
        started_at: started.map(|started| started.at),
        finished_at: Timestamp::now(),
    };
    if let Err(error) = run.write_ended(&ended) {
        tracing::warn!(%error, "the end of a run could not be written down");
    }
    ended
}

/// Kills a process that nobody watches over, if it is still the one that was started.
fn kill_leftover(started: &Started) {
    // The system's clock may have been set meanwhile by a second.
    if birth(started.pid).is_some_and(|birth| birth.abs_diff(started.birth) <= 1) {
        kill_all(started.pid, started.pid);
    }
}

/// Kills what still runs of a Pod that is gone, and removes its folder.
pub(super) async fn clear(dir: &Path, uid: &str) {
    let own = folder::pod(dir, uid);
    for container in folder::names(&own.join("containers")) {
        for attempt in folder::names(&folder::runs(dir, uid, &container)) {
            let run = Run::at(folder::runs(dir, uid, &container).join(attempt));
            let _ = run.request_stop(0);
            while let Ok(Observed::Running(_)) = run.observe() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            if let Ok(Observed::Orphaned(Some(started))) = run.observe() {
                kill_leftover(&started);
            }
        }
    }
    if let Err(error) = tokio::fs::remove_dir_all(&own).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, folder = %own.display(), "a Pod's folder could not be removed");
    }
}
