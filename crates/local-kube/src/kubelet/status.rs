//! A Pod's status from what is known of its containers, in the kubelet's words.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{
        ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
        ContainerStatus, HostIP, Pod, PodCondition, PodIP, PodStatus,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{
    container::{Container, State},
    fields::ADDRESS,
    run::Ended,
};

/// Why the kubelet itself ended a Pod.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) reason: &'static str,
    pub(super) message: &'static str,
}

pub(super) fn restart_policy(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()).unwrap_or("Always")
}

/// Lets the Pod's own conditions be those that were written last, which the Pod may not show yet.
pub(super) fn keep_own_conditions(pod: &mut Pod, written: &PodStatus) {
    let own = written.conditions.iter().flatten().filter(|known| is_own(&known.type_)).cloned();
    let status = pod.status.get_or_insert_default();
    let conditions = status.conditions.get_or_insert_default();
    conditions.retain(|known| !is_own(&known.type_));
    conditions.extend(own);
}

/// Whether the Pod is over for good.
pub(super) fn terminal(status: Option<&PodStatus>) -> bool {
    let phase = status.and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

pub(super) fn status(
    pod: &Pod,
    containers: &[Container],
    started: Timestamp,
    verdict: Option<&Verdict>,
    now: Timestamp,
) -> PodStatus {
    let phase = phase(restart_policy(pod), containers, verdict);
    let (inits, mains): (Vec<_>, Vec<_>) = containers.iter().partition(|c| c.init);
    let statuses = |containers: Vec<&Container>| {
        containers.into_iter().map(|container| of_container(pod, container)).collect::<Vec<_>>()
    };
    let (inits, mains) = (statuses(inits), statuses(mains));
    PodStatus {
        phase: Some(phase.to_owned()),
        conditions: Some(conditions(pod, phase, &inits, &mains, now)),
        reason: verdict.map(|verdict| verdict.reason.to_owned()),
        message: verdict.map(|verdict| verdict.message.to_owned()),
        host_ip: Some(ADDRESS.into()),
        host_ips: Some(vec![HostIP { ip: ADDRESS.into() }]),
        pod_ip: Some(ADDRESS.into()),
        pod_ips: Some(vec![PodIP { ip: ADDRESS.into() }]),
        start_time: Some(Time(started)),
        observed_generation: pod.metadata.generation,
        qos_class: pod.status.as_ref().and_then(|status| status.qos_class.clone()),
        init_container_statuses: (!inits.is_empty()).then_some(inits),
        container_statuses: Some(mains),
        ..PodStatus::default()
    }
}

fn phase(policy: &str, containers: &[Container], verdict: Option<&Verdict>) -> &'static str {
    if verdict.is_some() && !containers.iter().any(Container::runs) {
        return "Failed";
    }
    let (inits, mains): (Vec<_>, Vec<_>) = containers.iter().partition(|c| c.init);
    if let Some(init) = inits.into_iter().find(|init| !init.succeeded()) {
        return if init.over(policy) { "Failed" } else { "Pending" };
    }
    let begun = |c: &&Container| c.ended().is_some() || runs(c);
    if !mains.iter().all(begun) {
        // One that has ended does not bring the Pod back to waiting for its start.
        return if mains.iter().any(begun) && mains.iter().any(|c| runs(c)) {
            "Running"
        } else {
            "Pending"
        };
    }
    match mains.iter().all(|container| container.over(policy)) {
        true if mains.iter().all(|container| container.succeeded()) => "Succeeded",
        true => "Failed",
        false => "Running",
    }
}

fn runs(container: &Container) -> bool {
    matches!(container.state, State::Running { started: Some(_), .. })
}

fn of_container(pod: &Pod, container: &Container) -> ContainerStatus {
    let running = runs(container);
    let (state, attempt) = match &container.state {
        State::Waiting { reason, message } => (waiting(reason, message.clone()), None),
        State::Running { started: None, .. } => (waiting("ContainerCreating", None), None),
        State::Running { attempt, started: Some(started), .. } => (
            ContainerState {
                running: Some(ContainerStateRunning { started_at: Some(Time(started.at)) }),
                ..ContainerState::default()
            },
            Some(*attempt),
        ),
        State::Terminated { attempt, ended } => {
            (terminated(pod, container, *attempt, ended), Some(*attempt))
        }
    };
    let last = container.last.as_ref();
    let newest = attempt.or(last.map(|(attempt, _)| *attempt));
    ContainerStatus {
        name: container.name().to_owned(),
        image: container.spec.image.clone().unwrap_or_default(),
        image_id: String::new(),
        container_id: newest.map(|attempt| id(pod, container, attempt)),
        ready: if container.init { container.succeeded() } else { running },
        started: Some(running),
        restart_count: newest.unwrap_or(0).try_into().unwrap_or(i32::MAX),
        state: Some(state),
        last_state: Some(
            last.map(|(attempt, ended)| terminated(pod, container, *attempt, ended))
                .unwrap_or_default(),
        ),
        ..ContainerStatus::default()
    }
}

/// By its last part the log of the run is found.
fn id(pod: &Pod, container: &Container, attempt: u32) -> String {
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    format!("process://{uid}/{}/{attempt}", container.name())
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

fn conditions(
    pod: &Pod,
    phase: &str,
    inits: &[ContainerStatus],
    mains: &[ContainerStatus],
    now: Timestamp,
) -> Vec<PodCondition> {
    let unready = |statuses: &[ContainerStatus]| {
        let names = statuses.iter().filter(|status| !status.ready).map(|s| s.name.as_str());
        names.collect::<Vec<_>>().join(" ")
    };
    let uninitialized = unready(inits);
    let initialized = match phase {
        "Succeeded" => (true, Some("PodCompleted"), None),
        _ if uninitialized.is_empty() => (true, None, None),
        _ => {
            let message = format!("containers with incomplete status: [{uninitialized}]");
            (false, Some("ContainersNotInitialized"), Some(message))
        }
    };
    let not_ready = unready(mains);
    let ready = match phase {
        "Succeeded" => (false, Some("PodCompleted"), None),
        "Failed" => (false, Some("PodFailed"), None),
        _ if not_ready.is_empty() => (true, None, None),
        _ => {
            let message = format!("containers with unready status: [{not_ready}]");
            (false, Some("ContainersNotReady"), Some(message))
        }
    };
    let started = !matches!(phase, "Succeeded" | "Failed");
    let known = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let own = [
        ("PodReadyToStartContainers", (started, None, None)),
        ("Initialized", initialized),
        ("Ready", ready.clone()),
        ("ContainersReady", ready),
    ];
    let mut conditions: Vec<PodCondition> = own
        .into_iter()
        .map(|(type_, (holds, reason, message))| {
            let holds = if holds { "True" } else { "False" };
            let before = known.clone().find(|c| c.type_ == type_ && c.status == holds);
            let since = before.and_then(|condition| condition.last_transition_time.clone());
            PodCondition {
                type_: type_.to_owned(),
                status: holds.to_owned(),
                reason: reason.map(str::to_owned),
                message,
                last_transition_time: since.or(Some(Time(now))),
                observed_generation: pod.metadata.generation,
                ..PodCondition::default()
            }
        })
        .collect();
    // What others have written, such as the scheduler, stays.
    let foreign = known.filter(|known| !is_own(&known.type_)).cloned();
    conditions.extend(foreign);
    conditions
}

fn is_own(type_: &str) -> bool {
    matches!(type_, "PodReadyToStartContainers" | "Initialized" | "Ready" | "ContainersReady")
}
