//! Runtimes of a cluster in the process, as an agent sees them.

use expect_test::expect;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, PostParams},
};
use kubeflow_mcp_core::testing::Cluster;
use serde_json::{Value, json};

use super::*;
use crate::TOOL_SET;

async fn create(cluster: &Cluster, kind: &str, name: &str, labels: Value) {
    let plural = format!("{}s", kind.to_lowercase());
    let resource = ApiResource {
        group: "trainer.kubeflow.org".into(),
        version: "v1alpha1".into(),
        api_version: "trainer.kubeflow.org/v1alpha1".into(),
        kind: kind.into(),
        plural,
    };
    let container = json!({"name": "node", "image": "example.org/torch:1", "command": ["sleep", "1"],
        "resources": {"limits": {"nvidia.com/gpu": "2"}}, "env": [{"name": "A", "value": "secret"}]});
    let job = json!({"name": "node", "template": {"metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
        "spec": {"template": {"spec": {"containers": [container]}}}}});
    let mut runtime = DynamicObject::new(name, &resource);
    runtime.metadata.labels = serde_json::from_value(labels).unwrap();
    runtime.data = json!({"spec": {"mlPolicy": {"numNodes": 2, "torch": {}}, "template": {"spec": {"replicatedJobs": [job]}}}});
    let api: Api<DynamicObject> = match kind {
        "TrainingRuntime" => Api::default_namespaced_with(cluster.client(), &resource),
        _ => Api::all_with(cluster.client(), &resource),
    };
    api.create(&PostParams::default(), &runtime).await.expect("a runtime");
}

#[tokio::test]
async fn runtimes_of_both_kinds_are_listed() {
    let cluster = Cluster::new(&[&TOOL_SET]).await;
    let labels = json!({"trainer.kubeflow.org/framework": "torch", "trainer.kubeflow.org/support": "deprecated"});
    create(&cluster, "ClusterTrainingRuntime", "torch", labels).await;
    // Of two with one name, the namespace's is meant.
    create(&cluster, "TrainingRuntime", "torch", json!({"trainer.kubeflow.org/framework": "own"}))
        .await;
    let listed = cluster.call::<ListRuntimes>(json!({})).await;
    expect![[r#"
        {
          "runtimes": [
            {
              "framework": "python",
              "image": "localhost/host-python",
              "kind": "ClusterTrainingRuntime",
              "name": "python",
              "nodes": 1,
              "trainer": "custom"
            },
            {
              "device": "2 nvidia.com/gpu",
              "framework": "own",
              "image": "example.org/torch:1",
              "kind": "TrainingRuntime",
              "name": "torch",
              "nodes": 2,
              "trainer": "custom"
            }
          ],
          "total": 2
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&listed).unwrap());
    let page = cluster.call::<ListRuntimes>(json!({"limit": 1})).await;
    let rest = cluster.call::<ListRuntimes>(json!({"cursor": page["next_cursor"]})).await;
    assert_eq!(
        (&page["runtimes"][0]["name"], &rest["runtimes"][0]["name"]),
        (&json!("python"), &json!("torch"))
    );
}

#[tokio::test]
async fn one_runtime_is_shown_without_values_of_its_environment() {
    let cluster = Cluster::new(&[&TOOL_SET]).await;
    create(
        &cluster,
        "TrainingRuntime",
        "torch",
        json!({"trainer.kubeflow.org/framework": "torch"}),
    )
    .await;
    let shown = cluster.call::<GetRuntime>(json!({"name": "torch"})).await;
    expect![[r#"
        {
          "device": "2 nvidia.com/gpu",
          "fixed": [
            "its Jobs, their order, and how often they are tried again",
            "variables that start with PET_, which torchrun reads"
          ],
          "framework": "torch",
          "image": "example.org/torch:1",
          "kind": "TrainingRuntime",
          "name": "torch",
          "nodes": 2,
          "overridable": [
            "image, command and arguments of the container \"node\"",
            "environment and resources of the container \"node\"",
            "the number of nodes, 2 unless it says otherwise",
            "node selector, tolerations, volumes and mounts, service account and pull secrets of the Pods of node"
          ],
          "resources": {
            "nvidia.com/gpu": "2"
          },
          "steps": [
            {
              "command": "sleep 1",
              "env": [
                "A"
              ],
              "images": [
                "example.org/torch:1"
              ],
              "name": "node"
            }
          ],
          "trainer": "custom",
          "used_by": [
            "run_custom_training",
            "run_container_training"
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&shown).unwrap());
    let unknown = cluster.call::<GetRuntime>(json!({"name": "torhc"})).await;
    expect![[r#"
        {
          "code": "invalid_argument",
          "message": "argument \"runtime\" names no runtime: \"torhc\" (did you mean \"torch\"?); there are python, torch"
        }"#]].assert_eq(&serde_json::to_string_pretty(&unknown).unwrap());
}
