//! What an administrator does with runtimes, and what a user learns of them.

use expect_test::expect;
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, waiting::until};
use serde_json::{Value, json};

fn spec(image: &str) -> Value {
    let pod = json!({"restartPolicy": "Never", "containers": [{"name": "node", "image": image}]});
    let job = json!({"name": "node", "template": {
        "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}}}});
    json!({"mlPolicy": {"numNodes": 1}, "template": {"spec": {"replicatedJobs": [job]}}})
}

async fn make(namespace: &Namespace, name: &str, image: &str) -> Value {
    let call = json!({"name": name, "namespace": namespace.name(), "framework": "python", "spec": spec(image), "confirmed": true});
    namespace.call("create_runtime", call).await
}

#[tokio::test]
async fn a_runtime_is_made_changed_and_deleted() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let made = make(&namespace, "own", "localhost/host-python").await;
    expect![[r#"{"created":true,"image":"localhost/host-python","kind":"TrainingRuntime","name":"own","preview":false,"used_by":["run_custom_training","run_container_training"]}"#]]
        .assert_eq(&made.to_string());
    let again = make(&namespace, "own", "localhost/host-python").await;
    assert_eq!(again["created"], false, "{again}");

    let env = json!({"name": "node", "env": [{"name": "GREETING", "value": "hello"}]});
    let job = json!({"name": "node", "template": {"spec": {"template": {"spec": {"containers": [env]}}}}});
    let patch =
        json!({"mlPolicy": {"numNodes": 2}, "template": {"spec": {"replicatedJobs": [job]}}});
    let mut call = json!({"name": "own", "namespace": namespace.name(), "patch": patch});
    let preview = namespace.call("patch_runtime", call.clone()).await;
    expect![[r#"
        {
          "changed": true,
          "difference": [
            "mlPolicy.numNodes: 1 → 2",
            "template.spec.replicatedJobs[node].template.spec.template.spec.containers[node].env: nothing → [{\"name\":\"GREETING\",\"value\":\"hello\"}]"
          ],
          "kind": "TrainingRuntime",
          "name": "own",
          "preview": true
        }"#]].assert_eq(&serde_json::to_string_pretty(&preview).unwrap());
    call["confirmed"] = json!(true);
    let mut promised = preview;
    promised["preview"] = json!(false);
    assert_eq!(namespace.call("patch_runtime", call.clone()).await, promised);
    let unchanged = namespace.call("patch_runtime", call).await;
    assert_eq!((&unchanged["changed"], &unchanged["difference"]), (&json!(false), &json!([])));
    let shown = namespace.call("get_runtime", json!({"name": "own"})).await;
    assert_eq!((&shown["nodes"], &shown["steps"][0]["env"]), (&json!(2), &json!(["GREETING"])));

    let unknown = json!({"name": "own", "namespace": namespace.name(), "patch": {"mlPolicy": {"numNode": 2}}});
    let refused = namespace.call("patch_runtime", unknown).await;
    assert_eq!(refused["code"], "invalid", "{refused}");

    let delete = json!({"name": "own", "namespace": namespace.name(), "confirmed": true});
    let deleted = namespace.call("delete_runtime", delete.clone()).await;
    assert_eq!(deleted["used_by"], json!([]), "{deleted}");
    let gone = namespace.call("delete_runtime", delete).await;
    let expected =
        format!("there is no TrainingRuntime \"own\" in namespace {:?}", namespace.name());
    assert_eq!(gone["message"], expected, "{gone}");
}

#[tokio::test]
async fn a_runtime_in_use_is_only_deleted_when_that_is_meant() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    make(&namespace, "own", "localhost/host-python").await;
    let job = json!({"name": "user", "runtime": "own", "script": "import time\ntime.sleep(600)", "confirmed": true});
    let job = until("the job", async || {
        let made = namespace.call("run_custom_training", job.clone()).await;
        // The webhook knows a runtime a moment after it is stored.
        if made["code"].is_null() { Ok(made) } else { Err(made.to_string()) }
    })
    .await;
    assert_eq!(job["runtime"], "own", "{job}");
    let mut delete = json!({"name": "own", "namespace": namespace.name()});
    let refused = namespace.call("delete_runtime", delete.clone()).await;
    let expected = format!(
        "TrainingRuntime \"own\" is used by jobs that are not over: {}/user",
        namespace.name()
    );
    assert_eq!((&refused["code"], &refused["message"]), (&json!("conflict"), &json!(expected)));
    delete["even_if_used"] = json!(true);
    delete["confirmed"] = json!(true);
    let deleted = namespace.call("delete_runtime", delete).await;
    assert_eq!(deleted["used_by"], json!([format!("{}/user", namespace.name())]), "{deleted}");
}

#[tokio::test]
async fn the_packages_of_an_image_are_listed_and_nothing_is_left() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    crate::training::once(&namespace).await;
    let preview = namespace.call("get_runtime_packages", json!({"name": "once"})).await;
    assert_eq!((&preview["preview"], &preview["packages"]), (&json!(true), &json!([])));
    let call = json!({"name": "once", "confirmed": true});
    let found = namespace.call("get_runtime_packages", call).await;
    assert_eq!(found["removed"], true, "{found}");
    assert!(found["python"].as_str().is_some_and(|it| it.starts_with("3.")), "{found}");
    let packages = found["packages"].as_array().expect("a list");
    assert!(packages.iter().any(|it| it.as_str().unwrap().starts_with("pip==")), "{found}");
    let jobs = namespace.call("list_training_jobs", json!({})).await;
    let left = jobs["jobs"].as_array().expect("a list").iter();
    assert!(left.clone().all(|it| it["phase"] == "Deleting"), "{jobs}");
}
