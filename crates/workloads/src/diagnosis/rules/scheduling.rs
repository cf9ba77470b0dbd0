//! Pods that no node takes, by the scheduler's own words.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kubeflow_mcp_core::Sign;

use super::{Case, quoted, says};
use crate::{
    diagnosis::{
        finding::{Certainty, Code, Finding},
        snapshot::Rank,
    },
    phase::Phase,
    train_job::runtime::is_device,
};

pub(super) const SIGNS: &[Sign] =
    &[INSUFFICIENT, EXCLUDED[0], EXCLUDED[1], EXCLUDED[2], EXCLUDED[3], GATED, SCALING];

const INSUFFICIENT: Sign = Sign::seen("Insufficient ");
const AFFINITY: &str =
    "k8s.io/kubernetes pkg/scheduler/framework/plugins/nodeaffinity/node_affinity.go";
const EXCLUDED: [Sign; 4] = [
    Sign::documented(
        "untolerated taint",
        "k8s.io/kubernetes pkg/scheduler/framework/plugins/tainttoleration/taint_toleration.go",
    ),
    Sign::seen("didn't match Pod's node affinity/selector"),
    Sign::documented("didn't match PersistentVolume's node affinity", AFFINITY),
    Sign::documented(
        "were unschedulable",
        "k8s.io/kubernetes pkg/scheduler/framework/plugins/nodeunschedulable/node_unschedulable.go",
    ),
];
const GATED: Sign = Sign::seen("SchedulingGated");
const SCALING: Sign = Sign::documented(
    "TriggeredScaleUp",
    "k8s.io/autoscaler cluster-autoscaler/processors/status/eventing_scale_up_processor.go",
);

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    if !matches!(
        case.standing.phase,
        Phase::Pending
            | Phase::Starting
            | Phase::Initializing
            | Phase::Running
            | Phase::CrashLooping
            | Phase::ImagePullFailed
    ) {
        return Vec::new();
    }
    let waiting: Vec<Rank<'_>> = case
        .snapshot
        .ranks(&case.members)
        .into_iter()
        .filter(|it| it.member.state.trouble == Some(crate::pods::Trouble::NotScheduled))
        .collect();
    let running = case.members.iter().any(|it| it.state.phase == "Running");
    let mut findings = Vec::new();
    for rank in waiting {
        let mut finding = of_pod(case, rank);
        if let Some(finding) = &mut finding
            && running
        {
            finding.what += "; its other Pods run and wait for it";
        }
        findings.extend(finding);
    }
    findings
}

fn of_pod(case: &Case<'_>, rank: Rank<'_>) -> Option<Finding> {
    let (reason, message) =
        (rank.member.state.reason.as_deref()?, rank.member.state.message.as_deref());
    let message = message.unwrap_or_default();
    // The rest repeats why preempting others would not help.
    let message = message.split(" preemption: ").next().unwrap_or_default();
    let (code, what) = if reason == GATED.name {
        (Code::SchedulingGated, "a scheduling gate keeps its Pods back".to_owned())
    } else if says(message, &[INSUFFICIENT]) {
        lacking(case, rank.pod, message)
    } else if says(message, &EXCLUDED) {
        (Code::NodesExcluded, "no node that it may run on takes it".to_owned())
    } else {
        return None;
    };
    let scaling = case.snapshot.events_of(&[SCALING.name]).into_iter().next_back();
    let certainty = if scaling.is_some() { Certainty::Possible } else { Certainty::Certain };
    let (group, index) = rank.key();
    let mut finding = Finding::new(code, certainty, what)
        .since(unscheduled_since(rank.pod))
        .of_rank(group, index)
        .shown_by(format!(
            "Pod/{} PodScheduled=False {reason}: {}",
            rank.member.pod,
            quoted(message)
        ));
    if scaling.is_some() {
        finding.what += "; the cluster is adding a node";
    }
    Some(finding)
}

/// What there is too little of, or none at all.
fn lacking(case: &Case<'_>, pod: &Pod, message: &str) -> (Code, String) {
    let lacking: BTreeSet<&str> = message
        .split(INSUFFICIENT.name)
        .skip(1)
        .filter_map(|it| it.split([',', ' ']).next())
        .map(|it| it.trim_end_matches('.'))
        .collect();
    let offered = |resource: &str| {
        case.snapshot.nodes.as_ref().map(|nodes| {
            let amounts = nodes.iter().filter_map(|it| it.status.as_ref()?.allocatable.as_ref());
            amounts.filter_map(|it| it.get(resource)).any(|it| it.0 != "0")
        })
    };
    let asked = |resource: &str| requested(pod, resource).unwrap_or_default();
    if let Some(none) = lacking.iter().find(|it| is_device(it) && offered(it) == Some(false)) {
        let what = format!("no node of the cluster has {none}, and it asks for {}", asked(none));
        return (Code::NoSuchResource, what);
    }
    let amounts: Vec<String> =
        lacking.iter().map(|it| format!("{} {it}", asked(it)).trim().to_owned()).collect();
    (Code::InsufficientResources, format!("no node has {} free", amounts.join(" and ")))
}

/// What one container asks for, the first that does.
fn requested(pod: &Pod, resource: &str) -> Option<String> {
    let containers = pod.spec.iter().flat_map(|it| &it.containers);
    let requests = containers.filter_map(|it| it.resources.as_ref()?.requests.as_ref());
    requests.filter_map(|it| it.get(resource)).map(|it| it.0.clone()).next()
}

fn unscheduled_since(pod: &Pod) -> Option<jiff::Timestamp> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|it| it.type_ == "PodScheduled")?;
    condition.last_transition_time.as_ref().map(|it| it.0)
}
