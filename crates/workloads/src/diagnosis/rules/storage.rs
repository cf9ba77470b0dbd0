//! Volumes that are not there, or not where the Pod is.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt as _;
use kubeflow_mcp_core::Sign;

use super::{Case, message, quoted, says, shown};
use crate::{
    diagnosis::{
        finding::{Code, Finding},
        snapshot::Rank,
    },
    events::when,
    pods::Trouble,
};

pub(super) const SIGNS: &[Sign] = &[
    UNBOUND[0],
    UNBOUND[1],
    CLAIM_EVENTS[0],
    CLAIM_EVENTS[1],
    MOUNT_EVENTS[0],
    MOUNT_EVENTS[1],
    MISSING[0],
    MISSING[1],
    MISSING[2],
];

const VOLUMES: &str = "k8s.io/kubernetes pkg/controller/volume/events/event.go";
const KUBELET: &str = "k8s.io/kubernetes pkg/kubelet/kubelet_pods.go";
const UNBOUND: [Sign; 2] = [
    Sign::documented(
        "unbound immediate PersistentVolumeClaims",
        "k8s.io/kubernetes pkg/scheduler/framework/plugins/volumebinding/volume_binding.go",
    ),
    Sign::seen("persistentvolumeclaim "),
];
const CLAIM_EVENTS: [Sign; 2] =
    [Sign::documented("FailedBinding", VOLUMES), Sign::documented("ProvisioningFailed", VOLUMES)];
const MOUNT_EVENTS: [Sign; 2] =
    [Sign::seen("FailedMount"), Sign::documented("FailedAttachVolume", VOLUMES)];
/// Of what a volume or a variable is made from; quotation marks differ.
pub(super) const MISSING: [Sign; 3] = [
    Sign::seen("secret \""),
    Sign::documented("configmap \"", KUBELET),
    Sign::documented("couldn't find key ", KUBELET),
];

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rank in case.snapshot.ranks(&case.members) {
        let state = &rank.member.state;
        if state.trouble == Some(Trouble::NotScheduled) {
            findings.extend(unbound(case, rank));
        } else if state.phase == "Pending" {
            findings.extend(unmounted(case, rank));
        }
    }
    findings
}

/// The scheduler waits for a claim; what became of the claim, its own events say.
fn unbound(case: &Case<'_>, rank: Rank<'_>) -> Option<Finding> {
    let told = rank.member.state.message.as_deref()?;
    if !says(told, &UNBOUND) {
        return None;
    }
    let claims = claims(rank.pod);
    let (group, index) = rank.key();
    let reasons = CLAIM_EVENTS.map(|it| it.name);
    let about =
        |it: &&Event| it.involved_object.name.as_ref().is_some_and(|it| claims.contains(it));
    let event = case.snapshot.events_of(&reasons).into_iter().rfind(about);
    let finding = Finding::certain(
        Code::VolumeUnbound,
        format!("its volume claim {} is not bound to a volume", claims.join(" or ")),
    )
    .since(rank.pod.creation_timestamp().map(|it| it.0))
    .of_rank(group, index)
    .shown_by(format!("Pod/{} PodScheduled=False: {}", rank.member.pod, quoted(told)));
    let finding = match event {
        Some(event) => finding.shown_by(shown(event)),
        None => finding,
    };
    let pending = case.snapshot.claims.iter().find(|it| claims.contains(&it.name_any()));
    let phase = pending.and_then(|it| Some((it.name_any(), it.status.as_ref()?.phase.clone()?)));
    Some(match phase {
        Some((name, phase)) => {
            finding.shown_by(format!("PersistentVolumeClaim/{name} status.phase: {phase}"))
        }
        None => finding,
    })
}

fn unmounted(case: &Case<'_>, rank: Rank<'_>) -> Option<Finding> {
    let reasons = MOUNT_EVENTS.map(|it| it.name);
    let of_pod = |it: &&Event| it.involved_object.name.as_deref() == Some(&rank.member.pod);
    let event = case.snapshot.events_of(&reasons).into_iter().rfind(of_pod)?;
    let (group, index) = rank.key();
    let (code, what) = if says(message(event), &UNBOUND) {
        (Code::VolumeUnbound, "a volume claim that it uses is not there, or not bound")
    } else if says(message(event), &MISSING) {
        (Code::SecretMissing, "a Secret or ConfigMap that its volumes name is missing")
    } else {
        (Code::VolumeNotMounted, "a volume cannot be attached or mounted")
    };
    let finding = Finding::certain(code, what).since(when(event)).of_rank(group, index);
    Some(finding.shown_by(shown(event)))
}

fn claims(pod: &Pod) -> Vec<String> {
    let volumes = pod.spec.iter().flat_map(|it| it.volumes.iter().flatten());
    volumes.filter_map(|it| Some(it.persistent_volume_claim.as_ref()?.claim_name.clone())).collect()
}
