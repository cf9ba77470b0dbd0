//! Pods that tests make, and everything that a client sees of one.

use std::{collections::BTreeSet, path::PathBuf};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    Api,
    api::{ListParams, PostParams, WatchEvent, WatchParams},
};
use kubeflow_mcp_tests::{
    namespace::Namespace,
    waiting::{PATIENCE, until},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

/// A Pod of one container that a shell runs.
pub(crate) fn pod(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
        "spec": {
            "restartPolicy": "Never",
            "containers": [{
                "name": "main", "image": local_kube::HOST_PYTHON, "command": ["sh", "-c", script],
            }],
        },
    })
}

/// Holds a Pod's process until it is opened: on either cluster it is a process of this machine.
pub(crate) struct Gate(TempDir);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The line of a shell that waits.
    pub(crate) fn wait(&self) -> String {
        format!("until [ -e {} ]; do sleep 0.1; done", self.file().display())
    }

    pub(crate) fn open(&self) {
        std::fs::write(self.file(), "").unwrap();
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("open")
    }
}

/// A Pod, observed from before it was created.
pub(crate) struct Observed {
    pods: Api<Pod>,
    events: Api<Event>,
    name: String,
    before: String,
}

impl Observed {
    pub(crate) async fn create(namespace: &Namespace, pod: Value) -> Self {
        let (pods, events): (Api<Pod>, Api<Event>) = (namespace.api(), namespace.api());
        let before = pods.list(&ListParams::default()).await.unwrap();
        let before = before.metadata.resource_version.unwrap();
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let name = pod.metadata.name.clone().unwrap();
        pods.create(&PostParams::default(), &pod).await.unwrap();
        Self { pods, events, name, before }
    }

    pub(crate) async fn delete(&self) {
        self.pods.delete(&self.name, &Default::default()).await.unwrap();
    }

    /// The Pod once something holds of it.
    pub(crate) async fn once(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        until(what, async || {
            let pod = json!(self.pods.get(&self.name).await.unwrap());
            if holds(&pod) { Ok(pod) } else { Err(pod["status"].to_string()) }
        })
        .await
    }

    pub(crate) async fn phase(&self, phase: &str) -> Value {
        self.once(phase, |pod| pod["status"]["phase"] == phase).await
    }

    /// What the Pod went through until a step contains `last`, one line a step.
    pub(crate) async fn steps(&self, last: &str) -> String {
        let params = WatchParams::default().fields(&format!("metadata.name={}", self.name));
        let mut changes = self.pods.watch(&params, &self.before).await.unwrap().boxed();
        let mut steps: Vec<String> = Vec::new();
        let watching = async {
            while let Some(change) = changes.try_next().await.unwrap() {
                let step = match change {
                    WatchEvent::Added(pod) | WatchEvent::Modified(pod) => step(&json!(pod)),
                    WatchEvent::Deleted(_) => "gone".to_owned(),
                    _ => continue,
                };
                if steps.last() != Some(&step) {
                    steps.push(step);
                }
                if steps.last().is_some_and(|step| step.contains(last)) {
                    return;
                }
            }
        };
        if timeout(PATIENCE, watching).await.is_err() {
            panic!("{} was not seen to become {last:?}:\n{}", self.name, steps.join("\n"));
        }
        steps.join("\n")
    }

    /// What the kubelet said of it once it said `last`: how often, what kind, and the words.
    pub(crate) async fn said(&self, last: &str) -> String {
        let of = format!("involvedObject.name={}", self.name);
        until(last, async || {
            let events = self.events.list(&ListParams::default().fields(&of)).await.unwrap();
            let mut said: Vec<_> = events.items.into_iter().filter(by_kubelet).collect();
            let version = |event: &Event| event.metadata.resource_version.clone();
            // In the order of the first time: what is said again changes an event.
            said.sort_by_key(|event| (event.metadata.name.clone(), version(event)));
            let lines: Vec<String> = said.iter().map(line).collect();
            if lines.iter().any(|line| line.contains(last)) {
                Ok(lines.join("\n"))
            } else {
                Err(lines.join("\n"))
            }
        })
        .await
    }
}

/// Whether the kubelet says it of every Pod, whatever was there before on its machine.
fn by_kubelet(event: &Event) -> bool {
    let source = event.source.as_ref().and_then(|source| source.component.as_deref());
    // A real API server learns a moment late which tokens a Node may ask for.
    let early = event.message.as_deref().is_some_and(|it| it.contains("failed to fetch token"));
    let casual = early || event.reason.as_deref() == Some("CreatingEnvironment");
    source == Some("kubelet") && !casual
}

fn line(event: &Event) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (kind, reason, message) = (text(&event.type_), text(&event.reason), text(&event.message));
    let of = text(&event.involved_object.field_path);
    format!("{}x {kind} {reason} [{of}] {message}", event.count.unwrap_or(0))
}

/// Phase, conditions that hold, why it is not ready, and the states of its containers.
fn step(pod: &Value) -> String {
    let status = &pod["status"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let holds = |it: &&Value| it["status"] == "True";
    let held: BTreeSet<String> =
        conditions.iter().filter(holds).map(|it| text(&it["type"])).collect();
    let ready = conditions.iter().find(|it| it["type"] == "Ready").map(|it| text(&it["reason"]));
    let containers = ["initContainerStatuses", "containerStatuses"]
        .into_iter()
        .flat_map(|list| status[list].as_array().cloned().unwrap_or_default());
    let containers: Vec<String> = containers.map(|it| container(&it)).collect();
    let held = held.into_iter().collect::<Vec<_>>().join(" ");
    let why = [text(&status["reason"]), ready.unwrap_or_default()].join(" ");
    let phase = text(&status["phase"]);
    format!("{phase} ({held}) {} {}", why.trim(), containers.join(", ")).trim_end().to_owned()
}

fn container(status: &Value) -> String {
    let states = status["state"].as_object().cloned().unwrap_or_default();
    let (what, state) = states.into_iter().next().unwrap_or_default();
    let mut shown = format!("{} {what}", status["name"].as_str().unwrap());
    for detail in [&state["reason"], &state["exitCode"], &state["message"]] {
        match detail {
            Value::Null => {}
            Value::String(text) => shown += &format!(" {}", text.trim_end()),
            other => shown += &format!(" {other}"),
        }
    }
    if let restarts @ 1.. = status["restartCount"].as_u64().unwrap_or_default() {
        shown += &format!(" restarts {restarts}");
    }
    shown
}
