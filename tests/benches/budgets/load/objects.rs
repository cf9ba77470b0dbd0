//! The objects that fill a cluster, as the controllers would have made them.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

/// Pods of each job.
pub(super) const RANKS: usize = 2;
/// What each Pod asks for.
pub(super) const MILLICPUS: usize = 100;

/// How jobs differ, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Complete,
    Failed,
    Suspended,
}

pub(super) fn state(number: usize) -> State {
    [State::Running, State::Complete, State::Failed, State::Suspended][number % 4]
}

pub(super) fn name(number: usize) -> String {
    format!("job-{number:05}")
}

/// A job that somebody else is to run, so that no controller takes it.
pub(super) fn train_job(number: usize) -> Value {
    json!({
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": name(number), "labels": {"team": format!("team-{}", number % 20)}},
        "spec": {
            "runtimeRef": {"name": "torch-distributed"},
            "managedBy": "kueue.x-k8s.io/multikueue",
            "suspend": state(number) == State::Suspended,
            "trainer": {
                "numNodes": RANKS,
                "image": "ghcr.io/example/trainer:1.4.2",
                "command": ["python", "-m", "example.train"],
                "args": ["--epochs", "3", "--learning-rate", "0.0001"],
                "env": [{"name": "DATASET", "value": format!("s3://example/shards/{number}")}],
                "resourcesPerNode": {"requests": {"cpu": format!("{MILLICPUS}m")}},
            },
        },
    })
}

/// What the Trainer would have reported of it; nothing of a job that has not started.
pub(super) fn status(state: State) -> Option<Value> {
    let count = |ready, succeeded, failed| {
        json!([{"name": "node", "ready": ready, "succeeded": succeeded, "failed": failed,
                "active": ready, "suspended": 0}])
    };
    let ended = |kind, reason, message| {
        json!([{"type": kind, "status": "True", "reason": reason, "message": message,
                "lastTransitionTime": "2026-01-01T00:00:00Z"}])
    };
    match state {
        State::Running => Some(json!({"jobsStatus": count(1, 0, 0)})),
        State::Complete => Some(json!({
            "conditions": ended("Complete", "JobsCompleted", "jobset completed successfully"),
            "jobsStatus": count(0, 1, 0),
        })),
        State::Failed => Some(json!({
            "conditions": ended("Failed", "JobsFailed", "jobset failed due to one or more job failures"),
            "jobsStatus": count(0, 0, 1),
        })),
        State::Suspended => None,
    }
}

/// One of a job's Pods.
pub(super) fn pod(number: usize, rank: usize, node: &str) -> Value {
    let job = name(number);
    json!({
        "metadata": {
            "name": pod_name(number, rank),
            "labels": {
                "jobset.sigs.k8s.io/jobset-name": job,
                "jobset.sigs.k8s.io/replicatedjob-name": "node",
                "batch.kubernetes.io/job-name": format!("{job}-node-0"),
                "batch.kubernetes.io/job-completion-index": rank.to_string(),
            },
        },
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "tolerations": [{"operator": "Exists"}],
            "containers": [{
                "name": "node",
                "image": "ghcr.io/example/trainer:1.4.2",
                "command": ["python", "-m", "example.train"],
                "env": [{"name": "PET_NODE_RANK", "value": rank.to_string()}],
                "resources": {"requests": {"cpu": format!("{MILLICPUS}m"), "memory": "64Mi"}},
            }],
        },
    })
}

pub(super) fn pod_name(number: usize, rank: usize) -> String {
    format!("{}-node-0-{rank}-abcde", name(number))
}

/// What a kubelet would have reported of a Pod that runs.
pub(super) fn pod_status() -> Value {
    let at = "2026-01-01T00:00:00Z";
    json!({
        "phase": "Running",
        "startTime": at,
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": at}],
        "containerStatuses": [{
            "name": "node", "image": "ghcr.io/example/trainer:1.4.2", "imageID": "",
            "ready": true, "started": true, "restartCount": 0,
            "state": {"running": {"startedAt": at}},
        }],
    })
}

/// Something that a kubelet would have told of a job's first Pod.
pub(super) fn event(number: usize, namespace: &str) -> Value {
    let pod = pod_name(number, 0);
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "metadata": {"name": format!("{pod}.pulled")},
        "involvedObject": {"kind": "Pod", "name": pod, "namespace": namespace},
        "type": "Normal",
        "reason": "Pulled",
        "message": "Successfully pulled image \"ghcr.io/example/trainer:1.4.2\"",
        "source": {"component": "kubelet", "host": "hollow-0"},
        "firstTimestamp": now, "lastTimestamp": now, "count": 1,
    })
}
