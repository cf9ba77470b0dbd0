//! Images that run as they are, and jobs that are run again.

use expect_test::expect;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace};
use serde_json::{Value, json};

use crate::training;

async fn ended(namespace: &Namespace, name: &str) -> Value {
    let wait = json!({"name": name, "timeout_seconds": 120});
    namespace.call("wait_for_training", wait).await
}

#[tokio::test]
async fn a_failed_job_is_run_again_with_changes() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::once(&namespace).await;
    let job = json!({"name": "fails", "runtime": "once", "num_nodes": 2, "confirmed": true,
        "func_args": {"lr": 0.1}, "script": "raise SystemExit('no data')",
        "resources_per_node": {"memory": "256Mi"}});
    let made = namespace.call("run_custom_training", job).await;
    assert_eq!(made["created"], true, "{made}");
    assert_eq!(ended(&namespace, "fails").await["phase"], "Failed");

    let mut retry = json!({"job": "fails", "name": "again", "changes": {"num_nodes": 1,
        "script": "import sys\nprint(sys.argv[1:])", "args": {"lr": 0.01},
        "resources_per_node": {"memory": "512Mi"}}});
    let preview = namespace.call("retry_training_job", retry.clone()).await;
    expect![[r#"
        {
          "changed": [
            "num_nodes: 1 instead of 2",
            "memory: 512Mi instead of 256Mi",
            "args.lr: 0.01 instead of 0.1",
            "script: 671e811e957c09bf instead of 39b5907a69d309ef"
          ],
          "created": true,
          "name": "again",
          "namespace": "NAMESPACE",
          "preview": true,
          "retry_of": "fails",
          "runtime": "once",
          "set_by_cluster": [
            "spec.managedBy = \"trainer.kubeflow.org/trainjob-controller\"",
            "spec.suspend = false"
          ]
        }"#]]
    .assert_eq(&namespace.normalised(&serde_json::to_string_pretty(&preview).unwrap()));
    retry["confirmed"] = json!(true);
    let made = namespace.call("retry_training_job", retry.clone()).await;
    assert_eq!((&made["created"], &made["preview"]), (&json!(true), &json!(false)), "{made}");
    assert_eq!(namespace.call("retry_training_job", retry).await["created"], false);
    let ended = ended(&namespace, "again").await;
    assert_eq!(
        (&ended["phase"], &ended["log"]),
        (&json!("Succeeded"), &json!("['--lr=0.01']")),
        "{ended}"
    );
}

#[tokio::test]
async fn a_job_that_is_not_there_is_not_run_again() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let refused = namespace.call("retry_training_job", json!({"job": "nothing"})).await;
    assert_eq!(refused["code"], "not_found", "{refused}");
}

#[tokio::test]
async fn an_image_runs_as_it_is() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::once(&namespace).await;
    let secret: Secret = serde_json::from_value(
        json!({"metadata": {"name": "key"}, "stringData": {"key": "opened"}}),
    )
    .unwrap();
    namespace.api::<Secret>().create(&PostParams::default(), &secret).await.unwrap();
    let job = json!({"name": "image", "runtime": "once", "image": "localhost/host-python",
        "command": ["python", "-c"], "args": ["import os; print(os.environ['DOOR'], os.environ['MODEL_OUTPUT'])"],
        "env": {"DOOR": {"secret": "key", "key": "key"}}, "output": "s3://models/image", "confirmed": true});
    let made = namespace.call("run_container_training", job).await;
    expect![[r#"
        {
          "command": "python -c import os; print(os.environ['DOOR'], os.environ['MODEL_OUTPUT'])",
          "created": true,
          "env": [
            "DOOR"
          ],
          "image": "localhost/host-python",
          "name": "image",
          "namespace": "NAMESPACE",
          "nodes": 1,
          "output": "s3://models/image",
          "preview": false,
          "runtime": "once",
          "set_by_cluster": [
            "spec.managedBy = \"trainer.kubeflow.org/trainjob-controller\"",
            "spec.suspend = false"
          ],
          "warnings": [
            "the image has no tag or digest, so it may change between nodes"
          ]
        }"#]]
    .assert_eq(&namespace.normalised(&serde_json::to_string_pretty(&made).unwrap()));
    let ended = ended(&namespace, "image").await;
    assert_eq!(
        (&ended["phase"], &ended["log"]),
        (&json!("Succeeded"), &json!("opened s3://models/image")),
        "{ended}"
    );
}

/// The folder is on this machine, as the processes of Pods are.
#[tokio::test]
async fn a_model_lands_in_a_folder_that_the_job_is_told() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::once(&namespace).await;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("models/first");
    let script = "import os\nopen(os.environ['MODEL_OUTPUT'] + '/model', 'w').write('trained')";
    let job = json!({"name": "lands", "runtime": "once", "script": script, "output": place,
        "confirmed": true});
    let made = namespace.call("run_custom_training", job).await;
    assert_eq!(made["output"], format!("file://{}", place.display()), "{made}");
    assert_eq!(ended(&namespace, "lands").await["phase"], "Succeeded");
    assert_eq!(std::fs::read_to_string(place.join("model")).unwrap(), "trained");

    let elsewhere = json!({"name": "image", "image": "example.org/own:2", "output": "/models",
        "runtime": "once"});
    let refused = namespace.call("run_container_training", elsewhere).await;
    assert_eq!(refused["code"], "invalid_argument", "{refused}");
    assert!(refused["message"].to_string().contains("pvc://CLAIM/PATH"), "{refused}");
}
