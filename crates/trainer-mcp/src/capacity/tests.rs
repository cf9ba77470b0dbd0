//! What the cluster has, as an agent reads it.

use expect_test::expect;
use serde_json::{Value, json};

use super::*;

fn node(name: &str, gpus: u32, more: Value) -> Node {
    let mut node = json!({
        "metadata": {"name": name, "labels": {"node.kubernetes.io/instance-type": if gpus > 0 { "gpu" } else { "small" }}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "7910m", "memory": "32554120Ki", "pods": "110", "amd.com/gpu": gpus.to_string()},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    });
    if gpus == 0 {
        node["status"]["allocatable"].as_object_mut().unwrap().remove("amd.com/gpu");
    }
    for (field, value) in more.as_object().unwrap() {
        node["spec"][field] = value.clone();
    }
    serde_json::from_value(node).unwrap()
}

fn pod(node: &str, containers: Value, init: Value) -> PodUsage {
    let spec = json!({"nodeName": node, "containers": containers, "initContainers": init});
    serde_json::from_value(json!({"metadata": {"name": "x"}, "spec": spec})).unwrap()
}

fn used(pods: Vec<PodUsage>) -> ByNode {
    let mut nodes = ByNode::new();
    usage::count(&mut nodes, pods);
    nodes
}

#[test]
fn hundreds_of_nodes_are_a_few_rows() {
    let tainted =
        json!({"taints": [{"key": "amd.com/gpu", "value": "yes", "effect": "NoSchedule"}]});
    let mut nodes: Vec<Node> =
        (0..300).map(|it| node(&format!("gpu-{it:03}"), 8, tainted.clone())).collect();
    nodes.extend((0..300).map(|it| node(&format!("cpu-{it:03}"), 0, json!({}))));
    nodes.push(node("away", 0, json!({"unschedulable": true})));
    let ask = |cpu: &str, gpus: &str| json!([{"resources": {"requests": {"cpu": cpu, "amd.com/gpu": gpus}}}]);
    let used = used(vec![
        pod("gpu-000", ask("1", "5"), json!([])),
        pod("gpu-001", ask("500m", "1"), json!([])),
        pod("cpu-000", json!([{"resources": {"requests": {"memory": "1Gi"}}}]), json!([])),
    ]);
    let groups = nodes::groups(&nodes, Some(&used));
    assert_eq!(groups.iter().map(|it| it.taking()).sum::<usize>(), 600);
    let text =
        serde_json::to_string_pretty(&json!({"total": nodes::total(&groups), "nodes": groups}))
            .unwrap();
    expect![[r#"
        {
          "nodes": [
            {
              "count": 300,
              "each": {
                "amd.com/gpu": "8",
                "cpu": "7.9",
                "memory": "31Gi"
              },
              "free": {
                "amd.com/gpu": "2394",
                "cpu": "2371.5",
                "memory": "9313.8Gi"
              },
              "instance_type": "gpu",
              "most_free_on_one": {
                "amd.com/gpu": "8",
                "cpu": "7.9",
                "memory": "31Gi"
              },
              "names": [
                "gpu-000",
                "gpu-001",
                "gpu-002"
              ],
              "taints": [
                "amd.com/gpu=yes:NoSchedule"
              ]
            },
            {
              "count": 300,
              "each": {
                "cpu": "7.9",
                "memory": "31Gi"
              },
              "free": {
                "cpu": "2373",
                "memory": "9312.8Gi"
              },
              "instance_type": "small",
              "most_free_on_one": {
                "cpu": "7.9",
                "memory": "31Gi"
              },
              "names": [
                "cpu-000",
                "cpu-001",
                "cpu-002"
              ]
            },
            {
              "closed": "cordoned",
              "count": 1,
              "each": {
                "cpu": "7.9",
                "memory": "31Gi"
              },
              "free": {
                "cpu": "7.9",
                "memory": "31Gi"
              },
              "instance_type": "small",
              "names": [
                "away"
              ]
            }
          ],
          "total": {
            "amd.com/gpu": {
              "allocatable": "2400",
              "free": "2394"
            },
            "cpu": {
              "allocatable": "4746",
              "free": "4744.5"
            },
            "memory": {
              "allocatable": "18627.6Gi",
              "free": "18626.6Gi"
            }
          }
        }"#]]
    .assert_eq(&text);
}

#[test]
fn init_containers_count_as_the_scheduler_counts_them() {
    let cpu = |cpu: u32| json!({"resources": {"requests": {"cpu": cpu}}});
    let mut sidecar = cpu(1);
    sidecar["restartPolicy"] = json!("Always");
    let asked = |containers: Value, init: Value| {
        let used = used(vec![pod("a", containers, init)]);
        usage::show("cpu", used["a"]["cpu"])
    };
    assert_eq!(asked(json!([cpu(2), cpu(3)]), json!([cpu(4)])), "5");
    assert_eq!(asked(json!([cpu(2)]), json!([cpu(4)])), "4");
    assert_eq!(asked(json!([cpu(2)]), json!([sidecar, cpu(4)])), "5");
    assert_eq!(asked(json!([cpu(2)]), json!([cpu(1), sidecar])), "3");
}

#[cfg(feature = "local")]
#[tokio::test]
async fn pods_are_read_in_pages_as_far_as_the_api_server_gives_them() {
    use crate::testing::ByHand;

    let page = |node: &str, next: &str| {
        let asked = json!([{"resources": {"requests": {"cpu": "1"}}}]);
        let pod =
            json!({"metadata": {"name": "x"}, "spec": {"nodeName": node, "containers": asked}});
        let page = json!({"apiVersion": "v1", "kind": "PodList", "items": [pod, pod],
                          "metadata": {"continue": next}});
        Some((200, page.to_string()))
    };
    let nodes = json!({"apiVersion": "v1", "kind": "NodeList", "metadata": {},
                       "items": [node("a", 0, json!({}))]});
    for (expired, free, unseen) in [
        (false, "3.9", Value::Null),
        (true, "5.9", json!(["Pods beyond 2: less is free than is said"])),
    ] {
        let nodes = nodes.to_string();
        let cluster = ByHand::answering(move |path, query| match path {
            "/api/v1/nodes" => Some((200, nodes.clone())),
            "/api/v1/pods" if !query.contains("limit=500") => None,
            "/api/v1/pods" if !query.contains("continue=") => page("a", "second"),
            "/api/v1/pods" if expired => Some((410, "the continue token is too old".to_owned())),
            "/api/v1/pods" => page("a", ""),
            _ => None,
        });
        let seen = cluster.await.call("get_cluster_resources", json!({})).await;
        assert_eq!(seen["total"]["cpu"]["free"], free, "{seen}");
        assert_eq!(seen["unseen"], unseen, "{seen}");
    }
}

#[cfg(feature = "local")]
#[tokio::test]
async fn an_agent_sees_what_is_free_and_what_a_namespace_may_use() {
    use k8s_openapi::api::core::v1::Pod;
    use kube::{Api, api::PostParams};
    use kubeflow_mcp_core::testing::Cluster;

    let cluster = Cluster::new(&[&crate::TOOL_SET]).await;
    let nodes: Api<Node> = Api::all(cluster.client());
    let wanted = node("gpu-0", 2, json!({}));
    let mut made = nodes.create(&PostParams::default(), &wanted).await.expect("a node");
    made.status = wanted.status;
    nodes.replace_status("gpu-0", &PostParams::default(), &made).await.expect("its status");
    let pod = json!({"metadata": {"name": "x"}, "spec": {"nodeName": "gpu-0", "containers": [
        {"name": "x", "image": "example.org/x:1", "resources": {"limits": {"amd.com/gpu": 1}, "requests": {"cpu": "500m", "amd.com/gpu": 1}}}]}});
    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    let pod = serde_json::from_value(pod).expect("a Pod");
    pods.create(&PostParams::default(), &pod).await.expect("a Pod");
    let quotas: Api<ResourceQuota> = Api::default_namespaced(cluster.client());
    let quota = json!({"metadata": {"name": "team"}, "spec": {"hard": {"requests.cpu": "4"}}});
    let quota = serde_json::from_value(quota).expect("a quota");
    quotas.create(&PostParams::default(), &quota).await.expect("a quota");

    let seen = cluster.call::<GetClusterResources>(json!({})).await;
    assert_eq!(seen["schedulable_nodes"], "1 of 1", "{seen}");
    assert_eq!(seen["total"]["amd.com/gpu"], json!({"allocatable": "2", "free": "1"}), "{seen}");
    assert_eq!(seen["total"]["cpu"], json!({"allocatable": "7.9", "free": "7.4"}), "{seen}");
    assert_eq!(seen["quotas"][0]["name"], "team", "{seen}");
    assert_eq!(seen.get("unseen"), None, "{seen}");
}
