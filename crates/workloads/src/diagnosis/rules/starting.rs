//! Containers that cannot be started, though their image is there.

use k8s_openapi::api::core::v1::Event;
use kubeflow_mcp_core::Sign;

use super::{Case, quoted, says, shown, storage::MISSING};
use crate::{
    diagnosis::{
        finding::{Code, Finding},
        log_patterns::recognise,
        snapshot::Rank,
    },
    events::when,
    pods::Trouble,
};

pub(super) const SIGNS: &[Sign] = &[SANDBOX];

const SANDBOX: Sign =
    Sign::documented("FailedCreatePodSandBox", "k8s.io/kubernetes pkg/kubelet/events/event.go");

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rank in case.snapshot.ranks(&case.members) {
        if rank.member.state.trouble == Some(Trouble::CannotStart) {
            findings.push(not_started(rank));
        } else if rank.member.state.phase == "Pending" {
            findings.extend(without_sandbox(case, rank));
        }
    }
    findings
}

fn not_started(rank: Rank<'_>) -> Finding {
    let state = &rank.member.state;
    let (reason, message) =
        (state.reason.as_deref().unwrap_or_default(), state.message.as_deref().unwrap_or_default());
    let recognised = recognise([message]).filter(|it| it.code == Code::CommandNotFound);
    let (code, what) = if says(message, &MISSING) {
        let what = "a Secret or ConfigMap that its environment names is missing, or lacks the key";
        (Code::SecretMissing, what.to_owned())
    } else if let Some(it) = recognised {
        (it.code, it.what)
    } else {
        (Code::ContainerNotStarted, "its container cannot be started".to_owned())
    };
    let (group, index) = rank.key();
    Finding::certain(code, what)
        .since(rank.member.created.as_ref().map(|it| it.0))
        .of_rank(group, index)
        .shown_by(format!("Pod/{} waits with {reason}: {}", rank.member.pod, quoted(message)))
}

fn without_sandbox(case: &Case<'_>, rank: Rank<'_>) -> Option<Finding> {
    let of_pod = |it: &&Event| it.involved_object.name.as_deref() == Some(&rank.member.pod);
    let event = case.snapshot.events_of(&[SANDBOX.name]).into_iter().rfind(of_pod)?;
    let (group, index) = rank.key();
    let what = "the node cannot set up its Pod's network or sandbox";
    let finding = Finding::certain(Code::ContainerNotStarted, what).since(when(event));
    Some(finding.of_rank(group, index).shown_by(shown(event)))
}
