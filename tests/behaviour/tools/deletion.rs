//! Deleting training jobs, also those that somebody else began to delete.

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams},
};
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, waiting::until};
use serde_json::json;

use crate::training::{self, TRAINER, create, train_job};

/// The uid of the JobSet of that name, if there is one.
async fn job_set(namespace: &Namespace, name: &str) -> Option<String> {
    let job_sets = namespace.objects("jobset.x-k8s.io/v1alpha2", "JobSet");
    job_sets.get_opt(name).await.unwrap().and_then(|it| it.metadata.uid)
}

/// The Trainer's controller does not look whether a job is being deleted: it makes the JobSet anew for
/// which the deletion waits, and so may do for ever.
#[tokio::test]
async fn a_deletion_in_the_foreground_that_has_no_end_is_ended() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::once(&namespace).await;
    let spec = json!({"trainer": {"command": ["sleep", "600"]}});
    create(&namespace, train_job("endless", "once", spec)).await;
    let started =
        json!({"name": "endless", "target_statuses": ["Running"], "timeout_seconds": 120});
    let started = namespace.call("wait_for_training", started).await;
    assert_eq!(started["outcome"], "reached", "{started}");
    let first = job_set(&namespace, "endless").await;

    let jobs: Api<DynamicObject> = namespace.objects(TRAINER, "TrainJob");
    jobs.delete("endless", &DeleteParams::foreground()).await.unwrap();
    let job = until("another JobSet, or none", async || {
        let job = namespace.call("get_training_job", json!({"name": "endless"})).await;
        let other = job_set(&namespace, "endless").await.filter(|it| Some(it) != first.as_ref());
        // The garbage collector may have been faster than the Trainer.
        let over = job["code"] == "not_found";
        if over || other.is_some() { Ok(job) } else { Err(job.to_string()) }
    })
    .await;
    if job["code"].is_null() {
        assert_eq!(job["phase"], "Deleting", "{job}");
        assert!(job["message"].as_str().unwrap().contains("delete_training_job ends it"), "{job}");
    }

    let delete = json!({"name": "endless", "confirmed": true});
    let deleted = namespace.call("delete_training_job", delete).await;
    assert!(deleted["phase"] == "Deleting" || deleted["code"] == "not_found", "{deleted}");
    until("the end of all that was made for it", async || {
        let all = ListParams::default();
        let (pods, jobs): (Api<Pod>, Api<Job>) = (namespace.api(), namespace.api());
        let (pods, jobs) = (pods.list(&all).await.unwrap(), jobs.list(&all).await.unwrap());
        let job = namespace.call("get_training_job", json!({"name": "endless"})).await;
        let left = job_set(&namespace, "endless").await.is_some();
        let over = pods.items.is_empty() && jobs.items.is_empty() && !left;
        if over && job["code"] == "not_found" { Ok(()) } else { Err(job.to_string()) }
    })
    .await;
}
