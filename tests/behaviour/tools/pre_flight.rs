//! What is found before a job is submitted, and what the job then meets.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceQuota, Secret};
use kube::api::PostParams;
use kubeflow_mcp_tests::{cluster::Cluster, waiting::until};
use serde_json::{Value, json};

use crate::training;

/// The verdict of each check.
fn verdicts(answer: &Value) -> BTreeMap<&str, &str> {
    let checks = answer["checks"].as_array().unwrap_or_else(|| panic!("{answer}"));
    checks
        .iter()
        .map(|it| (it["check"].as_str().unwrap(), it["verdict"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn a_missing_secret_is_found_and_then_no_longer() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::once(&namespace).await;
    let arguments = json!({"name": "one", "runtime": "once", "env": {"TOKEN": {"secret": "hf", "key": "token"}}});
    let call = json!({"arguments": arguments});
    let answer = namespace.call("pre_flight", call.clone()).await;
    let expected = [
        ("dry_run", "pass"),
        ("image", "pass"),
        ("nodes", "pass"),
        ("pods", "pass"),
        ("quota", "pass"),
        ("rights", "pass"),
        ("secrets", "fail"),
    ];
    assert_eq!(verdicts(&answer), expected.into(), "{answer}");
    assert_eq!(answer["would_run"], "fail", "{answer}");
    let secret =
        json!({"metadata": {"name": "hf"}, "stringData": {"token": "a-secret-that-nobody-sees"}});
    let secret: Secret = serde_json::from_value(secret).unwrap();
    namespace.api::<Secret>().create(&PostParams::default(), &secret).await.unwrap();
    let answer = namespace.call("pre_flight", call).await;
    assert_eq!(answer["would_run"], "pass", "{answer}");
    assert!(!answer.to_string().contains("a-secret"), "{answer}");
    let jobs = namespace.call("list_training_jobs", json!({})).await;
    assert_eq!(jobs["total"], 0, "nothing is made: {jobs}");
}

#[tokio::test]
async fn what_no_node_has_is_told_with_what_they_lack() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::once(&namespace).await;
    let arguments = json!({"name": "one", "runtime": "once", "gpu_per_node": 1});
    let answer = namespace.call("pre_flight", json!({"arguments": arguments})).await;
    assert_eq!(verdicts(&answer)["nodes"], "fail", "{answer}");
    assert!(answer.to_string().contains("have no nvidia.com/gpu"), "{answer}");
}

/// A TrainJob is taken although its Pods never will be: only a Pod that is tried shows it.
#[tokio::test]
async fn what_refuses_the_pods_is_told_before_there_is_a_job() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::once(&namespace).await;
    let quota = json!({"metadata": {"name": "team"}, "spec": {"hard": {"limits.cpu": "4"}}});
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    namespace.api::<ResourceQuota>().create(&PostParams::default(), &quota).await.unwrap();
    let call = json!({"arguments": {"name": "one", "runtime": "once"}});
    let answer = until("the quota", async || {
        let answer = namespace.call("pre_flight", call.clone()).await;
        if answer["would_run"] == "fail" { Ok(answer) } else { Err(answer.to_string()) }
    })
    .await;
    assert_eq!(verdicts(&answer)["pods"], "fail", "{answer}");
    assert_eq!(verdicts(&answer)["dry_run"], "pass", "{answer}");
    assert!(answer.to_string().contains("must specify limits.cpu"), "{answer}");
    let limited = json!({"arguments": {"name": "one", "runtime": "once", "resources_per_node": {"cpu": "100m"}}});
    let answer = namespace.call("pre_flight", limited).await;
    assert_eq!(answer["would_run"], "pass", "{answer}");
}
