//! Pods that wait for room, and get it.

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::cluster::{Cluster, pod, state};

fn unbound(name: &str, cpu: &str) -> Value {
    let mut pod = pod(name, "sleep 600");
    pod["spec"]["nodeName"] = Value::Null;
    pod["spec"]["terminationGracePeriodSeconds"] = 0.into();
    pod["spec"]["containers"][0]["resources"] = json!({ "requests": { "cpu": cpu } });
    pod
}

fn waits(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|it| it["type"] == "PodScheduled" && it["status"] == "False")
}

#[tokio::test]
async fn a_pod_waits_until_there_is_room() {
    let cluster = Cluster::scheduling().await;
    cluster.run(unbound("first", "10m"), |pod| state(pod)["running"].is_object()).await;
    cluster.wait_event("first", "Successfully assigned default/first to machine").await;
    let nodes: Api<Node> = Api::all(cluster.client.clone());
    let small = json!({ "status": { "allocatable": { "cpu": "15m" } } });
    nodes.patch_status("machine", &PatchParams::default(), &Patch::Merge(small)).await.unwrap();

    let waiting = cluster.run(unbound("second", "10m"), waits).await;
    assert_eq!(waiting["status"]["phase"], "Pending");
    let conditions = waiting["status"]["conditions"].as_array().unwrap();
    let scheduled = conditions.iter().find(|it| it["type"] == "PodScheduled").unwrap();
    assert_eq!(scheduled["reason"], "Unschedulable");
    assert_eq!(scheduled["message"], "0/1 nodes are available: 1 Insufficient cpu.");
    cluster.wait_event("second", "Warning FailedScheduling 0/1 nodes are available").await;

    cluster.api::<Pod>().delete("first", &DeleteParams::default()).await.unwrap();
    let running = cluster.wait::<Pod>("second", |pod| state(pod)["running"].is_object()).await;
    assert_eq!(running["spec"]["nodeName"], "machine");
}

#[tokio::test]
async fn a_gate_holds_a_pod_back() {
    let cluster = Cluster::scheduling().await;
    let mut gated = unbound("gated", "1m");
    gated["spec"]["schedulingGates"] = json!([{ "name": "example.com/wait" }]);
    let waiting = cluster.run(gated, waits).await;
    let conditions = waiting["status"]["conditions"].as_array().unwrap();
    assert_eq!(conditions[0]["reason"], "SchedulingGated");
    let open = Patch::Merge(json!({ "spec": { "schedulingGates": [] } }));
    cluster.api::<Pod>().patch("gated", &PatchParams::default(), &open).await.unwrap();
    cluster.wait::<Pod>("gated", |pod| state(pod)["running"].is_object()).await;
}
