//! TrainJobs in a cluster in memory, whose Jobs' statuses are written by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use expect_test::{Expect, expect};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Event, PersistentVolumeClaim, Service},
};
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::Status,
    runtime::wait::{Condition, await_condition},
};
use local_kube::{LocalKube, Options};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{sync::Notify, task::JoinSet};

use super::{LOCAL, job_set::JobSet, runtimes, train_job::TrainJob};

/// A TrainJob with its status as it is stored.
type RawTrainJob = kube::core::Object<Value, Value>;

/// A cluster that runs the controllers of this crate and no others.
struct Cluster {
    client: kube::Client,
    controllers: JoinSet<()>,
}

impl Cluster {
    fn new() -> Self {
        let mut cluster = Self::without_controllers();
        cluster.start();
        cluster
    }

    fn without_controllers() -> Self {
        let kube = LocalKube::open(Options {
            crds: (LOCAL.crds)(),
            objects: (LOCAL.objects)(),
            admit: vec![LOCAL.admit],
            ..Options::default()
        })
        .unwrap();
        Self { client: kube.client(), controllers: JoinSet::new() }
    }

    fn start(&mut self) {
        self.controllers.spawn((LOCAL.run)(self.client.clone()));
    }

    /// Runs the controllers until they begin a write after `writes` others, or until all is done.
    /// Whether they were stopped in mid-work.
    async fn kill_after(&mut self, writes: usize, done: &str) -> bool {
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

    async fn stop(&mut self) {
        self.controllers.shutdown().await;
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::default_namespaced(self.client.clone())
    }

    async fn create(&self, name: &str, mut spec: Value) -> Result<TrainJob, Box<Status>> {
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

    async fn patch(&self, name: &str, patch: Value) -> Result<TrainJob, Box<Status>> {
        let patch = Patch::Merge(patch);
        refusal(self.api().patch(name, &PatchParams::default(), &patch).await)
    }

    async fn create_runtime(&self, runtime: Value) -> Result<DynamicObject, Box<Status>> {
        let runtime: DynamicObject = serde_json::from_value(runtime).unwrap();
        let api = Api::all_with(self.client.clone(), &runtimes::resource("ClusterTrainingRuntime"));
        refusal(api.create(&PostParams::default(), &runtime).await)
    }

    async fn eventually<K>(&self, name: &str, condition: impl Condition<K>) -> Option<K>
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
    async fn shows(&self, name: &str, expected: &str) {
        let wanted = expected.to_owned();
        let condition = move |job: Option<&TrainJob>| job.is_some_and(|job| summary(job) == wanted);
        let wait = await_condition(self.api::<TrainJob>(), name, condition);
        if tokio::time::timeout(Duration::from_secs(20), wait).await.is_err() {
            let job: TrainJob = self.api().get(name).await.unwrap();
            assert_eq!(summary(&job), expected);
        }
    }

    /// Writes what the Job controller would, once the Job is there.
    async fn job_is(&self, name: &str, status: Value) {
        self.eventually(name, |job: Option<&Job>| job.is_some()).await;
        let patch = Patch::Merge(json!({"status": status}));
        self.api::<Job>().patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    async fn count<K>(&self) -> usize
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned,
    {
        self.api::<K>().list(&ListParams::default()).await.unwrap().items.len()
    }

    async fn events(&self, kind: &str) -> Vec<Event> {
        let mut events = self.api::<Event>().list(&ListParams::default()).await.unwrap().items;
        events.retain(|event| event.involved_object.kind.as_deref() == Some(kind));
        events
    }
}

fn refusal<T>(result: kube::Result<T>) -> Result<T, Box<Status>> {
    result.map_err(|error| match error {
        kube::Error::Api(status) => status,
        other => panic!("{other}"),
    })
}

fn summary(job: &TrainJob) -> String {
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

fn ended(how: &str) -> Value {
    json!({
        "active": 0,
        "ready": 0,
        "conditions": [{"type": how, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
    })
}

/// A runtime whose training waits for its data.
fn two_steps() -> Value {
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

#[tokio::test]
async fn a_job_runs_and_succeeds() {
    let cluster = Cluster::new();
    cluster.create("hello", json!({"trainer": {"numNodes": 2}})).await.unwrap();
    cluster.shows("hello", "node").await;
    let raw: Api<RawTrainJob> =
        Api::default_namespaced_with(cluster.client.clone(), &ApiResource::erase::<TrainJob>(&()));
    let job = raw.get("hello").await.unwrap();
    let nothing = json!({"name": "node", "active": 0, "ready": 0, "succeeded": 0, "failed": 0, "suspended": 0});
    assert_eq!(job.status, Some(json!({"jobsStatus": [nothing]})));
    cluster.job_is("hello-node-0", json!({"active": 2})).await;
    cluster.shows("hello", "node active").await;
    cluster.job_is("hello-node-0", json!({"active": 2, "ready": 2})).await;
    cluster.shows("hello", "node active ready").await;
    cluster.job_is("hello-node-0", ended("Complete")).await;
    let end = "Complete=True AllJobsCompleted: jobset completed successfully; node succeeded";
    cluster.shows("hello", end).await;
    // A finished job stays finished, whatever becomes of its JobSet.
    cluster.api::<JobSet>().delete("hello", &DeleteParams::background()).await.unwrap();
    cluster.patch("hello", json!({"metadata": {"labels": {"seen": "yes"}}})).await.unwrap();
    cluster.shows("hello", end).await;
    assert!(cluster.api::<JobSet>().get_opt("hello").await.unwrap().is_none());
    let events = cluster.events("JobSet").await;
    let reasons: Vec<_> = events.iter().map(|event| event.reason.as_deref().unwrap()).collect();
    assert_eq!(reasons, ["AllJobsCompleted"]);
}

#[tokio::test]
async fn a_failed_job_says_which_part_failed() {
    let cluster = Cluster::new();
    cluster.create("hello", json!({})).await.unwrap();
    cluster.job_is("hello-node-0", ended("Failed")).await;
    cluster
        .shows(
            "hello",
            "Failed=True FailedJobs: jobset failed due to one or more job failures (first failed job: hello-node-0); node failed",
        )
        .await;
}

#[tokio::test]
async fn steps_come_one_after_the_other_and_can_be_suspended() {
    let cluster = Cluster::new();
    cluster.create_runtime(two_steps()).await.unwrap();
    let spec = json!({
        "runtimeRef": {"name": "steps"},
        "suspend": true,
        "initializer": {"dataset": {"storageUri": "hf://a/b", "secretRef": {"name": "token"}}},
    });
    cluster.create("hello", spec).await.unwrap();
    let suspended = "Suspended=True Suspended: TrainJob is suspended; ";
    let resumed = "Suspended=False Resumed: TrainJob is resumed; ";
    cluster.shows("hello", &format!("{suspended}node; dataset-initializer suspended")).await;
    cluster.patch("hello", json!({"spec": {"suspend": false}})).await.unwrap();
    cluster.shows("hello", &format!("{resumed}node; dataset-initializer")).await;
    cluster.job_is("hello-dataset-initializer-0", json!({"active": 1, "ready": 1})).await;
    cluster.shows("hello", &format!("{resumed}node; dataset-initializer active ready")).await;
    cluster.job_is("hello-dataset-initializer-0", ended("Complete")).await;
    cluster.job_is("hello-node-0", json!({"active": 1, "ready": 1})).await;
    cluster
        .shows("hello", &format!("{resumed}node active ready; dataset-initializer succeeded"))
        .await;
    cluster.patch("hello", json!({"spec": {"suspend": true}})).await.unwrap();
    let is_suspended = |job: Option<&Job>| {
        job.and_then(|job| job.spec.as_ref()).is_some_and(|spec| spec.suspend == Some(true))
    };
    cluster.eventually("hello-node-0", is_suspended).await;
    cluster.job_is("hello-node-0", json!({"active": 0, "ready": 0})).await;
    cluster
        .shows("hello", &format!("{suspended}node suspended; dataset-initializer succeeded"))
        .await;

    let job: Job = cluster.api().get("hello-dataset-initializer-0").await.unwrap();
    let pod = &job.spec.unwrap().template.spec.unwrap();
    let container = serde_json::to_value(&pod.containers[0]).unwrap();
    assert_eq!(container["env"], json!([{"name": "STORAGE_URI", "value": "hf://a/b"}]));
    assert_eq!(container["envFrom"], json!([{"secretRef": {"name": "token"}}]));
    let claims: Api<PersistentVolumeClaim> = cluster.api();
    let claim = claims.get("initializer-hello").await.unwrap();
    assert_eq!(claim.owner_references()[0].kind, "JobSet");
}

#[tokio::test]
async fn a_deadline_ends_a_job_and_deletes_what_it_runs() {
    let cluster = Cluster::new();
    cluster.create("hello", json!({"activeDeadlineSeconds": 1})).await.unwrap();
    cluster
        .shows("hello", "Failed=True DeadlineExceeded: TrainJob exceeded its active deadline; node")
        .await;
    assert!(cluster.api::<JobSet>().get_opt("hello").await.unwrap().is_none());
}

#[tokio::test]
async fn what_cannot_be_created_shows_only_in_an_event() {
    let cluster = Cluster::new();
    let name = "a".repeat(60);
    cluster.create(&name, json!({})).await.unwrap();
    let events = kube::runtime::watcher(cluster.api::<Event>(), Default::default());
    let mut events = Box::pin(kube::runtime::WatchStreamExt::applied_objects(events));
    let event =
        tokio::time::timeout(Duration::from_secs(20), futures::StreamExt::next(&mut events));
    let event = event.await.expect("an event").unwrap().unwrap();
    let source = event.reporting_component.as_deref();
    assert_eq!(source, Some("trainer-trainjob-controller"));
    assert_eq!(event.reason.as_deref(), Some("TrainJobResourcesCreationFailed"));
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    assert_eq!(
        event.message.unwrap(),
        format!(
            "TrainJob resources reconciliation failed: admission webhook \"vjobset.kb.io\" denied the request: \
             JobSet.jobset.x-k8s.io \"{name}\" is invalid: [\
             spec.replicatedJobs[0].name: Invalid value: \"{name}-node-0\": JobSet name is too long, job names generated for this JobSet will exceed 63 characters, \
             spec.replicatedJobs[0].name: Invalid value: \"{name}-node-0\": JobSet name is too long, pod names generated for this JobSet will exceed 63 characters]"
        )
    );
    let job: TrainJob = cluster.api().get(&name).await.unwrap();
    assert!(job.status.is_none());
}

#[tokio::test]
async fn a_job_keeps_the_runtime_that_it_began_with() {
    let cluster = Cluster::new();
    cluster.create("hello", json!({"suspend": true})).await.unwrap();
    cluster.shows("hello", "Suspended=True Suspended: TrainJob is suspended; node suspended").await;
    let snapshot: ConfigMap = cluster.api().get("hello-runtime-snapshot").await.unwrap();
    assert_eq!(snapshot.owner_references()[0].kind, "TrainJob");
    assert!(snapshot.data.unwrap()["runtime"].contains("kind: ClusterTrainingRuntime"));

    let resource = runtimes::resource("ClusterTrainingRuntime");
    let all: Api<DynamicObject> = Api::all_with(cluster.client.clone(), &resource);
    let patch = Patch::Merge(json!({"spec": {"mlPolicy": {"numNodes": 5}}}));
    all.patch("python", &PatchParams::default(), &patch).await.unwrap();
    cluster.patch("hello", json!({"spec": {"suspend": false}})).await.unwrap();
    cluster.shows("hello", "Suspended=False Resumed: TrainJob is resumed; node").await;
    let job: Job = cluster.api().get("hello-node-0").await.unwrap();
    assert_eq!(job.spec.unwrap().completions, Some(1));

    all.delete("python", &DeleteParams::default()).await.unwrap();
    let refused = cluster.patch("hello", json!({"spec": {"suspend": true}})).await.unwrap_err();
    assert!(refused.message.ends_with("must be created before the TrainJob is created"));
}

#[tokio::test]
async fn controllers_that_were_killed_go_on_where_they_were() {
    let mut cluster = Cluster::new();
    cluster.create("hello", json!({})).await.unwrap();
    cluster.job_is("hello-node-0", json!({"active": 1})).await;
    cluster.shows("hello", "node active").await;
    cluster.stop().await;
    cluster.create("other", json!({})).await.unwrap();
    cluster.job_is("hello-node-0", ended("Complete")).await;
    cluster.start();
    cluster
        .shows(
            "hello",
            "Complete=True AllJobsCompleted: jobset completed successfully; node succeeded",
        )
        .await;
    cluster.shows("other", "node").await;
    assert_eq!(cluster.api::<Job>().list(&ListParams::default()).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn a_job_is_not_taken_for_a_former_one_of_its_name() {
    let cluster = Cluster::new();
    cluster.create("hello", json!({})).await.unwrap();
    cluster.job_is("hello-node-0", ended("Complete")).await;
    let end = "Complete=True AllJobsCompleted: jobset completed successfully; node succeeded";
    cluster.shows("hello", end).await;
    // Nothing collects garbage here: what the first one made stays.
    let delete = DeleteParams::background();
    cluster.api::<TrainJob>().delete("hello", &delete).await.unwrap();
    cluster.create("hello", json!({})).await.unwrap();
    let failed = |event: &Event| event.reason.as_deref() == Some("TrainJobResourcesCreationFailed");
    while !cluster.events("TrainJob").await.iter().any(failed) {
        tokio::task::yield_now().await;
    }
    let job: TrainJob = cluster.api().get("hello").await.unwrap();
    assert_eq!(summary(&job), "");
    cluster.api::<ConfigMap>().delete("hello-runtime-snapshot", &delete).await.unwrap();
    cluster.api::<Job>().delete("hello-node-0", &delete).await.unwrap();
    cluster.api::<JobSet>().delete("hello", &delete).await.unwrap();
    cluster.shows("hello", "node").await;
}

#[tokio::test]
async fn a_kill_before_any_write_loses_and_doubles_nothing() {
    let mut writes = 0;
    loop {
        let mut cluster = Cluster::without_controllers();
        cluster.create_runtime(two_steps()).await.unwrap();
        cluster.create("hello", json!({"runtimeRef": {"name": "steps"}})).await.unwrap();
        let killed = cluster.kill_after(writes, "node; dataset-initializer").await;
        cluster.start();
        cluster.shows("hello", "node; dataset-initializer").await;
        cluster.job_is("hello-dataset-initializer-0", ended("Complete")).await;
        cluster.job_is("hello-node-0", ended("Complete")).await;
        let end = "Complete=True AllJobsCompleted: jobset completed successfully; node succeeded; dataset-initializer succeeded";
        cluster.shows("hello", end).await;
        let counts = [
            cluster.count::<ConfigMap>().await,
            cluster.count::<JobSet>().await,
            cluster.count::<Service>().await,
            cluster.count::<PersistentVolumeClaim>().await,
            cluster.count::<Job>().await,
        ];
        assert_eq!(counts, [1, 1, 1, 1, 2], "killed before write {writes}");
        if !killed {
            break;
        }
        writes += 1;
    }
    // The snapshot, the JobSet, its Service, its claim, its first Job, and its status at least.
    assert!(writes >= 6, "only {writes} writes");
}

#[tokio::test]
async fn the_ranks_of_the_python_runtime_know_how_many_they_are() {
    let cluster = Cluster::new();
    cluster.create("hello", json!({"trainer": {"numNodes": 2}})).await.unwrap();
    let job = cluster.eventually("hello-node-0", |job: Option<&Job>| job.is_some()).await.unwrap();
    let pod = job.spec.unwrap().template.spec.unwrap();
    let lines: Vec<_> = pod.containers[0]
        .env
        .iter()
        .flatten()
        .map(|it| format!("{}={}", it.name, it.value.as_deref().unwrap_or("<field>")))
        .collect();
    expect![[r#"
        JAX_NUM_PROCESSES=2
        PET_NNODES=$(JAX_NUM_PROCESSES)
        PET_NPROC_PER_NODE=1
        PET_NODE_RANK=<field>
        TRAINJOB_NAME=<field>
        PET_MASTER_ADDR=$(TRAINJOB_NAME)-node-0-0.$(TRAINJOB_NAME)
        PET_MASTER_PORT=29500
        JAX_PROCESS_ID=<field>
        JAX_COORDINATOR_ADDRESS=hello-node-0-0.hello:29500"#]]
    .assert_eq(&lines.join("\n"));
}

fn check_refusal<T: std::fmt::Debug>(result: Result<T, Box<Status>>, expected: Expect) {
    let status = result.unwrap_err();
    expected.assert_eq(&format!("{} {}\n{}", status.code, status.reason, status.message));
}

#[tokio::test]
async fn admission_answers_as_the_real_one() {
    let cluster = Cluster::new();
    check_refusal(
        cluster.create("hello", json!({"runtimeRef": {"name": "nope"}})).await,
        expect![[r#"
            403 Forbidden
            admission webhook "validator.trainjob.trainer.kubeflow.org" denied the request: spec.RuntimeRef: Invalid value: {"name":"nope","apiGroup":"trainer.kubeflow.org","kind":"ClusterTrainingRuntime"}: ClusterTrainingRuntime.trainer.kubeflow.org "nope" not found: specified clusterTrainingRuntime must be created before the TrainJob is created"#]],
    );
    check_refusal(
        cluster.create("hello", json!({"runtimeRef": {"name": "python", "kind": "Runtime"}})).await,
        expect![[r#"
            403 Forbidden
            admission webhook "validator.trainjob.trainer.kubeflow.org" denied the request: unsupported runtime: Runtime.trainer.kubeflow.org"#]],
    );
    check_refusal(
        cluster.create("1hello", json!({})).await,
        expect![[r#"
            422 Invalid
            TrainJob.trainer.kubeflow.org "1hello" is invalid: Invalid value: metadata.name must match RFC 1035 DNS label format"#]],
    );
    let created = cluster.create("hello", json!({"trainer": {"image": "a"}})).await.unwrap();
    expect![[r#"{"runtimeRef":{"name":"python","apiGroup":"trainer.kubeflow.org","kind":"ClusterTrainingRuntime"},"trainer":{"image":"a"},"suspend":false,"managedBy":"trainer.kubeflow.org/trainjob-controller"}"#]]
        .assert_eq(&serde_json::to_string(&created.spec).unwrap());
    check_refusal(
        cluster.patch("hello", json!({"spec": {"trainer": {"image": "b"}}})).await,
        expect![[r#"
            422 Invalid
            TrainJob.trainer.kubeflow.org "hello" is invalid: spec.trainer: Invalid value: field is immutable"#]],
    );
    let mut runtime = two_steps();
    runtime["spec"]["template"]["spec"]["replicatedJobs"][1]["replicas"] = json!(2);
    check_refusal(
        cluster.create_runtime(runtime).await,
        expect![[r#"
            403 Forbidden
            admission webhook "validator.clustertrainingruntime.trainer.kubeflow.org" denied the request: spec.template.spec.replicatedJobs[1].replicas: Invalid value: 2: always must be 1"#]],
    );
}
