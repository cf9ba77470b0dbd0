//! How training jobs stand, as a cluster writes it into their statuses, events and nodes.

use expect_test::expect;
use k8s_openapi::api::core::v1::{Event, Node};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams},
};
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, waiting::until};
use serde_json::{Value, json};

use super::{Seen, check};
use crate::training::{self, TRAINER, create, train_job};

pub(super) const SIGNS: &[&str] =
    &["Complete", "Failed", "Ready", "TrainJobResourcesCreationFailed", "foregroundDeletion"];

/// How the job is told once it is in this phase.
async fn told(namespace: &Namespace, name: &str, phase: &str) -> String {
    until(phase, async || {
        let job = namespace.call("get_training_job", json!({"name": name})).await;
        let told = format!("{phase} {} {}", job["reason"], job["message"]);
        if job["phase"] == phase { Ok(told) } else { Err(job.to_string()) }
    })
    .await
}

/// What an object's status says under this type.
fn condition(object: &Value, name: &str) -> String {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let told = conditions.filter(|it| it["type"] == name);
    told.map(|it| format!("{name}={} {}: {}", it["status"], it["reason"], it["message"])).collect()
}

async fn ended(namespace: &Namespace, sign: &'static str, phase: &str, script: &str) -> Seen {
    let name = sign.to_lowercase();
    let spec = json!({"trainer": {"command": ["sh", "-c", script]}});
    create(namespace, train_job(&name, "once", spec)).await;
    let read = told(namespace, &name, phase).await;
    let jobs: Api<DynamicObject> = namespace.objects(TRAINER, "TrainJob");
    let job = json!(jobs.get(&name).await.unwrap());
    Seen { sign, written: condition(&job, sign), read }
}

/// The names of its Pods would be too long, which the Trainer finds out when it makes the JobSet.
async fn not_made(namespace: &Namespace) -> Seen {
    let name = "a".repeat(60);
    create(namespace, train_job(&name, "once", json!({}))).await;
    let read = told(namespace, &name, "CreationFailed").await;
    let sign = "TrainJobResourcesCreationFailed";
    let events = namespace.api::<Event>().list(&ListParams::default()).await.unwrap();
    let event = events.items.into_iter().find(|it| it.reason.as_deref() == Some(sign)).unwrap();
    let written = format!("{:?} {sign}: {}", event.type_.unwrap(), event.message.unwrap());
    Seen { sign, written, read }
}

/// The deletion waits for a ConfigMap that this test holds; nobody reconciles the job.
async fn in_the_foreground(namespace: &Namespace) -> Seen {
    let elsewhere = json!({"managedBy": "kueue.x-k8s.io/multikueue"});
    let job = create(namespace, train_job("leaving", "once", elsewhere)).await;
    let owner = json!({"apiVersion": TRAINER, "kind": "TrainJob", "name": "leaving",
        "uid": job.metadata.uid, "blockOwnerDeletion": true});
    let held = json!({"metadata": {"name": "held", "ownerReferences": [owner],
        "finalizers": ["example.com/held"]}});
    let maps = "/api/v1/namespaces/NAMESPACE/configmaps";
    namespace.ask(&format!("POST {maps}"), &[], &held.to_string()).await;
    let jobs: Api<DynamicObject> = namespace.objects(TRAINER, "TrainJob");
    until("the garbage collector's knowledge of the ConfigMap", async || {
        jobs.delete("leaving", &DeleteParams::foreground()).await.unwrap();
        let map = namespace.ask(&format!("GET {maps}/held"), &[], "").await;
        let leaves = !map.json()["metadata"]["deletionTimestamp"].is_null();
        if leaves { Ok(()) } else { Err(map.text) }
    })
    .await;
    let job = jobs.get("leaving").await.unwrap();
    let written = job.metadata.finalizers.unwrap_or_default().join(" ");
    let read = told(namespace, "leaving", "Deleting").await;
    let free = json!({"metadata": {"finalizers": null}}).to_string();
    let merge = [("content-type", "application/merge-patch+json")];
    namespace.ask(&format!("PATCH {maps}/held"), &merge, &free).await;
    Seen { sign: "foregroundDeletion", written, read }
}

async fn node(cluster: &Cluster, namespace: &Namespace) -> Seen {
    let nodes = Api::<Node>::all(cluster.admin());
    let node = nodes.list(&ListParams::default()).await.unwrap().items.swap_remove(0);
    let read = namespace.call("get_cluster_resources", json!({})).await;
    let closed = read["nodes"][0].get("closed");
    let read = format!("closed: {closed:?}");
    // Each kubelet has its own words for it.
    let written = condition(&json!(node), "Ready");
    let written = written.split(':').next().unwrap_or_default().to_owned();
    Seen { sign: "Ready", written, read }
}

#[tokio::test]
async fn standings_of_jobs() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::once(&namespace).await;
    let (complete, failed, not_made, leaving, node) = futures::join!(
        ended(&namespace, "Complete", "Succeeded", "true"),
        ended(&namespace, "Failed", "Failed", "false"),
        not_made(&namespace),
        in_the_foreground(&namespace),
        node(&cluster, &namespace),
    );
    check(
        &namespace,
        SIGNS,
        &[complete, failed, not_made, leaving, node],
        &expect![[r#"
        Complete
          written: Complete="True" "AllJobsCompleted": "jobset completed successfully"
          read: Succeeded "AllJobsCompleted" "jobset completed successfully"
        Failed
          written: Failed="True" "FailedJobs": "jobset failed due to one or more job failures (first failed job: failed-node-0)"
          read: Failed "FailedJobs" "jobset failed due to one or more job failures (first failed job: failed-node-0)"
        TrainJobResourcesCreationFailed
          written: "Warning" TrainJobResourcesCreationFailed: TrainJob resources reconciliation failed: admission webhook "vjobset.kb.io" denied the request: JobSet.jobset.x-k8s.io "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" is invalid: [spec.replicatedJobs[0].name: Invalid value: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-node-0": JobSet name is too long, job names generated for this JobSet will exceed 63 characters, spec.replicatedJobs[0].name: Invalid value: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-node-0": JobSet name is too long, pod names generated for this JobSet will exceed 63 characters]
          read: CreationFailed "TrainJobResourcesCreationFailed" "TrainJob resources reconciliation failed: admission webhook \"vjobset.kb.io\" denied the request: JobSet.jobset.x-k8s.io \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is invalid: [spec.replicatedJobs[0].name: Invalid value: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-node-0\": JobSet name is too long, job names generated for this JobSet will exceed 63 characters, spec.replicatedJobs[0].name: Invalid value: \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        foregroundDeletion
          written: foregroundDeletion
          read: Deleting null "it was deleted in the foreground, which waits for its parts to go, and the Trainer's controller makes them anew: delete_training_job ends it"
        Ready
          written: Ready="True" "KubeletReady"
          read: closed: None
    "#]],
    );
}
