//! Trainers of the generation before, which know `podTemplateOverrides` and no `runtimePatches`.
//!
//! `KUBEFLOW_MCP_TEST_OLDER_CLUSTER` names the folder of a real cluster with such a Trainer, as
//! `cargo xtask cluster up --trainer v2.1` makes it. Without it, a local API serves definitions of
//! that generation, and what its webhooks would say is not asked.

use std::{env, path::Path};

use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, PostParams},
};
use kubeflow_mcp_core::{Persona, Policy, cluster_client, local::LocalCluster};
use kubeflow_mcp_tests::{agent::Agent, request::ask, runtimes};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::training::TRAINER;

/// What such a Trainer's API server says, from which is concluded that it is one.
pub(crate) const SIGNS: &[&str] = &[r#"unknown field "spec.runtimePatches""#];

const OLDER: &str = "KUBEFLOW_MCP_TEST_OLDER_CLUSTER";

/// A definition of the generation before, as far as this test meets it.
fn definition(kind: &str, scope: &str, spec: Value) -> CustomResourceDefinition {
    let plural = format!("{}s", kind.to_lowercase());
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    serde_json::from_value(json!({
        "metadata": {"name": format!("{plural}.trainer.kubeflow.org")},
        "spec": {
            "group": "trainer.kubeflow.org",
            "scope": scope,
            "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
        },
    }))
    .expect("a definition")
}

/// A local API with the definitions, and nobody behind it.
async fn local() -> LocalCluster {
    let cluster = LocalCluster::in_memory(&[]).expect("a cluster in memory");
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let mut overrides = open.clone();
    overrides["properties"] = json!({"targetJobs": {"type": "array", "items": open}});
    let of_jobs = json!({"type": "object", "properties": {
        "runtimeRef": open, "trainer": open, "suspend": {"type": "boolean"},
        "podTemplateOverrides": {"type": "array", "items": overrides},
    }});
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client());
    for definition in [
        definition("TrainJob", "Namespaced", of_jobs),
        definition("TrainingRuntime", "Namespaced", open.clone()),
        definition("ClusterTrainingRuntime", "Cluster", open),
    ] {
        definitions.create(&PostParams::default(), &definition).await.expect("a definition");
    }
    cluster
}

fn objects(client: &Client, namespace: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = TRAINER.split_once('/').expect("a group and a version");
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

fn runtime() -> Value {
    let container = json!({"name": "node", "image": "localhost/host-python"});
    let template = json!({"spec": {"containers": [container]}});
    let labels = json!({"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"});
    let step = json!({"name": "node", "template": {"metadata": {"labels": labels}, "spec": {"template": template}}});
    json!({
        "metadata": {"name": "older", "labels": {"trainer.kubeflow.org/framework": "torch"}},
        "spec": {"mlPolicy": {"numNodes": 1, "torch": {}}, "template": {"spec": {"replicatedJobs": [step]}}},
    })
}

#[tokio::test]
async fn an_older_trainer_gets_the_fields_that_it_knows() {
    let local = if env::var_os(OLDER).is_none() { Some(local().await) } else { None };
    let client = match (&local, env::var_os(OLDER)) {
        (Some(local), _) => local.client(),
        (None, folder) => {
            let kubeconfig = Path::new(&folder.expect("the variable")).join("kubeconfig");
            cluster_client(Some(&kubeconfig), None).await.expect("a kubeconfig")
        }
    };
    let name = format!("test-{}", &Uuid::new_v4().simple().to_string()[..10]);
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.clone());
    namespaces.create(&PostParams::default(), &namespace).await.expect("a namespace");
    runtimes::add(&client, &name, runtime()).await;

    let mut newer = json!({"apiVersion": TRAINER, "kind": "TrainJob", "metadata": {"name": "newer"},
        "spec": {"runtimeRef": {"name": "older", "kind": "TrainingRuntime"}}});
    newer["spec"]["runtimePatches"] = json!([]);
    let path = format!("/apis/{TRAINER}/namespaces/{name}/trainjobs?fieldValidation=Strict");
    let body = newer.to_string();
    let unknown = ask(&client, &format!("POST {path}"), &[], body.as_bytes()).await;
    assert_eq!(unknown.code, 400, "{}", unknown.text);
    let told = unknown.json()["message"].as_str().unwrap_or_default().to_owned();
    assert!(SIGNS.iter().all(|it| told.contains(it)), "{told}");

    let agent = Agent::new(client.clone(), Policy::of(Persona::PlatformAdmin)).await;
    let placed = json!({"name": "placed", "namespace": name, "runtime": "older", "script": "print()",
        "options": {"node_selector": {"example.com/zone": "a"}}, "confirmed": true});
    let made = agent.call("run_custom_training", placed).await;
    assert_eq!(made["created"], true, "{made}");
    let job = objects(&client, &name, "TrainJob").get("placed").await.expect("the job");
    let spec = &job.data["spec"];
    assert_eq!(spec["runtimePatches"], Value::Null, "{spec}");
    assert_eq!(
        spec["podTemplateOverrides"],
        json!([{"targetJobs": [{"name": "node"}], "spec": {"nodeSelector": {"example.com/zone": "a"}}}])
    );
    namespaces.delete(&name, &DeleteParams::background()).await.expect("a deletion");
}
