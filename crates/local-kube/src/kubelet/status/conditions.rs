//! The conditions that a kubelet keeps on a Pod.

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{ContainerStatus, Pod, PodCondition, PodStatus},
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::{Known, unready};

const OWN: [&str; 5] =
    ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/// Lets the Pod's own conditions be those that were written last, which the Pod may not show yet.
pub(in super::super) fn keep_own(pod: &mut Pod, written: &PodStatus) {
    let own = written.conditions.iter().flatten().filter(|known| is_own(&known.type_)).cloned();
    let status = pod.status.get_or_insert_default();
    let conditions = status.conditions.get_or_insert_default();
    conditions.retain(|known| !is_own(&known.type_));
    conditions.extend(own);
}

/// Whether it holds, the reason and the message.
type Judged = (bool, Option<&'static str>, Option<String>);

pub(super) fn conditions(
    known: &Known<'_>,
    phase: &str,
    inits: &[ContainerStatus],
    mains: &[ContainerStatus],
    now: Timestamp,
) -> Vec<PodCondition> {
    let pod = known.pod;
    let ready = ready(phase, mains);
    let terminal = matches!(phase, "Succeeded" | "Failed");
    let runs = known.containers.iter().any(super::Container::runs);
    let judged: [Judged; 5] = [
        ((known.prepared || runs) && !terminal, None, None),
        initialized(known, phase, inits),
        ready.clone(),
        ready,
        (true, None, None),
    ];
    let before = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let own = OWN.into_iter().zip(judged).map(|(type_, (holds, reason, message))| {
        let holds = if holds { "True" } else { "False" };
        let same = before.clone().find(|c| c.type_ == type_ && c.status == holds);
        let since = same.and_then(|condition| condition.last_transition_time.clone());
        PodCondition {
            type_: type_.to_owned(),
            status: holds.to_owned(),
            reason: reason.map(str::to_owned),
            message,
            last_transition_time: since.or(Some(Time(now))),
            observed_generation: pod.metadata.generation,
            ..PodCondition::default()
        }
    });
    own.collect()
}

fn initialized(known: &Known<'_>, phase: &str, inits: &[ContainerStatus]) -> Judged {
    let unready = unready(inits);
    let begun = |c: &super::Container| !c.init && (c.ended().is_some() || c.process().is_some());
    if phase == "Succeeded" {
        (true, Some("PodCompleted"), None)
    } else if unready.is_empty() || known.containers.iter().any(begun) {
        (true, None, None)
    } else {
        let message = format!("containers with incomplete status: [{unready}]");
        (false, Some("ContainersNotInitialized"), Some(message))
    }
}

fn ready(phase: &str, mains: &[ContainerStatus]) -> Judged {
    let unready = unready(mains);
    match phase {
        "Succeeded" => (false, Some("PodCompleted"), None),
        "Failed" => (false, Some("PodFailed"), None),
        _ if unready.is_empty() => (true, None, None),
        _ => {
            let message = format!("containers with unready status: [{unready}]");
            (false, Some("ContainersNotReady"), Some(message))
        }
    }
}

fn is_own(type_: &str) -> bool {
    OWN.contains(&type_)
}
