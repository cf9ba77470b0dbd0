//! Images that cannot be pulled, by the words of runtimes and registries.

use k8s_openapi::api::core::v1::Event;
use kubeflow_mcp_core::Sign;

use super::{Case, message, quoted, says};
use crate::{
    diagnosis::{
        finding::{Code, Finding},
        snapshot::Rank,
    },
    events::when,
    pods::Trouble,
};

pub(super) const SIGNS: &[Sign] = &[
    NEVER_PULLED,
    INVALID,
    FAILED,
    ACCESS[0],
    ACCESS[1],
    ACCESS[2],
    ACCESS[3],
    NOT_FOUND[0],
    NOT_FOUND[1],
    LIMITED[0],
    PLATFORM[0],
];

/// No node of the tests pulls images.
const CONTAINERD: &str = "github.com/containerd/containerd core/remotes/docker/resolver.go";
const REGISTRY: &str = "github.com/opencontainers/distribution-spec spec.md";
const NEVER_PULLED: Sign = Sign::seen("ErrImageNeverPull");
const INVALID: Sign =
    Sign::documented("InvalidImageName", "k8s.io/kubernetes pkg/kubelet/images/types.go");
const FAILED: Sign = Sign::seen("Failed");
const ACCESS: [Sign; 4] = [
    Sign::documented("401 Unauthorized", CONTAINERD),
    Sign::documented("403 Forbidden", CONTAINERD),
    Sign::documented("pull access denied", CONTAINERD),
    Sign::documented("unauthorized", REGISTRY),
];
const NOT_FOUND: [Sign; 2] =
    [Sign::documented("manifest unknown", REGISTRY), Sign::documented(": not found", CONTAINERD)];
const LIMITED: [Sign; 1] = [Sign::documented("toomanyrequests", REGISTRY)];
const PLATFORM: [Sign; 1] = [Sign::documented(
    "no match for platform",
    "github.com/containerd/containerd core/images/image.go",
)];

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let ranks = case.snapshot.ranks(&case.members).into_iter();
    let held = ranks.filter(|it| it.member.state.trouble == Some(Trouble::ImagePullFailed));
    held.map(|it| of_pod(case, it)).collect()
}

fn of_pod(case: &Case<'_>, rank: Rank<'_>) -> Finding {
    let state = &rank.member.state;
    let reason = state.reason.as_deref().unwrap_or_default();
    let of_pod = |it: &&Event| it.involved_object.name.as_deref() == Some(&rank.member.pod);
    let failed = case.snapshot.events_of(&[FAILED.name]);
    // The back-off's own message only names the image.
    let events: Vec<&str> = failed.iter().copied().filter(of_pod).map(message).collect();
    let told = state.message.as_deref().unwrap_or_default();
    let telling = events.iter().copied().chain([told]);
    let (code, what, shown) = telling
        .clone()
        .find_map(|text| kind(text).map(|(code, what)| (code, what, text)))
        .unwrap_or_else(|| {
            let (code, what) = match reason {
                it if it == NEVER_PULLED.name => (
                    Code::ImageNotPresent,
                    "the node does not have the image, and must not pull it",
                ),
                it if it == INVALID.name => (Code::ImageNotFound, "the image's name is not valid"),
                _ => (Code::ImageNotPulled, "the image cannot be pulled"),
            };
            (code, what, telling.clone().next_back().unwrap_or_default())
        });
    let at = failed.iter().copied().find(of_pod).and_then(when);
    let (group, index) = rank.key();
    Finding::certain(code, what)
        .since(at.or(rank.member.created.as_ref().map(|it| it.0)))
        .of_rank(group, index)
        .shown_by(format!("Pod/{} waits with {reason}: {}", rank.member.pod, quoted(shown)))
}

fn kind(text: &str) -> Option<(Code, &'static str)> {
    Some(if says(text, &LIMITED) {
        (Code::ImageRateLimited, "the registry limits how often images are pulled")
    } else if says(text, &PLATFORM) {
        (Code::ImagePlatform, "the image is made for other processors than the node has")
    } else if says(text, &ACCESS) {
        (Code::ImageAccess, "the registry refuses access, or has no such image")
    } else if says(text, &NOT_FOUND) {
        (Code::ImageNotFound, "the image does not exist under this name")
    } else {
        return None;
    })
}
