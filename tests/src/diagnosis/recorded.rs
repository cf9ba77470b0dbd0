//! Cases written after objects and logs of clusters that the tests cannot have; `tests/recorded` holds them.

use serde::Deserialize;
use serde_json::{Value, json};
use trainer_mcp::diagnosis::diagnosis;
use workloads::diagnosis::Snapshot;

use super::{Outcome, Source, codes};

const FILES: [&str; 5] = [
    include_str!("../../recorded/jobs.yaml"),
    include_str!("../../recorded/logs.yaml"),
    include_str!("../../recorded/pods.yaml"),
    include_str!("../../recorded/queues.yaml"),
    include_str!("../../recorded/well.yaml"),
];

/// A case in few words: a job `mnist` of the namespace `team`, created at ten and looked at at eleven.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    name: String,
    causes: Vec<String>,
    /// A Job that stands for itself, with this spec and status, in place of a TrainJob.
    #[serde(default)]
    job: Option<Value>,
    /// What a rank printed that has ended with 1.
    #[serde(default)]
    log: Option<String>,
    #[serde(default)]
    pods: Vec<Pod>,
    #[serde(default)]
    events: Vec<Event>,
    /// What is different of the snapshot.
    #[serde(default)]
    snapshot: Value,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Pod {
    rank: u32,
    group: Option<String>,
    /// Of the Pod's status.
    status: Value,
    /// Of its one container.
    waiting: Value,
    terminated: Value,
    running: bool,
    /// How it ended before it was started again.
    last: Value,
    log: Option<String>,
    spec: Value,
    created: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    at: String,
    reason: String,
    /// As in `Pod/mnist-node-0-0-abcde`.
    of: String,
    message: String,
}

/// Every recorded case, and what is made of it.
pub fn recorded() -> Vec<Outcome> {
    FILES.iter().flat_map(|it| cases(it)).map(Recorded::outcome).collect()
}

fn cases(text: &str) -> Vec<Recorded> {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("recorded cases: {error}"))
}

impl Recorded {
    fn outcome(self) -> Outcome {
        let (name, causes) = (self.name.clone(), self.causes.clone());
        let snapshot: Snapshot = serde_json::from_value(self.snapshot())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let answer = serde_json::to_value(diagnosis(&snapshot, None)).expect("JSON");
        let diagnosed = codes(&answer);
        Outcome { name, source: Source::Recorded, causes, diagnosed, answer }
    }

    fn snapshot(mut self) -> Value {
        if let Some(log) = self.log.take() {
            self.pods.push(Pod {
                terminated: json!({"exitCode": 1, "reason": "Error"}),
                log: Some(log),
                ..Pod::default()
            });
        }
        let active = i32::from(!self.pods.is_empty());
        let ready = i32::from(self.pods.iter().any(|it| it.running));
        let logs: Vec<Value> = self.pods.iter().filter_map(Pod::printed).collect();
        let events: Vec<Value> = self.events.iter().map(Event::object).collect();
        let mut snapshot = json!({
            "now": "2026-08-21T11:00:00Z",
            "job": {
                "apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob",
                "metadata": {"name": "mnist", "namespace": "team", "uid": "u1",
                    "creationTimestamp": "2026-08-21T10:00:00Z"},
                "spec": {"runtimeRef": {"name": "torch-distributed"}, "trainer": {"numNodes": 1}},
                "status": {"jobsStatus": [{"name": "node", "active": active, "ready": ready}]},
            },
            "pods": self.pods.iter().map(Pod::object).collect::<Vec<_>>(),
            "events": events,
            "logs": logs,
        });
        if let Some(job) = &self.job {
            let mut alone = json!({"apiVersion": "batch/v1", "kind": "Job",
                "metadata": snapshot["job"]["metadata"], "spec": {"template": {}}, "status": {}});
            merge(&mut alone, job);
            (snapshot["job"], snapshot["jobs"]) = (alone.clone(), json!([alone]));
            let owner =
                json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "mnist", "uid": "u1"}]);
            for pod in snapshot["pods"].as_array_mut().into_iter().flatten() {
                pod["metadata"]["ownerReferences"] = owner.clone();
            }
        }
        merge(&mut snapshot, &self.snapshot);
        snapshot
    }
}

impl Pod {
    fn group(&self) -> &str {
        self.group.as_deref().unwrap_or("node")
    }

    fn name(&self) -> String {
        format!("mnist-{}-0-{}-abcde", self.group(), self.rank)
    }

    fn object(&self) -> Value {
        let state = match () {
            () if self.running => json!({"running": {"startedAt": "2026-08-21T10:01:00Z"}}),
            () if !self.waiting.is_null() => json!({"waiting": self.waiting}),
            () if !self.terminated.is_null() => json!({"terminated": ended(&self.terminated)}),
            () => json!({}),
        };
        let last = match &self.last {
            Value::Null => json!({}),
            last => json!({"terminated": ended(last)}),
        };
        let phase = match () {
            () if self.running => "Running",
            () if !self.terminated.is_null() => "Failed",
            () => "Pending",
        };
        let restarts = i32::from(!self.last.is_null()) * 3;
        let mut status = json!({"phase": phase, "startTime": "2026-08-21T10:01:00Z",
            "containerStatuses": [{"name": "node", "image": "i", "imageID": "", "ready": self.running,
                "restartCount": restarts, "state": state, "lastState": last}]});
        merge(&mut status, &self.status);
        let mut spec = json!({"containers": [{"name": "node", "image": "i"}]});
        merge(&mut spec, &self.spec);
        let created = self.created.as_deref().unwrap_or("2026-08-21T10:00:30Z");
        json!({"metadata": {"name": self.name(), "uid": self.name(), "creationTimestamp": created,
            "labels": {"jobset.sigs.k8s.io/replicatedjob-name": self.group(),
                "batch.kubernetes.io/job-completion-index": self.rank.to_string()}},
            "spec": spec, "status": status})
    }

    /// Lines without a time have the container's last.
    fn printed(&self) -> Option<Value> {
        let line = |it: &str| match it.starts_with("2026-") {
            true => format!("{it}\n"),
            false => format!("2026-08-21T10:30:00Z {it}\n"),
        };
        let text: String = self.log.as_ref()?.lines().map(line).collect();
        Some(json!({"pod": self.name(), "container": "node", "previous": !self.last.is_null(),
            "text": text}))
    }
}

/// Nothing given changes nothing.
fn merge(object: &mut Value, change: &Value) {
    if !change.is_null() {
        json_patch::merge(object, change);
    }
}

/// Half an hour after the job was created, unless something else is said.
fn ended(given: &Value) -> Value {
    let mut ended = json!({"exitCode": 1, "reason": "Error", "finishedAt": "2026-08-21T10:30:00Z"});
    merge(&mut ended, given);
    ended
}

impl Event {
    fn object(&self) -> Value {
        let (kind, name) = self.of.split_once('/').expect("a kind and a name");
        json!({"metadata": {"name": "e"}, "involvedObject": {"kind": kind, "name": name},
            "type": "Warning", "reason": self.reason, "message": self.message,
            "lastTimestamp": format!("2026-08-21T{}Z", self.at)})
    }
}
