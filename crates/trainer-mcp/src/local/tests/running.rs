//! TrainJobs that run, end, wait and are stopped.

use std::time::Duration;

use expect_test::expect;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, PersistentVolumeClaim},
};
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DeleteParams},
};
use serde_json::{Value, json};

use super::cluster::{Cluster, ended, two_steps};
use crate::local::{job_set::JobSet, train_job::TrainJob};

/// A TrainJob with its status as it is stored.
type RawTrainJob = kube::core::Object<Value, Value>;

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
        .begins("hello", "Failed=True DeadlineExceeded: TrainJob exceeded its active deadline")
        .await;
    cluster.eventually("hello", |set: Option<&JobSet>| set.is_none()).await;
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
