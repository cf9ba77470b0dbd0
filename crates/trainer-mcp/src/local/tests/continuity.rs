//! What a TrainJob keeps when its controllers, its runtime or its namesake go.

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Event, PersistentVolumeClaim, Service},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::json;

use super::cluster::{Cluster, ended, summary, two_steps};
use crate::local::{job_set::JobSet, runtimes, train_job::TrainJob};

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
