//! The steps of a TrainJob: its Pods under the names that the Kubeflow SDK gives them.

use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt as _, api::ListParams};
use kubeflow_mcp_core::{Caller, Result};
use schemars::JsonSchema;
use serde::Serialize;

use super::TrainJob;
use crate::pods::{Group, Labels, Member, failing, groups, newest, ranks};

pub const LABELS: Labels = Labels {
    group: "jobset.sigs.k8s.io/replicatedjob-name",
    index: "batch.kubernetes.io/job-completion-index",
};
const INITIALIZERS: [&str; 2] = ["dataset-initializer", "model-initializer"];
/// Rows beside the groups; a reader who wants another rank asks for it by name.
const ROWS: usize = 8;
const MESSAGE: usize = 300;

/// What the Pods of a TrainJob come to, and those that are worth a row.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Steps {
    /// All Pods, by state.
    pub groups: Vec<Group>,
    /// Those in trouble first, then the lowest ranks.
    pub steps: Vec<Step>,
    /// How many more steps there are without a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_shown: Option<usize>,
    /// The step to look at first: it failed, or something keeps it from working.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub look_at: Option<String>,
    /// Ranks of `node` that have no Pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// One Pod of a TrainJob.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Step {
    /// As the Kubeflow SDK calls it: `node-0`, `model-initializer`.
    pub name: String,
    pub pod: String,
    pub phase: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<String>,
    /// Pods that this rank had before and that still exist.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_pods: Option<usize>,
}

/// Where a step runs: the replicated job, and the rank in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub group: String,
    pub index: u32,
}

impl Steps {
    pub fn of(job: &TrainJob, pods: &[Member]) -> Self {
        let mut rows: Vec<&Member> = pods.iter().collect();
        // In trouble first, and else as they are sorted: by group and rank.
        rows.sort_by_key(|it| !it.is_troubled());
        Self {
            groups: groups(pods),
            steps: rows.iter().take(ROWS).map(|it| Step::of(job, it)).collect(),
            not_shown: pods.len().checked_sub(ROWS).filter(|it| *it > 0),
            look_at: failing(pods).map(|it| name(job, &it.group, it.index)),
            missing: missing(job, pods),
        }
    }
}

impl Step {
    fn of(job: &TrainJob, member: &Member) -> Self {
        let state = &member.state;
        Self {
            name: name(job, &member.group, member.index),
            pod: member.pod.clone(),
            phase: state.phase.clone(),
            reason: state.reason.clone(),
            message: state.message.as_ref().map(|it| it.chars().take(MESSAGE).collect()),
            exit_code: state.exit_code,
            restarts: Some(state.restarts).filter(|it| *it > 0),
            node: member.node.clone(),
            started: state.started.as_ref().map(|it| it.0.to_string()),
            finished: state.finished.as_ref().map(|it| it.0.to_string()),
            previous_pods: Some(member.previous_pods).filter(|it| *it > 0),
        }
    }
}

/// Selects the Pods and Jobs of a TrainJob.
pub fn selector(job: &str) -> String {
    format!("jobset.sigs.k8s.io/jobset-name={job}")
}

/// The newest Pod of each rank; `None` where the caller may not list Pods.
pub async fn pods(caller: &Caller, job: &TrainJob) -> Result<Option<Vec<Member>>> {
    let selected = ListParams::default().labels(&selector(&job.name_any()));
    match caller.api::<Pod>(job.namespace().as_deref()).list(&selected).await {
        Ok(found) => Ok(Some(members(job, &found.items))),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The newest Pod of each rank.
pub fn members(job: &TrainJob, pods: &[Pod]) -> Vec<Member> {
    newest(pods.iter().filter_map(|it| member(job, it)))
}

/// The Pod, unless it is older than the job: then it belongs to a former job of that name.
pub fn member(job: &TrainJob, pod: &Pod) -> Option<Member> {
    let born = job.creation_timestamp().map(|at| at.0);
    Some(Member::of(pod, LABELS)).filter(|it| it.created.as_ref().map(|at| at.0) >= born)
}

/// What the SDK calls the Pod of this rank. With MPI the launcher is the first node.
pub fn name(job: &TrainJob, group: &str, index: u32) -> String {
    match group {
        "node" if has_launcher(job) => format!("node-{}", index + 1),
        "node" => format!("node-{index}"),
        "launcher" => "node-0".to_owned(),
        other => other.to_owned(),
    }
}

/// Where the step of that name runs; `None` when no step can have it.
pub fn place(job: &TrainJob, step: &str) -> Option<Place> {
    if INITIALIZERS.contains(&step) {
        return Some(Place { group: step.to_owned(), index: 0 });
    }
    let index: u32 = match step {
        "launcher" => 0,
        _ => step.strip_prefix("node-")?.parse().ok()?,
    };
    let (group, index) = match index.checked_sub(1) {
        _ if !has_launcher(job) && step != "launcher" => ("node", index),
        None => ("launcher", 0),
        Some(worker) => ("node", worker),
    };
    Some(Place { group: group.to_owned(), index })
}

/// What can be asked for by name: `node-0 … node-3, model-initializer`.
pub fn names(job: &TrainJob) -> String {
    // A launcher comes on top, or does not; a job that says nothing leaves it to its runtime.
    let known = job.spec.trainer.as_ref().and_then(|it| it.num_nodes);
    let nodes = match known.filter(|_| !has_launcher(job)) {
        None => "node-0 …".to_owned(),
        Some(..=1) => "node-0".to_owned(),
        Some(many) => format!("node-0 … node-{}", many - 1),
    };
    let groups = job.status.iter().flat_map(|it| &it.jobs_status).map(|it| it.name.clone());
    let others = groups.filter(|it| it != "node" && it != "launcher");
    std::iter::once(nodes).chain(others).collect::<Vec<_>>().join(", ")
}

fn has_launcher(job: &TrainJob) -> bool {
    job.status.as_ref().is_some_and(|it| it.jobs_status.iter().any(|it| it.name == "launcher"))
}

/// The ranks that should have a Pod and have none. How many there should be is only known of a job
/// that says so itself, and with a launcher it depends on the runtime.
fn missing(job: &TrainJob, pods: &[Member]) -> Option<String> {
    let status = job.status.as_ref()?;
    let active = status.jobs_status.iter().any(|it| it.name == "node" && it.active > 0);
    let expected = job.spec.trainer.as_ref()?.num_nodes?;
    if !active || has_launcher(job) {
        return None;
    }
    let has_pod = |rank: &u32| pods.iter().any(|it| it.group == "node" && it.index == *rank);
    let without: Vec<u32> = (0..u32::try_from(expected).ok()?).filter(|it| !has_pod(it)).collect();
    (!without.is_empty()).then(|| ranks(without))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(nodes: i32, groups: &[&str]) -> TrainJob {
        let entry = |it: &&str| json!({"name": it, "active": 1});
        let status: Vec<Value> = groups.iter().map(entry).collect();
        let job = json!({"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob",
            "metadata": {"name": "mnist", "creationTimestamp": "2026-08-21T10:00:00Z"},
            "spec": {"runtimeRef": {"name": "torch"}, "trainer": {"numNodes": nodes}},
            "status": {"jobsStatus": status}});
        serde_json::from_value(job).unwrap()
    }

    fn pod(group: &str, index: u32, created: &str, phase: &str) -> Pod {
        let labels = json!({LABELS.group: group, LABELS.index: index.to_string()});
        let pod = json!({"metadata": {"name": format!("mnist-{group}-0-{index}-abcde"),
            "creationTimestamp": created, "labels": labels}, "status": {"phase": phase}});
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn steps_have_the_sdks_names() {
        let plain = job(2, &["node", "model-initializer"]);
        let mpi = job(2, &["node", "launcher"]);
        for (job, step, group, index) in [
            (&plain, "node-0", "node", 0),
            (&plain, "node-1", "node", 1),
            (&plain, "model-initializer", "model-initializer", 0),
            (&mpi, "node-0", "launcher", 0),
            (&mpi, "node-1", "node", 0),
            (&mpi, "node-2", "node", 1),
        ] {
            let place = place(job, step).unwrap();
            assert_eq!((place.group.as_str(), place.index), (group, index), "{step}");
            assert_eq!(name(job, group, index), step);
        }
        for wrong in ["node", "node-", "node--1", "trainer-0", ""] {
            assert_eq!(place(&plain, wrong), None, "{wrong}");
        }
        assert_eq!(names(&plain), "node-0 … node-1, model-initializer");
    }

    #[test]
    fn five_hundred_pods_fit_into_a_page() {
        let at = "2026-08-21T10:01:00Z";
        let phase = |it: u32| if it.is_multiple_of(3) { "Failed" } else { "Running" };
        let mut pods: Vec<Pod> = (0..511).map(|it| pod("node", it, at, phase(it))).collect();
        pods.push(pod("node", 600, "2026-08-21T09:00:00Z", "Running"));
        let job = job(512, &["node"]);
        let steps = Steps::of(&job, &members(&job, &pods));
        assert_eq!(steps.missing.as_deref(), Some("511"));
        assert_eq!(steps.look_at.as_deref(), Some("node-0"));
        assert_eq!((steps.steps.len(), steps.not_shown), (8, Some(503)));
        assert_eq!(steps.groups.iter().map(|it| it.count).sum::<usize>(), 511);
        let text = serde_json::to_string(&steps).unwrap();
        assert!(text.len() < 4_000, "{} characters", text.len());
    }
}
