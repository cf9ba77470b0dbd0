//! Cases in few words: an experiment `tune` of the namespace `team`, created at ten and looked at at eleven.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    diagnosis::{Diagnosis, Snapshot},
    testing::{condition, metric, search, trial_spec},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    name: String,
    pub(super) causes: Vec<String>,
    /// Of the experiment; without one, nobody has taken it up.
    #[serde(default = "running")]
    state: Option<String>,
    #[serde(default)]
    trials: Vec<Trial>,
    #[serde(default)]
    events: Vec<Event>,
    /// What is different of the snapshot.
    #[serde(default)]
    snapshot: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trial {
    /// What its name ends with.
    name: String,
    state: String,
    /// Of the accuracy that it printed.
    #[serde(default)]
    value: Option<String>,
    /// The statuses of `main` and of the collector.
    #[serde(default)]
    main: Value,
    #[serde(default)]
    collector: Value,
    #[serde(default)]
    phase: Option<String>,
    /// What its collector printed.
    #[serde(default)]
    log: Option<String>,
    #[serde(default)]
    spec: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    reason: String,
    /// As in `Trial/tune-b2c4d6f8`.
    of: String,
    message: String,
}

fn running() -> Option<String> {
    Some("Running".to_owned())
}

pub(super) fn cases() -> Vec<Case> {
    serde_saphyr::from_str(include_str!("recorded.yaml"))
        .unwrap_or_else(|error| panic!("recorded cases: {error}"))
}

impl Case {
    /// What is not right about its diagnosis.
    pub(super) fn problem(&self) -> Option<String> {
        let snapshot: Snapshot = serde_json::from_value(self.snapshot())
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let answer = serde_json::to_value(Diagnosis::of(&snapshot, None)).expect("JSON");
        let codes = answer["causes"].as_array().into_iter().flatten();
        let diagnosed: Vec<&str> = codes.filter_map(|it| it["code"].as_str()).collect();
        let well = answer["summary"].to_string().contains("nothing is wrong");
        let right = diagnosed == self.causes && well == self.causes.is_empty();
        let complete = answer["causes"].as_array().into_iter().flatten().all(|it| {
            let filled = |field: &str| it[field].as_array().is_some_and(|it| !it.is_empty());
            filled("evidence") && filled("next")
        });
        (!right || !complete).then(|| {
            format!(
                "{} has {:?} and is diagnosed as {diagnosed:?}: {answer}",
                self.name, self.causes
            )
        })
    }

    fn snapshot(&self) -> Value {
        let metadata = json!({"name": "tune", "namespace": "team", "uid": "u1",
            "creationTimestamp": "2026-08-21T10:00:00Z"});
        let conditions: Vec<Value> = self.state.iter().map(|it| condition(it)).collect();
        let namespace = json!({"metadata": {"name": "team",
            "labels": {"katib.kubeflow.org/metrics-collector-injection": "enabled"}}});
        let mut snapshot = json!({
            "now": "2026-08-21T11:00:00Z",
            "experiment": {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment",
                "metadata": metadata, "spec": search(), "status": {"conditions": conditions}},
            "trials": self.trials.iter().map(Trial::object).collect::<Vec<_>>(),
            "pods": self.trials.iter().filter_map(Trial::pod).collect::<Vec<_>>(),
            "logs": self.trials.iter().filter_map(Trial::printed).collect::<Vec<_>>(),
            "events": self.events.iter().map(Event::object).collect::<Vec<_>>(),
            "namespace": namespace,
        });
        merge(&mut snapshot, &self.snapshot);
        snapshot
    }
}

impl Trial {
    fn name(&self) -> String {
        format!("tune-{}", self.name)
    }

    fn object(&self) -> Value {
        let mut spec = trial_spec("0.1");
        merge(&mut spec, &self.spec);
        let mut status = json!({"conditions": [condition(&self.state)],
            "startTime": "2026-08-21T10:00:10Z"});
        if let Some(value) = &self.value {
            status["observation"] = json!({"metrics": [metric("accuracy", value)]});
        }
        json!({"apiVersion": "kubeflow.org/v1beta1", "kind": "Trial",
            "metadata": {"name": self.name(), "namespace": "team",
                "creationTimestamp": "2026-08-21T10:00:05Z"},
            "spec": spec, "status": status})
    }

    /// It has one where something is said of its containers.
    fn pod(&self) -> Option<Value> {
        let containers = [("main", &self.main), ("metrics-logger-and-collector", &self.collector)];
        let known = containers.iter().filter(|(_, state)| !state.is_null());
        let status = |(name, state): &(&str, &Value)| {
            json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                "state": state})
        };
        let statuses: Vec<Value> = known.clone().map(status).collect();
        let specs: Vec<Value> = known.map(|(name, _)| json!({"name": name})).collect();
        let phase = self.phase.as_deref().unwrap_or("Running");
        (!specs.is_empty()).then(|| {
            json!({"metadata": {"name": format!("{}-abcde", self.name()),
                    "labels": {"katib.kubeflow.org/trial": self.name()}},
                "spec": {"containers": specs},
                "status": {"phase": phase, "containerStatuses": statuses}})
        })
    }

    fn printed(&self) -> Option<Value> {
        let line = |it: &str| {
            format!("2026-08-21T10:30:00Z I0821 10:30:00.000000      15 main.go:139] {it}\n")
        };
        let text: String = self.log.as_ref()?.lines().map(line).collect();
        Some(json!({"trial": self.name(), "text": text}))
    }
}

impl Event {
    fn object(&self) -> Value {
        let (kind, name) = self.of.split_once('/').expect("a kind and a name");
        json!({"metadata": {"name": "e"}, "involvedObject": {"kind": kind, "name": name},
            "type": "Warning", "reason": self.reason, "message": self.message,
            "lastTimestamp": "2026-08-21T10:30:00Z"})
    }
}

/// As a merge patch does.
fn merge(object: &mut Value, change: &Value) {
    match (object, change) {
        (_, Value::Null) => {}
        (Value::Object(object), Value::Object(change)) => {
            for (key, value) in change {
                merge(object.entry(key).or_insert(Value::Null), value);
            }
        }
        (object, change) => *object = change.clone(),
    }
}
