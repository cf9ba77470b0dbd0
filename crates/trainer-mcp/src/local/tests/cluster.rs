//! A cluster in memory for one test, with only the controllers of this crate.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::{batch::v1::Job, core::v1::Event};
use kube::{
    Api,
    api::{DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::Status,
    runtime::wait::{Condition, await_condition},
};
use local_kube::{LocalKube, Options};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{sync::Notify, task::JoinSet};

use crate::local::{LOCAL, runtimes, train_job::TrainJob};

/// A cluster that runs the controllers of this crate and no others.
pub(super) struct Cluster {
    pub(super) client: kube::Client,
    controllers: JoinSet<()>,
}

impl Cluster {
    pub(super) fn new() -> Self {
        let mut cluster = Self::without_controllers();
        cluster.start();
        cluster
    }

    pub(super) fn without_controllers() -> Self {
        let kube = LocalKube::open(Options {
            crds: (LOCAL.crds)(),
            objects: (LOCAL.objects)(),
            admit: vec![LOCAL.admit],
            ..Options::default()
        })
        .unwrap();
        Self { client: kube.client(), controllers: JoinSet::new() }
    }

    pub(super) fn start(&mut self) {
        self.controllers.spawn((LOCAL.run)(self.client.clone()));
    }

    /// Runs the controllers until they begin a write after `writes` others, or until all is done.
    /// Whether they were stopped in mid-work.
    pub(super) async fn kill_after(&mut self, writes: usize, done: &str) -> bool {
        let (inner, begun) = (self.client.clone(), Arc::new((AtomicUsize::new(0), Notify::new())));
        let counted = begun.clone();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (inner, begun) = (inner.clone(), counted.clone());
            async move {
                if request.method() != http::Method::GET
                    && begun.0.fetch_add(1, Ordering::SeqCst) >= writes
                {
                    begun.1.notify_one();
                    std::future::pending::<()>().await;
                }
                inner.send(request).await
            }
        });
        self.controllers.spawn((LOCAL.run)(kube::Client::new(service, "default")));
        let killed = tokio::select! {
            () = begun.1.notified() => true,
            () = self.shows("hello", done) => false,
        };
        self.stop().await;
        killed
    }

    pub(super) async fn stop(&mut self) {
        self.controllers.shutdown().await;
    }

    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::default_namespaced(self.client.clone())
    }

    pub(super) async fn create(
        &self,
        name: &str,
        mut spec: Value,
    ) -> Result<TrainJob, Box<Status>> {
        if spec["runtimeRef"].is_null() {
            spec["runtimeRef"] = json!({"name": "python"});
        }
        let job = json!({
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": name},
            "spec": spec,
        });
        let job: TrainJob = serde_json::from_value(job).unwrap();
        refusal(self.api().create(&PostParams::default(), &job).await)
    }

    pub(super) async fn patch(&self, name: &str, patch: Value) -> Result<TrainJob, Box<Status>> {
        let patch = Patch::Merge(patch);
        refusal(self.api().patch(name, &PatchParams::default(), &patch).await)
    }

    pub(super) async fn create_runtime(
        &self,
        runtime: Value,
    ) -> Result<DynamicObject, Box<Status>> {
        let runtime: DynamicObject = serde_json::from_value(runtime).unwrap();
        let api = Api::all_with(self.client.clone(), &runtimes::resource("ClusterTrainingRuntime"));
        refusal(api.create(&PostParams::default(), &runtime).await)
    }

    pub(super) async fn eventually<K>(&self, name: &str, condition: impl Condition<K>) -> Option<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let wait = await_condition(self.api::<K>(), name, condition);
        let object = tokio::time::timeout(Duration::from_secs(20), wait).await;
        object.expect("the condition comes true").unwrap()
    }

    /// Waits until the status of a TrainJob reads as expected.
    pub(super) async fn shows(&self, name: &str, expected: &str) {
        self.reads(name, expected, str::eq).await;
    }

    /// Waits for a status of which only this is sure: of its step the job may know already, or not yet.
    pub(super) async fn begins(&self, name: &str, expected: &str) {
        let fits: fn(&str, &str) -> bool =
            |summary, expected| matches!(summary.strip_prefix(expected), Some("" | "; node"));
        self.reads(name, expected, fits).await;
    }

    async fn reads(&self, name: &str, expected: &str, fits: fn(&str, &str) -> bool) {
        let wanted = expected.to_owned();
        let condition =
            move |job: Option<&TrainJob>| job.is_some_and(|job| fits(&summary(job), &wanted));
        let wait = await_condition(self.api::<TrainJob>(), name, condition);
        if tokio::time::timeout(Duration::from_secs(20), wait).await.is_err() {
            let job: TrainJob = self.api().get(name).await.unwrap();
            assert_eq!(summary(&job), expected);
        }
    }

    /// Writes what the Job controller would, once the Job is there.
    pub(super) async fn job_is(&self, name: &str, status: Value) {
        self.eventually(name, |job: Option<&Job>| job.is_some()).await;
        let patch = Patch::Merge(json!({"status": status}));
        self.api::<Job>().patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    pub(super) async fn count<K>(&self) -> usize
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        self.api::<K>().list(&ListParams::default()).await.unwrap().items.len()
    }

    pub(super) async fn events(&self, kind: &str) -> Vec<Event> {
        let mut events = self.api::<Event>().list(&ListParams::default()).await.unwrap().items;
        events.retain(|event| event.involved_object.kind.as_deref() == Some(kind));
        events
    }
}

pub(super) fn refusal<T>(result: kube::Result<T>) -> Result<T, Box<Status>> {
    result.map_err(|error| match error {
        kube::Error::Api(status) => status,
        other => panic!("{other}"),
    })
}

pub(super) fn summary(job: &TrainJob) -> String {
    let status = job.status.clone().unwrap_or_default();
    let jobs = status.jobs_status.iter().map(|it| {
        let counts = [
            ("active", it.active),
            ("ready", it.ready),
            ("succeeded", it.succeeded),
            ("failed", it.failed),
            ("suspended", it.suspended),
        ];
        let counts = counts.iter().filter(|(_, count)| *count > 0);
        it.name.clone() + &counts.map(|(state, _)| format!(" {state}")).collect::<String>()
    });
    let conditions = status.conditions.iter();
    let conditions =
        conditions.map(|it| format!("{}={} {}: {}", it.type_, it.status, it.reason, it.message));
    conditions.chain(jobs).collect::<Vec<_>>().join("; ")
}

pub(super) fn ended(how: &str) -> Value {
    json!({
        "active": 0,
        "ready": 0,
        "conditions": [{"type": how, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    })
}

/// A runtime whose training waits for its data.
pub(super) fn two_steps() -> Value {
    let step = |name: &str, ancestor: &str| {
        let mount = json!([{"name": "initializer", "mountPath": "/workspace"}]);
        json!({
            "name": name,
            "template": {
                "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": ancestor}},
                "spec": {"template": {"spec": {"containers": [
                    {"name": name, "image": "i", "volumeMounts": mount},
                ]}}},
            },
        })
    };
    let mut node = step("node", "trainer");
    node["dependsOn"] = json!([{"name": "dataset-initializer", "status": "Complete"}]);
    let claim = json!({"metadata": {"name": "initializer"}, "spec": {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }});
    json!({
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "ClusterTrainingRuntime",
        "metadata": {"name": "steps"},
        "spec": {"mlPolicy": {"numNodes": 1}, "template": {"spec": {
            "replicatedJobs": [step("dataset-initializer", "dataset-initializer"), node],
            "volumeClaimPolicies": [{"templates": [claim]}],
        }}},
    })
}
