//! What a TrainJob becomes: the whole of every object that is made for it.

use std::collections::BTreeMap;

use kube::api::ListParams;
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, runtimes, waiting::until};
use serde_json::{Value, json};

use super::{snapshot, tables};
use crate::training::{self, TRAINER, train_job};

const KINDS: [(&str, &str); 7] = [
    (TRAINER, "TrainJob"),
    ("jobset.x-k8s.io/v1alpha2", "JobSet"),
    ("batch/v1", "Job"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "PersistentVolumeClaim"),
];

/// A selector that no Node has: the Pods are made, and never run.
fn nowhere(steps: &[&str]) -> Value {
    let steps = steps.iter().map(|name| {
        let pod = json!({"spec": {"nodeSelector": {"example.com/nowhere": "true"}}});
        json!({"name": name, "template": {"spec": {"template": pod}}})
    });
    let steps: Vec<_> = steps.collect();
    json!([{"manager": "example.com/test", "trainingRuntimeSpec": {"template": {"spec": {"replicatedJobs": steps}}}}])
}

async fn check(runtime: &str, spec: Value, steps: &[&str], pods: usize, file: &str) {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    make_runtime(&namespace, runtime).await;
    let mut job = train_job("job", runtime, spec);
    job["spec"]["runtimePatches"] = nowhere(steps);
    training::create(&namespace, job).await;
    let settled = until("the objects of a TrainJob", async || {
        let objects = objects(&namespace).await;
        let ready = objects["Pod"].len() == pods
            && objects["TrainJob"][0]["status"]["jobsStatus"].is_array()
            && objects["Job"].iter().all(|job| job["status"] != json!({}));
        let active: i64 =
            objects["Job"].iter().filter_map(|it| it["status"]["active"].as_i64()).sum();
        let seen = &objects["TrainJob"][0]["status"]["jobsStatus"];
        let counted = |state: &str| -> i64 {
            seen.as_array().into_iter().flatten().filter_map(|it| it[state].as_i64()).sum()
        };
        let counted = counted("active") + counted("suspended");
        if ready && active == pods as i64 && counted == objects["Job"].len() as i64 {
            Ok(objects)
        } else {
            Err(format!("{objects:?}"))
        }
    })
    .await;
    let text = serde_json::to_string_pretty(&settled).unwrap() + "\n";
    snapshot::check(&cluster, &format!("objects/{file}.json"), &text);
}

async fn make_runtime(namespace: &Namespace, name: &str) {
    let runtimes = tables::runtimes();
    let found = runtimes.into_iter().find(|(_, it)| it["metadata"]["name"] == name);
    let (_, runtime) = found.expect("a runtime");
    runtimes::add(&namespace.cluster().admin(), namespace.name(), runtime).await;
}

/// All that is in the namespace, without what differs from one run to the next, or is the
/// namespace's own.
async fn objects(namespace: &Namespace) -> BTreeMap<&'static str, Vec<Value>> {
    let mut all = BTreeMap::new();
    for (api_version, kind) in KINDS {
        let found = namespace.objects(api_version, kind).list(&ListParams::default()).await;
        let mut found: Vec<Value> = found
            .expect("a list")
            .into_iter()
            .filter(|it| it.metadata.name.as_deref() != Some("kube-root-ca.crt"))
            .map(|it| plain(namespace, kind, serde_json::to_value(it).unwrap()))
            .collect();
        found.sort_by_key(|it| {
            (it["metadata"]["name"].to_string(), it["metadata"]["labels"].to_string())
        });
        all.insert(kind, found);
    }
    all
}

/// A program in Go writes these even where there is nothing in them.
fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, it| {
                !(["metadata", "resources"].contains(&name.as_str()) && *it == json!({}))
            });
            fields.values_mut().for_each(drop_empty);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

/// What the API server's own admission writes into each Pod, and the name by which JobSet's webhook
/// repeats the priority: no matter of these controllers.
fn without_general_fields(pod: &mut Value) {
    let volume =
        |it: &Value| it["name"].as_str().is_some_and(|it| it.starts_with("kube-api-access"));
    let metadata = &mut pod["metadata"];
    metadata["labels"].as_object_mut().unwrap().remove("jobset.sigs.k8s.io/priority");
    let spec = pod["spec"].as_object_mut().unwrap();
    for field in
        ["serviceAccount", "serviceAccountName", "tolerations", "priority", "preemptionPolicy"]
    {
        spec.remove(field);
    }
    let without = |list: Option<&mut Value>| {
        let Some(list) = list else { return false };
        list.as_array_mut().unwrap().retain(|it| !volume(it));
        list.as_array().unwrap().is_empty()
    };
    if without(spec.get_mut("volumes")) {
        spec.remove("volumes");
    }
    for container in spec["containers"].as_array_mut().unwrap() {
        if without(container.get_mut("volumeMounts")) {
            container.as_object_mut().unwrap().remove("volumeMounts");
        }
    }
}

fn plain(namespace: &Namespace, kind: &str, object: Value) -> Value {
    let text = namespace.normalised(&object.to_string());
    // JobSet's key is a digest of the namespace's name and the Job's.
    let text = regex::Regex::new(r#""[0-9a-f]{40}""#)
        .unwrap()
        .replace_all(&text, "\"DIGEST\"")
        .into_owned();
    let mut object: Value = serde_json::from_str(&text).unwrap();
    for field in ["managedFields", "resourceVersion", "uid", "creationTimestamp"] {
        object["metadata"].as_object_mut().unwrap().remove(field);
    }
    // A list tells them once for all its items, or for each.
    for field in ["apiVersion", "kind"] {
        object.as_object_mut().unwrap().remove(field);
    }
    match kind {
        // What the scheduler says of a Pod depends on the Nodes.
        "Pod" => {
            object.as_object_mut().unwrap().remove("status");
            without_general_fields(&mut object);
        }
        "Service" => {
            for field in ["clusterIP", "clusterIPs"] {
                object["spec"].as_object_mut().unwrap().remove(field);
            }
        }
        // The runtime is written as YAML, by each in its own way.
        "ConfigMap" => {
            let text = object["data"]["runtime"].as_str().unwrap_or_default();
            let mut runtime: Value = serde_saphyr::from_str(text).expect("YAML");
            drop_empty(&mut runtime["spec"]);
            object["data"]["runtime"] = json!({"kind": runtime["kind"], "spec": runtime["spec"]});
        }
        _ => {}
    }
    object
}

#[tokio::test]
async fn of_a_plain_runtime() {
    let spec = json!({"trainer": {"image": "example.com/image:1", "command": ["python"], "args": ["-c", "pass"], "env": [{"name": "A", "value": "b"}]}});
    check("plain", spec, &["node"], 1, "plain").await;
}

#[tokio::test]
async fn of_a_torch_runtime_with_two_nodes() {
    let spec = json!({"trainer": {"numNodes": 2, "numProcPerNode": 3, "command": ["torchrun"], "env": [{"name": "A", "value": "b"}],
        "resourcesPerNode": {"limits": {"cpu": "2"}, "requests": {"cpu": "1", "memory": "1Gi"}}}});
    check("torch", spec, &["node"], 2, "torch").await;
}

#[tokio::test]
async fn of_a_jax_runtime() {
    check("jax", json!({"trainer": {"numNodes": 2}}), &["node"], 2, "jax").await;
}

#[tokio::test]
async fn of_an_xgboost_runtime() {
    let gpus = json!({"limits": {"nvidia.com/gpu": 2}});
    let spec = json!({"trainer": {"numNodes": 2, "resourcesPerNode": gpus}});
    check("xgboost", spec, &["node"], 2, "xgboost").await;
}

#[tokio::test]
async fn of_torchtune_with_its_initializers() {
    let spec = json!({
        "initializer": {"dataset": {"storageUri": "hf://a/b", "secretRef": {"name": "token"}}, "model": {"storageUri": "hf://c/d", "env": [{"name": "A", "value": "b"}]}},
        "trainer": {"command": ["tune", "run"], "args": ["epochs=1"]},
    });
    let steps = ["dataset-initializer", "model-initializer", "node"];
    check("torchtune-llama3.2-1b", spec, &steps, 3, "torchtune").await;
}

#[tokio::test]
async fn of_a_suspended_train_job() {
    check("torch", json!({"suspend": true, "trainer": {"numNodes": 2}}), &["node"], 0, "suspended")
        .await;
}
