//! A Pod's status from what is known of its containers, in the kubelet's words.

mod conditions;
mod containers;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{ContainerStatus, HostIP, Pod, PodIP, PodStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

pub(super) use self::conditions::keep_own as keep_own_conditions;
use super::{container::Container, fields::ADDRESS};

/// Why the kubelet itself ended a Pod.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) reason: &'static str,
    pub(super) message: &'static str,
}

/// What is known of a Pod.
pub(super) struct Known<'a> {
    pub(super) pod: &'a Pod,
    pub(super) containers: &'a [Container],
    pub(super) started: Timestamp,
    /// Whether all is there that its containers need.
    pub(super) prepared: bool,
    /// Whether nothing of it runs and nothing will be started any more.
    pub(super) over: bool,
    pub(super) verdict: Option<&'a Verdict>,
}

pub(super) fn restart_policy(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()).unwrap_or("Always")
}

/// Whether the Pod is over for good.
pub(super) fn terminal(status: Option<&PodStatus>) -> bool {
    let phase = status.and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

pub(super) fn status(known: &Known<'_>, now: Timestamp) -> PodStatus {
    let pod = known.pod;
    let verdict = known.verdict.filter(|_| known.over);
    let phase = phase(known);
    let (inits, mains) = containers::statuses(known);
    let before = pod.status.as_ref();
    let run = known.containers.iter().any(|it| it.runs() || it.ended().is_some());
    let placed = known.prepared || run || before.is_some_and(|status| status.pod_ip.is_some());
    PodStatus {
        phase: Some(phase.to_owned()),
        conditions: Some(conditions::conditions(known, phase, &inits, &mains, now)),
        reason: verdict.map(|verdict| verdict.reason.to_owned()),
        message: verdict.map(|verdict| verdict.message.to_owned()),
        host_ip: Some(ADDRESS.into()),
        host_ips: Some(vec![HostIP { ip: ADDRESS.into() }]),
        pod_ip: placed.then(|| ADDRESS.into()),
        pod_ips: placed.then(|| vec![PodIP { ip: ADDRESS.into() }]),
        start_time: Some(Time(known.started)),
        observed_generation: pod.metadata.generation,
        qos_class: before.and_then(|status| status.qos_class.clone()),
        init_container_statuses: (!inits.is_empty()).then_some(inits),
        container_statuses: Some(mains),
        ..PodStatus::default()
    }
}

fn phase(known: &Known<'_>) -> &'static str {
    let policy = restart_policy(known.pod);
    let (inits, mains): (Vec<_>, Vec<_>) = known.containers.iter().partition(|c| c.init);
    if known.over {
        let succeeded = |c: &&Container| c.ended().is_some_and(|ended| ended.exit_code == 0);
        let all = mains.iter().all(succeeded) && known.verdict.is_none();
        return if all { "Succeeded" } else { "Failed" };
    }
    if let Some(init) = inits.into_iter().find(|init| !init.succeeded()) {
        return if init.over(policy) { "Failed" } else { "Pending" };
    }
    let begun = |c: &&Container| c.ended().is_some() || c.process().is_some();
    if !mains.iter().all(begun) {
        // One that has ended does not bring the Pod back to waiting for its start.
        return if mains.iter().any(begun) && mains.iter().any(|c| c.process().is_some()) {
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

/// The names of the containers that are not ready.
fn unready(statuses: &[ContainerStatus]) -> String {
    let names = statuses.iter().filter(|status| !status.ready).map(|s| s.name.as_str());
    names.collect::<Vec<_>>().join(" ")
}
