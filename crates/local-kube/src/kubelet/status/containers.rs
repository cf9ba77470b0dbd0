//! The status of each container of a Pod.

use k8s_openapi::{
    api::core::v1::{
        ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
        ContainerStatus, ContainerUser, LinuxContainerUser, Pod, VolumeMountStatus,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};
use rustix::process::{getgid, getgroups, getuid};

use super::{
    super::{
        container::{Container, State},
        run::Ended,
    },
    Known,
};

/// Of the init containers, and of the others.
pub(super) fn statuses(known: &Known<'_>) -> (Vec<ContainerStatus>, Vec<ContainerStatus>) {
    let (inits, mains): (Vec<_>, Vec<_>) = known.containers.iter().partition(|c| c.init);
    // Of what was never begun before the Pod was initialized nothing is said but that it waits.
    let initialized = inits.iter().all(|init| init.succeeded());
    let last_begun = inits.iter().rposition(|init| init.ended().is_some());
    let inits = inits
        .iter()
        .enumerate()
        .map(|(number, init)| of(known, init, last_begun.is_some_and(|last| number < last)));
    let inits = inits.collect();
    (inits, mains.iter().map(|main| of(known, main, initialized)).collect())
}

/// `expected`: whether it would have run if the Pod were not over.
fn of(known: &Known<'_>, container: &Container, expected: bool) -> ContainerStatus {
    let pod = known.pod;
    let process = container.process();
    let running = process.is_some();
    let mut last = container.last.as_ref();
    let terminated = |(attempt, ended): (u32, &Ended)| terminated(pod, container, attempt, ended);
    let (state, attempt) = match &container.state {
        State::Terminated { attempt, ended } => (terminated((*attempt, ended)), Some(*attempt)),
        State::Running { attempt, .. } if running => {
            let started_at = process.map(|process| Time(process.at));
            let state = ContainerStateRunning { started_at };
            (ContainerState { running: Some(state), ..ContainerState::default() }, Some(*attempt))
        }
        _ if known.over && last.is_some() => {
            let ended = last.take().map(|(attempt, ended)| (*attempt, ended));
            (ended.map(terminated).unwrap_or_default(), ended.map(|(attempt, _)| attempt))
        }
        _ if known.over && expected => (unknown(), None),
        State::Waiting { reason, message } => (waiting(reason, message.clone()), None),
        State::Running { .. } => (waiting("ContainerCreating", None), None),
    };
    let last = last.map(|(attempt, ended)| (*attempt, ended));
    let newest = attempt.or(last.map(|(attempt, _)| attempt));
    let resources = container.spec.resources.clone().unwrap_or_default();
    ContainerStatus {
        name: container.name().to_owned(),
        image: container.spec.image.clone().unwrap_or_default(),
        image_id: String::new(),
        container_id: newest.map(|attempt| id(pod, container, attempt)),
        ready: if container.init { container.succeeded() } else { running },
        started: Some(running),
        restart_count: newest.unwrap_or(0).try_into().unwrap_or(i32::MAX),
        state: Some(state),
        last_state: Some(last.map(terminated).unwrap_or_default()),
        allocated_resources: newest.and(resources.requests.clone()),
        resources: newest.map(|_| resources),
        user: newest.map(|_| user()),
        volume_mounts: mounts(container),
        ..ContainerStatus::default()
    }
}

/// By its last part the log of the run is found.
fn id(pod: &Pod, container: &Container, attempt: u32) -> String {
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    format!("process://{uid}/{}/{attempt}", container.name())
}

/// All processes run as the user of the kubelet.
fn user() -> ContainerUser {
    let groups = getgroups().unwrap_or_default();
    ContainerUser {
        linux: Some(LinuxContainerUser {
            uid: getuid().as_raw().into(),
            gid: getgid().as_raw().into(),
            supplemental_groups: Some(groups.iter().map(|group| group.as_raw().into()).collect()),
        }),
    }
}

fn mounts(container: &Container) -> Option<Vec<VolumeMountStatus>> {
    let mounts = container.spec.volume_mounts.as_ref()?;
    let mounts = mounts.iter().map(|mount| VolumeMountStatus {
        name: mount.name.clone(),
        mount_path: mount.mount_path.clone(),
        read_only: mount.read_only,
        recursive_read_only: (mount.read_only == Some(true)).then(|| "Disabled".to_owned()),
        ..VolumeMountStatus::default()
    });
    Some(mounts.collect())
}

fn waiting(reason: &str, message: Option<String>) -> ContainerState {
    ContainerState {
        waiting: Some(ContainerStateWaiting { reason: Some(reason.to_owned()), message }),
        ..ContainerState::default()
    }
}

fn terminated(pod: &Pod, container: &Container, attempt: u32, ended: &Ended) -> ContainerState {
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            container_id: Some(id(pod, container, attempt)),
            exit_code: ended.exit_code,
            signal: None,
            reason: Some(ended.reason.clone()),
            message: ended.message.clone(),
            started_at: ended.started_at.map(Time),
            finished_at: Some(Time(ended.finished_at)),
        }),
        ..ContainerState::default()
    }
}

/// Of a container that the Pod's end came before.
fn unknown() -> ContainerState {
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: 137,
            reason: Some("ContainerStatusUnknown".to_owned()),
            message: Some(
                "The container could not be located when the pod was terminated".to_owned(),
            ),
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    }
}
