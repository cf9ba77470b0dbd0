//! What a tool makes of each refusal, said by the cluster itself.

use expect_test::expect;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::PostParams;
use kubeflow_mcp_core::{Persona, Policy};
use kubeflow_mcp_tests::{cluster::Cluster, waiting::until};
use serde_json::json;

use crate::training;

#[tokio::test]
async fn refusals_are_told_apart() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::once(&namespace).await;
    let job = |name: &str| json!({"name": name, "script": "print()", "runtime": "once"});

    let missing = namespace.call("get_training_job", json!({"name": "none"})).await;
    assert_eq!(missing["code"], "not_found", "{missing}");

    let groups = ["system:authenticated"];
    let stranger = namespace.agent("stranger", &groups, Policy::of(Persona::PlatformAdmin)).await;
    assert!(!stranger.tools().await.contains(&"run_custom_training".to_owned()));

    let hard = json!({"count/trainjobs.trainer.kubeflow.org": "0"});
    let quota = json!({"metadata": {"name": "none"}, "spec": {"hard": hard}});
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    let quotas = namespace.api::<ResourceQuota>();
    quotas.create(&PostParams::default(), &quota).await.unwrap();
    let refused = until("the quota", async || {
        let refused = namespace.call("run_custom_training", job("one")).await;
        if refused["code"].is_null() { Err(refused.to_string()) } else { Ok(refused) }
    })
    .await;
    assert_eq!(refused["code"], "quota_exceeded", "{refused}");
}

#[tokio::test]
async fn a_refusal_does_not_repeat_the_values_of_variables() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let torch = json!({"mlPolicy": {"numNodes": 1, "jax": null, "torch": {}}});
    training::python(&namespace, "torch", torch, json!({})).await;
    let env = json!({"PET_NNODES": "9", "GREETING": "for my eyes only"});
    let job = json!({"name": "one", "script": "print()", "runtime": "torch", "env": env});
    let refused = namespace.call("run_custom_training", job).await;
    expect![[r#"{"code":"denied_by_admission","hint":"the cluster's own rules refuse it: change the request","message":"spec.trainer.env: Invalid value: [{\"name\":\"GREETING\",\"value\":\"[redacted]\"},{\"name\":\"PET_NNODES\",\"value\":\"[redacted]\"},{\"name\":\"KUBEFLOW_MCP_CODE_0\",\"value\":\"[redacted]\"},{\"name\":\"PYTHONUNBUFFERED\",\"value\":\"[redacted]\"}]: must not have reserved envs, invalid envs configured: [PET_NNODES]"}"#]].assert_eq(&namespace.normalised(&refused.to_string()));
}
