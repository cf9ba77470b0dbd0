//! How one Pod is doing, judged from its status alone.

use k8s_openapi::{
    api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kubeflow_mcp_core::Sign;
use schemars::JsonSchema;
use serde::Serialize;

/// How one Pod is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodState {
    /// Pending, Running, Succeeded, Failed or Unknown.
    pub phase: String,
    /// Kubernetes' word for what is the matter, where something is: `CrashLoopBackOff`,
    /// `OOMKilled`, `Unschedulable`, `ContainerCreating`.
    pub reason: Option<String>,
    pub message: Option<String>,
    /// Of the container that ended last, now or before its restart.
    pub exit_code: Option<i32>,
    pub restarts: i32,
    pub started: Option<Time>,
    pub finished: Option<Time>,
    pub trouble: Option<Trouble>,
}

/// What keeps a Pod from doing its work, as far as its status tells; the most telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub enum Trouble {
    CrashLooping,
    ImagePullFailed,
    /// A container cannot be made: a missing Secret, a bad command, a device error.
    CannotStart,
    /// No node takes it yet.
    NotScheduled,
    /// It ended and is not started again.
    Failed,
}

/// Of a Pod that does not run.
pub const SIGNS: [&[Sign]; 5] =
    [&IMAGE_REASONS, &START_REASONS, &ORDINARY_WAITS, &SCHEDULING_REASONS, &[CRASH_LOOP]];

/// The kubelet of the tests runs processes, and pulls no images.
const IMAGES: &str = "k8s.io/kubernetes pkg/kubelet/images/types.go";
const CONTAINERS: &str = "k8s.io/kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go";

const IMAGE_REASONS: [Sign; 6] = [
    Sign::seen("ErrImageNeverPull"),
    Sign::documented("ErrImagePull", IMAGES),
    Sign::documented("ImagePullBackOff", IMAGES),
    Sign::documented("InvalidImageName", IMAGES),
    Sign::documented("RegistryUnavailable", "k8s.io/cri-api pkg/errors/errors.go"),
    Sign::documented("ImageInspectError", IMAGES),
];
const START_REASONS: [Sign; 5] = [
    Sign::seen("CreateContainerConfigError"),
    Sign::documented("CreateContainerError", CONTAINERS),
    Sign::documented("RunContainerError", "k8s.io/kubernetes pkg/kubelet/container/sync_result.go"),
    Sign::documented("PreCreateHookError", CONTAINERS),
    Sign::documented("PostStartHookError", CONTAINERS),
];
/// What a container waits for in the ordinary course of things.
const ORDINARY_WAITS: [Sign; 2] = [Sign::seen("ContainerCreating"), Sign::seen("PodInitializing")];
const SCHEDULING_REASONS: [Sign; 2] = [Sign::seen("Unschedulable"), Sign::seen("SchedulingGated")];
const CRASH_LOOP: Sign = Sign::seen("CrashLoopBackOff");

impl PodState {
    pub fn of(pod: &Pod) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let phase = status.phase.clone().unwrap_or_else(|| "Pending".to_owned());
        let containers: Vec<&ContainerStatus> = status
            .init_container_statuses
            .iter()
            .chain(&status.container_statuses)
            .flatten()
            .collect();
        let restarts = containers.iter().map(|it| it.restart_count).sum();
        let (reason, message) = matter(pod, &containers).unwrap_or_default();
        let ended = containers.iter().filter_map(|it| end(it)).max_by_key(|it| {
            // A clean end says less than a crash beside it.
            (it.exit_code != 0, it.finished_at.as_ref().map(|at| at.0))
        });
        let done = phase == "Succeeded" || phase == "Failed";
        Self {
            trouble: trouble(&phase, reason.as_deref(), restarts),
            reason,
            message: message.filter(|it| !it.is_empty()),
            exit_code: ended.map(|it| it.exit_code),
            restarts,
            started: status.start_time,
            finished: ended.and_then(|it| it.finished_at.clone()).filter(|_| done),
            phase,
        }
    }
}

/// The reason and message that explain why the Pod is not simply running or done.
fn matter(pod: &Pod, containers: &[&ContainerStatus]) -> Option<(Option<String>, Option<String>)> {
    let status = pod.status.as_ref()?;
    if let Some(reason) = &status.reason {
        return Some((Some(reason.clone()), status.message.clone()));
    }
    let waiting = || containers.iter().filter_map(|it| it.state.as_ref()?.waiting.as_ref());
    let ordinary = |reason: &Option<String>| {
        reason.as_deref().is_none_or(|it| Sign::among(&ORDINARY_WAITS, it))
    };
    if let Some(wait) = waiting().find(|it| !ordinary(&it.reason)) {
        return Some((wait.reason.clone(), wait.message.clone()));
    }
    let failed = |state: &ContainerState| state.terminated.clone().filter(|it| it.exit_code != 0);
    if let Some(end) = containers.iter().find_map(|it| failed(it.state.as_ref()?)) {
        return Some((end.reason.or_else(|| Some("Error".to_owned())), end.message));
    }
    if pod.metadata.deletion_timestamp.is_some() {
        return Some((Some("Terminating".to_owned()), None));
    }
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|it| it.type_ == "PodScheduled" && it.status == "False");
    if let Some(condition) = unscheduled {
        return Some((condition.reason.clone(), condition.message.clone()));
    }
    waiting().find(|it| it.reason.is_some()).map(|it| (it.reason.clone(), it.message.clone()))
}

/// How the container ended, or how it did before it was restarted.
fn end(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let terminated = |state: &'_ Option<ContainerState>| {
        state.as_ref().is_some_and(|it| it.terminated.is_some())
    };
    let state = if terminated(&container.state) { &container.state } else { &container.last_state };
    state.as_ref()?.terminated.as_ref()
}

fn trouble(phase: &str, reason: Option<&str>, restarts: i32) -> Option<Trouble> {
    let reason = reason.unwrap_or_default();
    match phase {
        "Succeeded" => None,
        "Failed" => Some(Trouble::Failed),
        _ if Sign::among(&IMAGE_REASONS, reason) => Some(Trouble::ImagePullFailed),
        _ if Sign::among(&START_REASONS, reason) => Some(Trouble::CannotStart),
        _ if reason == CRASH_LOOP.name || restarts > 0 => Some(Trouble::CrashLooping),
        _ if Sign::among(&SCHEDULING_REASONS, reason) => Some(Trouble::NotScheduled),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn check(status: Value, expected: &str) {
        let pod: Pod = serde_json::from_value(json!({"metadata": {}, "status": status})).unwrap();
        let it = PodState::of(&pod);
        let code = it.exit_code.map_or(String::new(), |code| format!(" exit {code}"));
        let seen = format!(
            "{} {}{code} restarts {} {:?}",
            it.phase,
            it.reason.as_deref().unwrap_or("-"),
            it.restarts,
            it.trouble
        );
        assert_eq!(seen, expected);
    }

    fn container(restarts: i32, state: Value, last: Value) -> Value {
        json!([{"name": "node", "image": "", "imageID": "", "ready": false,
                "restartCount": restarts, "state": state, "lastState": last}])
    }

    #[test]
    fn each_state_has_its_reason() {
        let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        check(json!({}), "Pending - restarts 0 None");
        check(
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
                   "reason": "Unschedulable", "message": "0/1 nodes are available"}]}),
            "Pending Unschedulable restarts 0 Some(NotScheduled)",
        );
        let waiting = |reason: &str| json!({"waiting": {"reason": reason}});
        check(
            json!({"phase": "Pending",
                   "containerStatuses": container(0, waiting("ContainerCreating"), json!({}))}),
            "Pending ContainerCreating restarts 0 None",
        );
        check(
            json!({"phase": "Pending",
                   "containerStatuses": container(0, waiting("ErrImageNeverPull"), json!({}))}),
            "Pending ErrImageNeverPull restarts 0 Some(ImagePullFailed)",
        );
        check(
            json!({"phase": "Running",
                   "containerStatuses": container(3, waiting("CrashLoopBackOff"), killed.clone())}),
            "Running CrashLoopBackOff exit 137 restarts 3 Some(CrashLooping)",
        );
        check(
            json!({"phase": "Running",
                   "containerStatuses": container(1, json!({"running": {}}), killed.clone())}),
            "Running - exit 137 restarts 1 Some(CrashLooping)",
        );
        check(
            json!({"phase": "Failed", "containerStatuses": container(0, killed, json!({}))}),
            "Failed OOMKilled exit 137 restarts 0 Some(Failed)",
        );
        check(
            json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}),
            "Failed Evicted restarts 0 Some(Failed)",
        );
        let done = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
        check(
            json!({"phase": "Succeeded", "containerStatuses": container(2, done, json!({}))}),
            "Succeeded - exit 0 restarts 2 None",
        );
        check(
            json!({"phase": "Pending", "initContainerStatuses":
                   container(0, waiting("CreateContainerConfigError"), json!({})),
                   "containerStatuses": container(0, waiting("PodInitializing"), json!({}))}),
            "Pending CreateContainerConfigError restarts 0 Some(CannotStart)",
        );
    }
}
