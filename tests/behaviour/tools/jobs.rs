//! What an agent sees of a job from its rehearsal to its deletion.

use expect_test::{Expect, expect};
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, waiting::until};
use serde_json::{Value, json};

use crate::training;

fn check(namespace: &Namespace, answer: &Value, expected: Expect) {
    let text = serde_json::to_string_pretty(answer).unwrap();
    expected.assert_eq(&namespace.normalised(&text));
}

#[tokio::test]
async fn runtimes_are_listed_and_shown() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::once(&namespace).await;
    // What else is there is the cluster's own affair.
    let mut listed = namespace.call("list_runtimes", json!({"limit": 100})).await;
    let rows = listed["runtimes"].as_array_mut().expect("rows");
    rows.retain(|row| row["name"] == "once");
    check(
        &namespace,
        &listed["runtimes"],
        expect![[r#"
        [
          {
            "framework": "python",
            "image": "localhost/host-python",
            "kind": "TrainingRuntime",
            "name": "once",
            "nodes": 1,
            "trainer": "custom"
          }
        ]"#]],
    );
    let shown = namespace.call("get_runtime", json!({"name": "once"})).await;
    check(
        &namespace,
        &shown,
        expect![[r#"
            {
              "fixed": [
                "its Jobs, their order, and how often they are tried again"
              ],
              "framework": "python",
              "image": "localhost/host-python",
              "kind": "TrainingRuntime",
              "name": "once",
              "nodes": 1,
              "overridable": [
                "image, command and arguments of the container \"node\"",
                "environment and resources of the container \"node\"",
                "the number of nodes, 1 unless it says otherwise",
                "node selector, tolerations, volumes and mounts, service account and pull secrets of the Pods of node"
              ],
              "resources": {},
              "steps": [
                {
                  "env": [
                    "JAX_NUM_PROCESSES",
                    "PET_NNODES",
                    "PET_NPROC_PER_NODE",
                    "PET_NODE_RANK",
                    "TRAINJOB_NAME",
                    "PET_MASTER_ADDR",
                    "PET_MASTER_PORT"
                  ],
                  "images": [
                    "localhost/host-python"
                  ],
                  "name": "node"
                }
              ],
              "trainer": "custom",
              "used_by": [
                "run_custom_training",
                "run_container_training"
              ]
            }"#]],
    );
    let missing = namespace.call("get_runtime", json!({"name": "onze"})).await;
    assert_eq!(missing["code"], "invalid_argument", "{missing}");
}

#[tokio::test]
async fn a_job_is_rehearsed_made_suspended_and_deleted() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::once(&namespace).await;
    let mut job = json!({"name": "sleeper", "script": "print('begun', flush=True)\nimport time\ntime.sleep(600)", "runtime": "once"});
    let preview = namespace.call("run_custom_training", job.clone()).await;
    check(
        &namespace,
        &preview,
        expect![[r#"
        {
          "code_bytes": 54,
          "code_digest": "bd3bc303e6e6da6b",
          "command": "python train.py",
          "created": true,
          "image": "localhost/host-python",
          "name": "sleeper",
          "namespace": "NAMESPACE",
          "nodes": 1,
          "preview": true,
          "processes_per_node": "1",
          "runtime": "once",
          "set_by_cluster": [
            "spec.managedBy = \"trainer.kubeflow.org/trainjob-controller\"",
            "spec.suspend = false"
          ]
        }"#]],
    );
    job["confirmed"] = json!(true);
    let made = namespace.call("run_custom_training", job.clone()).await;
    let mut promised = preview;
    promised["preview"] = json!(false);
    assert_eq!(made, promised, "what was made is what was rehearsed");
    let again = namespace.call("run_custom_training", job).await;
    assert_eq!(again["created"], false, "{again}");

    let running =
        json!({"name": "sleeper", "target_statuses": ["Running"], "timeout_seconds": 120});
    let running = namespace.call("wait_for_training", running).await;
    assert_eq!(running["outcome"], "reached", "{running}");
    let log = until("a line of its log", async || {
        let log = namespace.call("get_training_logs", json!({"name": "sleeper"})).await;
        if log["text"] == "begun" { Ok(log) } else { Err(log.to_string()) }
    });
    log.await;
    let listed = namespace.call("list_training_jobs", json!({})).await;
    let row = &listed["jobs"][0];
    assert_eq!((&row["name"], &row["phase"]), (&json!("sleeper"), &json!("Running")), "{listed}");

    let suspend = json!({"name": "sleeper", "action": "suspend", "confirmed": true});
    let suspended = namespace.call("update_training_job", suspend).await;
    assert!(suspended["code"].is_null(), "{suspended}");
    until("its rest", async || {
        let job = namespace.call("get_training_job", json!({"name": "sleeper"})).await;
        if job["phase"] == "Suspended" { Ok(()) } else { Err(job.to_string()) }
    })
    .await;
    let resume = json!({"name": "sleeper", "action": "resume", "confirmed": true});
    let resumed = namespace.call("update_training_job", resume).await;
    assert!(resumed["code"].is_null(), "{resumed}");
    until("its second run", async || {
        let job = namespace.call("get_training_job", json!({"name": "sleeper"})).await;
        if job["phase"] == "Running" { Ok(()) } else { Err(job.to_string()) }
    })
    .await;

    let preview = namespace.call("delete_training_job", json!({"name": "sleeper"})).await;
    assert!(preview["code"].is_null(), "{preview}");
    let still = namespace.call("get_training_job", json!({"name": "sleeper"})).await;
    assert_eq!(still["phase"], "Running", "{still}");
    let deleted =
        namespace.call("delete_training_job", json!({"name": "sleeper", "confirmed": true})).await;
    assert!(deleted["code"].is_null(), "{deleted}");
    until("its absence", async || {
        let gone = namespace.call("get_training_job", json!({"name": "sleeper"})).await;
        if gone["code"] == "not_found" { Ok(()) } else { Err(gone.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn what_the_webhook_refuses_is_told() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::python(
        &namespace,
        "torch",
        json!({"mlPolicy": {"jax": null, "torch": {}}}),
        json!({}),
    )
    .await;
    let job = json!({"name": "reserved", "script": "print()", "runtime": "torch", "env": {"PET_NNODES": "3"}});
    let refused = namespace.call("run_custom_training", job).await;
    check(
        &namespace,
        &refused,
        expect![[r#"
        {
          "code": "denied_by_admission",
          "hint": "the cluster's own rules refuse it: change the request",
          "message": "spec.trainer.env: Invalid value: [{\"name\":\"PET_NNODES\",\"value\":\"[redacted]\"},{\"name\":\"KUBEFLOW_MCP_CODE_0\",\"value\":\"[redacted]\"},{\"name\":\"PYTHONUNBUFFERED\",\"value\":\"[redacted]\"}]: must not have reserved envs, invalid envs configured: [PET_NNODES]"
        }"#]],
    );
}
