//! The life of TrainJobs: each condition in order, what is counted, what is told in events, and what
//! is left in the end.

use std::fmt::Write as _;

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod, ResourceQuota},
};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, waiting::until};
use serde_json::{Value, json};

use super::snapshot;
use crate::training::{self, TRAINER, train_job};

/// A TrainJob in a namespace of its own, and what was seen of it.
struct Story {
    cluster: Cluster,
    namespace: Namespace,
    text: String,
}

impl Story {
    /// Begins with the runtime `once`.
    async fn begin() -> Self {
        let cluster = Cluster::under_test().await;
        let namespace = cluster.namespace().await;
        training::once(&namespace).await;
        Self { cluster, namespace, text: String::new() }
    }

    async fn create(&self, spec: Value) {
        training::create(&self.namespace, train_job("job", "once", spec)).await;
    }

    async fn patch(&self, spec: Value) -> kube::Result<()> {
        let patch = Patch::Merge(json!({"spec": spec}));
        let jobs = self.namespace.objects(TRAINER, "TrainJob");
        jobs.patch("job", &PatchParams::default(), &patch).await.map(|_| ())
    }

    async fn status(&self) -> Value {
        let job =
            self.namespace.objects(TRAINER, "TrainJob").get("job").await.expect("the TrainJob");
        job.data["status"].clone()
    }

    /// Waits for a status, and writes it down.
    async fn see(&mut self, what: &str, holds: impl Fn(&Value) -> bool) {
        let status = until(what, async || {
            let status = self.status().await;
            if holds(&status) { Ok(status) } else { Err(status.to_string()) }
        })
        .await;
        writeln!(self.text, "{what}:").unwrap();
        for condition in status["conditions"].as_array().into_iter().flatten() {
            let text = |field: &str| condition[field].as_str().unwrap_or_default();
            let (kind, status, reason) = (text("type"), text("status"), text("reason"));
            writeln!(self.text, "  {kind}={status} {reason}: {}", text("message")).unwrap();
        }
        for job in status["jobsStatus"].as_array().into_iter().flatten() {
            let counts = ["ready", "active", "succeeded", "failed", "suspended"];
            let counts: Vec<_> = counts.iter().map(|it| format!("{it} {}", job[it])).collect();
            writeln!(
                self.text,
                "  {}: {}",
                job["name"].as_str().unwrap_or_default(),
                counts.join(", ")
            )
            .unwrap();
        }
    }

    /// Writes down how many objects there are of each kind that a TrainJob makes, once they are so many.
    async fn left(&mut self, expected: [(&'static str, usize); 4]) {
        let kinds = [
            ("jobset.x-k8s.io/v1alpha2", "JobSet"),
            ("batch/v1", "Job"),
            ("v1", "Pod"),
            ("v1", "Service"),
        ];
        until("what is left", async || {
            let mut left = Vec::new();
            for (api_version, kind) in kinds {
                let api = self.namespace.objects(api_version, kind);
                let found = api.list(&ListParams::default()).await.expect("a list");
                left.push((kind, found.items.len()));
            }
            if left == expected { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
        let left: Vec<_> = expected.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        writeln!(self.text, "left: {}", left.join(", ")).unwrap();
    }

    /// Writes down what is told of the TrainJob, its JobSet and its Jobs, as soon as the last is there.
    async fn events(&mut self, last: &str) {
        let mut events = until(last, async || {
            let events = self.namespace.api::<Event>().list(&ListParams::default()).await;
            let mut events = events.expect("a list").items;
            // The one is told only if a Job that is about to fail was seen running, the other before
            // or after the reason for it.
            let casual = |reason: &str| ["JobsReady", "JobSetFailed"].contains(&reason);
            events.retain(|it| !it.reason.as_deref().is_some_and(casual));
            let reasons: Vec<_> = events.iter().filter_map(|it| it.reason.clone()).collect();
            if reasons.iter().any(|it| it == last) { Ok(events) } else { Err(reasons.join(" ")) }
        })
        .await;
        events.sort_by_key(|it| {
            let version = it.metadata.resource_version.as_deref().unwrap_or_default();
            version.parse::<u64>().unwrap_or_default()
        });
        for kind in ["TrainJob", "JobSet", "Job"] {
            let of_kind =
                events.iter().filter(|it| it.involved_object.kind.as_deref() == Some(kind));
            let mut lines: Vec<String> = of_kind
                .map(|it| {
                    let source = it.source.as_ref().and_then(|it| it.component.clone());
                    let source =
                        it.reporting_component.clone().filter(|it| !it.is_empty()).or(source);
                    let text = |text: &Option<String>| text.clone().unwrap_or_default();
                    let name = text(&it.involved_object.name);
                    let (kind_of, reason) = (text(&it.type_), text(&it.reason));
                    let line = format!(
                        "  {kind} {name} {kind_of} {reason} ({}): {}",
                        text(&source),
                        text(&it.message)
                    );
                    self.namespace.normalised(&line)
                })
                .collect();
            lines.dedup();
            // Two reasons for one thing are told at once, in either order.
            let message = |line: &str| line.split_once("): ").map(|it| it.1.to_owned());
            for second in 1..lines.len() {
                if message(&lines[second - 1]) == message(&lines[second]) {
                    lines[second - 1..=second].sort();
                }
            }
            self.text.extend(lines.iter().map(|line| format!("{line}\n")));
        }
    }

    fn tell(self, file: &str) {
        snapshot::check(&self.cluster, &format!("stories/{file}.txt"), &self.text);
    }
}

fn python(script: &str) -> Value {
    json!({"trainer": {"command": ["python", "-c", script]}})
}

fn has(status: &Value, kind: &str) -> bool {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.any(|it| it["type"] == kind && it["status"] == "True")
}

fn counts(status: &Value, field: &str) -> i64 {
    let jobs = status["jobsStatus"].as_array().into_iter().flatten();
    jobs.filter_map(|job| job[field].as_i64()).sum()
}

const ALL: [(&str, usize); 4] = [("JobSet", 1), ("Job", 1), ("Pod", 1), ("Service", 1)];
const NOTHING: [(&str, usize); 4] = [("JobSet", 0), ("Job", 0), ("Pod", 0), ("Service", 0)];

#[tokio::test]
async fn success_on_two_nodes() {
    let mut story = Story::begin().await;
    let mut spec = python("print('done')");
    spec["trainer"]["numNodes"] = json!(2);
    story.create(spec).await;
    story.see("success", |it| has(it, "Complete") && counts(it, "succeeded") == 1).await;
    story.left([("JobSet", 1), ("Job", 1), ("Pod", 2), ("Service", 1)]).await;
    story.events("AllJobsCompleted").await;
    story.patch(json!({"suspend": true})).await.unwrap();
    story.see("suspended after its end", |it| has(it, "Suspended")).await;
    story.patch(json!({"suspend": false})).await.unwrap();
    story.see("resumed after its end", |it| !has(it, "Suspended")).await;
    story.tell("success");
}

#[tokio::test]
async fn failure_by_an_exception() {
    let mut story = Story::begin().await;
    story.create(python("raise ValueError('boom')")).await;
    story.see("failure", |it| has(it, "Failed") && counts(it, "failed") == 1).await;
    story.left(ALL).await;
    story.events("FailedJobs").await;
    story.tell("failure");
}

#[tokio::test]
async fn suspended_while_running_and_resumed() {
    let mut story = Story::begin().await;
    story.create(python("import time; time.sleep(600)")).await;
    story.see("running", |it| counts(it, "ready") == 1).await;
    story.patch(json!({"suspend": true})).await.unwrap();
    let resting = |it: &Value| {
        has(it, "Suspended") && counts(it, "suspended") == 1 && counts(it, "active") == 0
    };
    story.see("suspended", resting).await;
    story.left([("JobSet", 1), ("Job", 1), ("Pod", 0), ("Service", 1)]).await;
    story.patch(json!({"suspend": false})).await.unwrap();
    story.see("resumed", |it| !has(it, "Suspended") && counts(it, "ready") == 1).await;
    story.left(ALL).await;
    story.events("Resumed").await;
    let jobs = story.namespace.objects(TRAINER, "TrainJob");
    jobs.delete("job", &DeleteParams::background()).await.unwrap();
    story.left(NOTHING).await;
    story.tell("suspension");
}

#[tokio::test]
async fn created_suspended() {
    let mut story = Story::begin().await;
    let mut spec = python("print('done')");
    spec["suspend"] = json!(true);
    story.create(spec).await;
    story.see("created", |it| has(it, "Suspended") && counts(it, "suspended") == 1).await;
    story.left([("JobSet", 1), ("Job", 1), ("Pod", 0), ("Service", 1)]).await;
    until("the Job's own word", async || {
        let job = story.namespace.api::<Job>().get("job-node-0").await.unwrap();
        let status = json!(job.status);
        if has(&status, "Suspended") { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    story.patch(json!({"suspend": false})).await.unwrap();
    story.see("resumed and done", |it| has(it, "Complete") && counts(it, "succeeded") == 1).await;
    story.events("AllJobsCompleted").await;
    story.tell("created-suspended");
}

#[tokio::test]
async fn a_runtime_that_is_deleted_meanwhile() {
    let mut story = Story::begin().await;
    story.create(python("import time; time.sleep(600)")).await;
    story.see("running", |it| counts(it, "ready") == 1).await;
    let runtimes = story.namespace.objects(TRAINER, "TrainingRuntime");
    runtimes.delete("once", &DeleteParams::background()).await.unwrap();
    let refused = until("a refusal", async || match story.patch(json!({"suspend": true})).await {
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(status),
        other => Err(format!("{other:?}")),
    });
    // The webhook knows of the deletion a moment later; until then it lets the change pass.
    let refused = refused.await;
    story.text.push_str(&format!("a change: {} {}\n", refused.code, refused.message));
    story.tell("runtime-deleted");
}

#[tokio::test]
async fn a_deadline_that_passes() {
    let mut story = Story::begin().await;
    let mut spec = python("import time; time.sleep(600)");
    spec["activeDeadlineSeconds"] = json!(2);
    story.create(spec).await;
    let late = until("the deadline", async || {
        let status = story.status().await;
        if has(&status, "Failed") {
            Ok(status["conditions"].clone())
        } else {
            Err(status.to_string())
        }
    })
    .await;
    let texts = ["type", "status", "reason", "message"].map(|it| late[0][it].to_string());
    story.text.push_str(&format!("{}\n", texts.join(" ")));
    story.left(NOTHING).await;
    story.tell("deadline");
}

#[tokio::test]
async fn restarts_that_run_out() {
    let mut story = Story::begin().await;
    let policy = json!({"template": {"spec": {"failurePolicy": {"maxRestarts": 1}}}});
    let never = json!({"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never"}}});
    training::python(&story.namespace, "twice", policy, never).await;
    let job = train_job("job", "twice", python("raise ValueError('boom')"));
    training::create(&story.namespace, job).await;
    story.see("failure", |it| has(it, "Failed")).await;
    let set =
        story.namespace.objects("jobset.x-k8s.io/v1alpha2", "JobSet").get("job").await.unwrap();
    let status = &set.data["status"];
    let restarts = format!(
        "restarts {}, counted {}, {}\n",
        status["restarts"], status["restartsCountTowardsMax"], status["terminalState"]
    );
    story.text.push_str(&restarts);
    story.left(ALL).await;
    story.events("ReachedMaxRestarts").await;
    story.tell("restarts");
}

#[tokio::test]
async fn a_quota_that_refuses_the_pods() {
    let mut story = Story::begin().await;
    let quota = json!({"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}});
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    let quotas = story.namespace.api::<ResourceQuota>();
    quotas.create(&PostParams::default(), &quota).await.unwrap();
    until("the quota's account", async || {
        let status = quotas.get("none").await.unwrap().status.and_then(|it| it.used);
        status.map(|_| ()).ok_or_else(|| "none".to_owned())
    })
    .await;
    story.create(python("print()")).await;
    story.see("refused", |it| it["jobsStatus"].is_array()).await;
    let refused = until("the event", async || {
        let events = story.namespace.api::<Event>().list(&ListParams::default()).await.unwrap();
        let event = events.into_iter().find(|it| it.reason.as_deref() == Some("FailedCreate"));
        event.and_then(|it| it.message).ok_or_else(|| "none".to_owned())
    })
    .await;
    story.text.push_str(&format!("{}\n", story.namespace.normalised(&refused)));
    story.left([("JobSet", 1), ("Job", 1), ("Pod", 0), ("Service", 1)]).await;
    story.tell("quota");
}

#[tokio::test]
async fn a_job_set_that_cannot_be_made() {
    let mut story = Story::begin().await;
    let name = "a".repeat(60);
    training::create(&story.namespace, train_job(&name, "once", python("print()"))).await;
    story.events("TrainJobResourcesCreationFailed").await;
    let pods = story.namespace.api::<Pod>().list(&ListParams::default()).await.unwrap();
    assert!(pods.items.is_empty());
    story.tell("name-too-long");
}
