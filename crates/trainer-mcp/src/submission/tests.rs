//! Submitting to a cluster in the process, as an agent does.

use expect_test::expect;
use kube::Api;
use kubeflow_mcp_core::{read_fields, testing::Cluster};
use serde_json::{Value, json};
use workloads::train_job::{TrainJob, options::Options};

use super::custom::RunCustomTraining;
use crate::TOOL_SET;

async fn cluster() -> Cluster {
    Cluster::new(&[&TOOL_SET]).await
}

async fn run(cluster: &Cluster, arguments: Value) -> Value {
    cluster.call::<RunCustomTraining>(arguments).await
}

async fn jobs(cluster: &Cluster) -> Vec<TrainJob> {
    let api: Api<TrainJob> = Api::default_namespaced(cluster.client());
    api.list(&Default::default()).await.expect("the jobs").items
}

#[tokio::test]
async fn a_preview_asks_the_cluster_and_makes_nothing() {
    let cluster = cluster().await;
    let mut preview = run(
        &cluster,
        json!({"script": "print('hi')\n", "packages": ["numpy"], "func_args": {"lr": 0.1}}),
    )
    .await;
    let name = preview["name"].take();
    assert!(name.as_str().is_some_and(|it| it.starts_with("train-")), "{name}");
    expect![[r#"
        {
          "code_bytes": 12,
          "code_digest": "caf026f25d714020",
          "command": "python train.py --lr=0.1",
          "created": true,
          "image": "localhost/host-python",
          "name": null,
          "namespace": "default",
          "nodes": 1,
          "packages": [
            "numpy"
          ],
          "preview": true,
          "processes_per_node": "1",
          "runtime": "python",
          "runtime_chosen": "the only one that runs scripts",
          "set_by_cluster": [
            "spec.managedBy = \"trainer.kubeflow.org/trainjob-controller\"",
            "spec.suspend = false"
          ]
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&preview).unwrap());
    assert!(jobs(&cluster).await.is_empty());
}

#[tokio::test]
async fn the_same_confirmed_call_makes_one_job() {
    let cluster = cluster().await;
    let call = json!({"script": "print('hi')\n", "name": "hello", "confirmed": true});
    let first = run(&cluster, call.clone()).await;
    assert_eq!((&first["created"], &first["preview"]), (&json!(true), &json!(false)), "{first}");
    let again = run(&cluster, call).await;
    assert_eq!(again["created"], false, "{again}");
    let preview = run(&cluster, json!({"script": "print('hi')\n", "name": "hello"})).await;
    assert_eq!(preview["created"], false, "{preview}");
    assert_eq!(jobs(&cluster).await.len(), 1);
    let other =
        run(&cluster, json!({"script": "print('ho')\n", "name": "hello", "confirmed": true})).await;
    expect![[r#"
        {
          "code": "conflict",
          "hint": "another request made it; choose another name, or delete it first",
          "message": "trainjobs.trainer.kubeflow.org \"hello\" already exists"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(&other).unwrap());
}

#[tokio::test]
async fn a_confirmed_call_without_a_name_makes_nothing() {
    let cluster = cluster().await;
    let refused = run(&cluster, json!({"script": "1", "confirmed": true})).await;
    assert_eq!(refused["code"], "invalid_argument", "{refused}");
    assert!(refused["message"].as_str().is_some_and(|it| it.contains("train-")), "{refused}");
    assert!(jobs(&cluster).await.is_empty());
}

#[tokio::test]
async fn what_admission_refuses_is_refused_in_the_preview() {
    let cluster = cluster().await;
    let patched =
        json!({"script": "1", "name": "a", "options": {"volume_mounts": [{"nam": "data"}]}});
    let refused = run(&cluster, patched).await;
    expect![[r#"
        {
          "code": "invalid",
          "hint": "change what the message names",
          "message": "TrainJob in version \"v1alpha1\" cannot be handled as a TrainJob: strict decoding error: unknown field \"spec.runtimePatches[0].trainingRuntimeSpec.template.spec.replicatedJobs[0].template.spec.template.spec.containers[0].volumeMounts[0].nam\""
        }"#]].assert_eq(&serde_json::to_string_pretty(&refused).unwrap());
    let unlabelled = run(
        &cluster,
        json!({"script": "1", "name": "a", "options": {"labels": {"no label": "x"}}}),
    )
    .await;
    assert_eq!(unlabelled["code"], "invalid", "{unlabelled}");
}

#[tokio::test]
async fn the_code_is_in_the_job_and_no_secret_is() {
    let cluster = cluster().await;
    let script = "print('$HOME `id` \"quoted\"')\n";
    let env = json!({"TOKEN": {"secret": "s", "key": "k"}});
    run(&cluster, json!({"script": script, "name": "a", "env": env, "confirmed": true})).await;
    let job = jobs(&cluster).await.remove(0);
    let env = job.spec.trainer.unwrap().env.unwrap();
    let token = env.iter().find(|it| it.name == "TOKEN").unwrap();
    assert!(token.value.is_none() && token.value_from.is_some());
}

#[test]
fn every_submitting_tool_names_all_options() {
    let fields = read_fields::<Options>("options", json!({"?": 1}).as_object().unwrap());
    let fields = fields.unwrap_err().to_string();
    let known = fields.split("known are ").nth(1).expect("a list of fields");
    let mut described = 0;
    for tool in TOOL_SET.tools().map(|it| it.describe()) {
        let options = &tool.input_schema["properties"]["options"];
        let Some(description) = options["description"].as_str() else { continue };
        described += 1;
        for field in known.split(", ") {
            assert!(description.contains(field), "{}: {description} lacks {field}", tool.name);
        }
    }
    assert_eq!(described, 3);
}
