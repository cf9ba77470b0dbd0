//! Jobs that were ended from outside: by their time limit, by what is more important, by their node.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt as _;
use kubeflow_mcp_core::Sign;

use super::{Case, quoted, says, shown};
use crate::{
    diagnosis::{
        finding::{Certainty, Code, Finding},
        snapshot::Rank,
    },
    events::when,
};

pub(super) const SIGNS: &[Sign] = &[
    DEADLINE,
    EVICTED,
    DISRUPTED,
    PREEMPTED[0],
    PREEMPTED[1],
    NODE_GONE[0],
    NODE_GONE[1],
    NODE_GONE[2],
    NODE_GONE[3],
    OUT_OF_DISK,
    EVENTS[1],
];

const CORE: &str = "k8s.io/api core/v1/types.go";
const DEADLINE: Sign = Sign::seen("DeadlineExceeded");
const EVICTED: Sign =
    Sign::documented("Evicted", "k8s.io/kubernetes pkg/kubelet/eviction/eviction_manager.go");
const DISRUPTED: Sign = Sign::documented("DisruptionTarget", CORE);
const PREEMPTED: [Sign; 2] = [
    Sign::documented("PreemptionByScheduler", CORE),
    Sign::documented(
        "Preempted",
        "k8s.io/kubernetes pkg/scheduler/framework/preemption/executor.go",
    ),
];
const NODE_GONE: [Sign; 4] = [
    Sign::documented("DeletionByTaintManager", "k8s.io/kubernetes pkg/controller/tainteviction"),
    Sign::documented(
        "EvictionByEvictionAPI",
        "k8s.io/kubernetes pkg/registry/core/pod/storage/eviction.go",
    ),
    Sign::documented("DeletionByPodGC", "k8s.io/kubernetes pkg/controller/podgc/gc_controller.go"),
    Sign::documented("NodeLost", "k8s.io/kubernetes pkg/util/node/node.go"),
];
const OUT_OF_DISK: Sign =
    Sign::documented("ephemeral", "k8s.io/kubernetes pkg/kubelet/eviction/helpers.go");
/// Of Pods that are gone already.
const EVENTS: [Sign; 2] = [
    PREEMPTED[1],
    Sign::documented("TaintManagerEviction", "k8s.io/kubernetes pkg/controller/tainteviction"),
];

/// Whether somebody else ended the Pod.
pub(super) fn is_disrupted(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    let reason = status.and_then(|it| it.reason.as_deref()).unwrap_or_default();
    [EVICTED.name, DEADLINE.name, NODE_GONE[3].name].contains(&reason) || target(pod).is_some()
}

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = time_limit(case).into_iter().collect();
    let ranks = case.snapshot.ranks(&case.members);
    findings.extend(ranks.iter().filter_map(|it| of_pod(*it)));
    if case.snapshot.job.end().is_none_or(|it| it.failed) && findings.is_empty() {
        findings.extend(of_gone(case));
    }
    findings
}

fn time_limit(case: &Case<'_>) -> Option<Finding> {
    let job = &case.snapshot.job;
    let end = job.end().filter(|it| it.failed && it.reason == DEADLINE.name);
    if let Some(end) = end {
        let limit = job.time_limit().map_or(String::new(), |it| format!(" of {it} s"));
        let what =
            format!("it ran longer than its time limit{limit}; queueing and pulls count too");
        let shown = format!("{} Failed=True {}: {}", job.kind(), end.reason, quoted(&end.message));
        return Some(Finding::certain(Code::TimeLimit, what).since(end.at).shown_by(shown));
    }
    case.snapshot.jobs.iter().find_map(|job| {
        let conditions = job.status.as_ref()?.conditions.as_ref()?;
        let failed = conditions
            .iter()
            .find(|it| it.type_ == "Failed" && it.reason.as_deref() == Some(DEADLINE.name))?;
        let message = failed.message.as_deref().unwrap_or_default();
        Some(
            Finding::certain(Code::TimeLimit, "one of its Jobs ran longer than the runtime allows")
                .since(failed.last_transition_time.as_ref().map(|it| it.0))
                .shown_by(format!(
                    "Job/{} Failed {}: {}",
                    job.name_any(),
                    DEADLINE.name,
                    quoted(message)
                )),
        )
    })
}

fn of_pod(rank: Rank<'_>) -> Option<Finding> {
    let status = rank.pod.status.as_ref()?;
    let (group, index) = rank.key();
    let reason = status.reason.as_deref().unwrap_or_default();
    let message = status.message.as_deref().unwrap_or_default();
    if reason == EVICTED.name {
        let (code, what) = if says(message, &[OUT_OF_DISK]) {
            (Code::DiskFull, "its node ran out of disk and evicted its Pod")
        } else {
            (Code::Evicted, "its node ran out of something and evicted its Pod")
        };
        let at = target(rank.pod).and_then(|it| it.1);
        let shown = format!("Pod/{} Failed {reason}: {}", rank.member.pod, quoted(message));
        return Some(Finding::certain(code, what).since(at).of_rank(group, index).shown_by(shown));
    }
    let (why, at, told) = target(rank.pod)?;
    let (code, what) = if why == PREEMPTED[0].name {
        (Code::Preempted, "a Pod of higher priority took its place")
    } else if NODE_GONE.iter().any(|it| it.name == why) {
        (Code::NodeLost, "its node failed, was drained or removed")
    } else {
        (Code::Evicted, "its node ended its Pod")
    };
    let shown = format!("Pod/{} {}=True {why}: {}", rank.member.pod, DISRUPTED.name, quoted(&told));
    Some(Finding::certain(code, what).since(at).of_rank(group, index).shown_by(shown))
}

/// Reason, time and message of the condition that says that somebody else ends the Pod.
fn target(pod: &Pod) -> Option<(String, Option<jiff::Timestamp>, String)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let it = conditions.iter().find(|it| it.type_ == DISRUPTED.name && it.status == "True")?;
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    Some((text(&it.reason), it.last_transition_time.as_ref().map(|it| it.0), text(&it.message)))
}

/// Of Pods that only events still tell of.
fn of_gone(case: &Case<'_>) -> Vec<Finding> {
    let there = |event: &&Event| {
        let name = event.involved_object.name.as_deref();
        case.members.iter().any(|it| Some(it.pod.as_str()) == name)
    };
    let events = case.snapshot.events_of(&EVENTS.map(|it| it.name)).into_iter();
    let gone = events.filter(|it| !there(it)).map(|event| {
        let (code, what) = if event.reason.as_deref() == Some(EVENTS[0].name) {
            (Code::Preempted, "a Pod of higher priority took the place of one of its Pods")
        } else {
            (Code::NodeLost, "a node was to be left by its Pods")
        };
        let finding = Finding::new(code, Certainty::Likely, what).since(when(event));
        let rank =
            case.snapshot.job.rank_of(event.involved_object.name.as_deref().unwrap_or_default());
        let finding = finding.shown_by(shown(event));
        match rank {
            Some((group, index)) => finding.of_rank(&group, index),
            None => finding,
        }
    });
    gone.collect()
}
