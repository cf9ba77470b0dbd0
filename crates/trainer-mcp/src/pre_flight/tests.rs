//! Pre-flight checks of jobs on a cluster in the process.

use expect_test::expect;
use k8s_openapi::api::core::v1::{Node, ResourceQuota};
use kube::{Api, api::PostParams};
use kubeflow_mcp_core::testing::Cluster;

use super::*;
use crate::TOOL_SET;

/// With one node of four CPUs.
async fn cluster() -> Cluster {
    let cluster = Cluster::new(&[&TOOL_SET]).await;
    let nodes: Api<Node> = Api::all(cluster.client());
    let node = json!({"metadata": {"name": "a"}, "status": {"allocatable": {"cpu": "4", "memory": "8Gi"},
        "conditions": [{"type": "Ready", "status": "True"}]}});
    let node: Node = serde_json::from_value(node).unwrap();
    let mut made = nodes.create(&PostParams::default(), &node).await.unwrap();
    made.status = node.status;
    nodes.replace_status("a", &PostParams::default(), &made).await.unwrap();
    cluster
}

/// Verdict, name and finding of each check, a line each.
fn told(answer: &Value) -> String {
    let checks = answer["checks"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let line = |it: &Value| {
        let fix = it["fix"].as_str().map(|it| format!(" -> {it}")).unwrap_or_default();
        format!("{} {}: {}{fix}\n", text(&it["verdict"]), text(&it["check"]), text(&it["finding"]))
    };
    checks.iter().map(line).collect()
}

#[tokio::test]
async fn a_job_that_fits_passes() {
    let cluster = cluster().await;
    let arguments = json!({"name": "mnist", "resources_per_node": {"cpu": 2}});
    let answer = cluster.call::<PreFlight>(json!({"arguments": arguments})).await;
    assert_eq!(answer["would_run"], "pass", "{answer}");
    expect![[r#"
        pass rights: run_custom_training is offered to you here
        pass dry_run: the API server and its webhooks take the job
        pass pods: the namespace's rules take such Pods
        pass image: localhost/host-python; only a node can tell whether it is there
        pass nodes: room for 1 Pods of 2 cpu each now
        pass quota: 0 in the namespace, none of which is exceeded
    "#]]
    .assert_eq(&told(&answer));
    expect![[r#"
        {
          "command": "python train.py",
          "image": "localhost/host-python",
          "name": "mnist",
          "namespace": "default",
          "nodes": 1,
          "resources": {
            "cpu": "2"
          },
          "runtime": "python"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&answer["job"]).unwrap());
}

#[tokio::test]
async fn what_is_missing_is_found_before_it_is_missed() {
    let cluster = cluster().await;
    let quotas: Api<ResourceQuota> = Api::default_namespaced(cluster.client());
    let hard = json!({"requests.cpu": "3"});
    let quota =
        json!({"metadata": {"name": "team"}, "spec": {"hard": hard}, "status": {"hard": hard}});
    let quota = serde_json::from_value(quota).unwrap();
    quotas.create(&PostParams::default(), &quota).await.unwrap();
    let arguments = json!({"name": "mnist", "num_nodes": 2, "gpu_per_node": 1, "image": "torch",
        "resources_per_node": {"cpu": 2}, "env": {"HF_TOKEN": {"secret": "hf", "key": "token"}},
        "options": {"queue": "team",
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}});
    let answer = cluster.call::<PreFlight>(json!({"arguments": arguments})).await;
    assert_eq!(answer["would_run"], "fail", "{answer}");
    expect![[r#"
        fail dry_run: this cluster runs Pods as processes and cannot run the container image "torch"; it can run localhost/host-python -> start it on a cluster that runs containers, or run a script with run_custom_training
        fail nodes: 2 Pods of 2 cpu, 1 nvidia.com/gpu each, and room for 0 even if nothing else ran; of 1 nodes, 1 have no nvidia.com/gpu -> ask for less of each, for fewer nodes, or tolerate the taint and mend the selector that it names
        fail quota: quota "team" leaves 3 of requests.cpu, and the job's Pods need 4 -> ask for less, delete what is finished, or ask for a larger quota
        fail secrets: missing in the namespace: hf -> create them: until then the containers wait
        fail volumes: no PersistentVolumeClaim "data" in the namespace -> create it, or name another
        fail queue: there is no LocalQueue "team" in the namespace, or no Kueue -> leave the label out, or name a queue: get_cluster_resources lists them
        warn image: without tag or digest: torch -> name a version, since `latest` may differ between nodes
        pass rights: run_custom_training is offered to you here
        pass pods: the namespace's rules take such Pods
    "#]].assert_eq(&told(&answer));
}

#[tokio::test]
async fn a_job_that_must_wait_is_warned_of() {
    let cluster = cluster().await;
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::default_namespaced(cluster.client());
    let pod = json!({"metadata": {"name": "x"}, "spec": {"nodeName": "a", "containers": [
        {"name": "x", "image": "example.org/x:1", "resources": {"requests": {"cpu": "3"}}}]}});
    pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    let arguments = json!({"resources_per_node": {"cpu": 2}});
    let answer = cluster.call::<PreFlight>(json!({"arguments": arguments})).await;
    assert_eq!(answer["would_run"], "warn", "{answer}");
    assert!(
        told(&answer).starts_with("warn nodes: 1 Pods of 2 cpu each, and room for 0 now"),
        "{answer}"
    );
}

#[tokio::test]
async fn mistakes_in_the_arguments_are_the_submitting_tool_s_own() {
    let cluster = cluster().await;
    let mut messages = String::new();
    for call in [
        json!({"tool": "run_custom_trainin", "arguments": {}}),
        json!({"tool": "delete_training_job", "arguments": {"name": "x"}}),
        json!({"arguments": {"runtime": "pyhton"}}),
        json!({"arguments": {"num_node": 2}}),
        json!({"arguments": {"script": "print("}}),
        json!({}),
    ] {
        let error = cluster.call::<PreFlight>(call).await;
        messages += error["message"].as_str().unwrap_or_else(|| panic!("{error}"));
        messages += "\n";
    }
    expect![[r#"
        argument "tool" is "run_custom_trainin", not one of fine_tune, run_custom_training, run_container_training, retry_training_job (did you mean "run_custom_training"?)
        argument "tool" is "delete_training_job", not one of fine_tune, run_custom_training, run_container_training, retry_training_job (did you mean "retry_training_job"?)
        argument "runtime" names no runtime: "pyhton" (did you mean "python"?); there are python
        argument "num_node" is not known (did you mean "num_nodes"?)
        argument "script" does not parse at line 1, column 7: unexpected EOF while parsing: "print("
        argument "arguments" is required
    "#]].assert_eq(&messages);
}
