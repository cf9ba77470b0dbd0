//! Optimization jobs: experiments whose trials run, whoever runs the cluster.

mod exposure;
mod failures;
mod life;
mod refusals;
mod rights;

use k8s_openapi::api::core::v1::Namespace as Object;
use kube::{
    Api,
    api::{DynamicObject, Patch, PatchParams, PostParams},
};
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, waiting::until};
use serde_json::{Value, json};

const VERSION: &str = "kubeflow.org/v1beta1";

/// A namespace in which Katib collects metrics.
async fn namespace() -> Namespace {
    let namespace = Cluster::under_test().await.namespace().await;
    label(&namespace, json!("enabled")).await;
    namespace
}

/// Writes the label without which Katib takes no experiments; null takes it away.
pub(crate) async fn label(namespace: &Namespace, value: Value) {
    let labels = json!({ "katib.kubeflow.org/metrics-collector-injection": value });
    let change = Patch::Merge(json!({ "metadata": { "labels": labels } }));
    let api: Api<Object> = Api::all(namespace.cluster().admin());
    api.patch(namespace.name(), &PatchParams::default(), &change).await.expect("its label");
}

/// An experiment whose trials run a line of the shell, which finds a number between 0 and 1 in `X`;
/// a merge patch changes its spec.
fn experiment(name: &str, line: &str, changes: &Value) -> Value {
    let container = json!({
        "name": "main", "image": "localhost/host-python",
        "command": ["sh", "-c"], "args": [format!("( {line} )")],
        "env": [{ "name": "X", "value": "${trialParameters.x}" }],
    });
    let pod = json!({ "restartPolicy": "Never", "containers": [container] });
    let mut spec = json!({
        "objective": { "type": "minimize", "objectiveMetricName": "loss" },
        "algorithm": { "algorithmName": "random" },
        "parallelTrialCount": 2,
        "maxTrialCount": 2,
        "parameters": [{
            "name": "x", "parameterType": "double", "feasibleSpace": { "min": "0", "max": "1" },
        }],
        "trialTemplate": {
            "retain": true,
            "primaryContainerName": "main",
            "trialParameters": [{ "name": "x", "reference": "x" }],
            "trialSpec": {
                "apiVersion": "batch/v1", "kind": "Job",
                "spec": { "backoffLimit": 0, "template": { "spec": pod } },
            },
        },
    });
    json_patch::merge(&mut spec, changes);
    json!({ "apiVersion": VERSION, "kind": "Experiment", "metadata": { "name": name }, "spec": spec })
}

/// Makes an experiment past all tools, which would have advised against it.
async fn create(namespace: &Namespace, experiment: Value) {
    made(namespace, experiment).await.expect("an experiment");
}

async fn made(namespace: &Namespace, experiment: Value) -> kube::Result<DynamicObject> {
    let experiment: DynamicObject = serde_json::from_value(experiment).expect("an object");
    let api = namespace.objects(VERSION, "Experiment");
    api.create(&PostParams::default(), &experiment).await
}

/// The answer of a tool to the name of a job, once it is as wanted.
async fn told(
    namespace: &Namespace,
    tool: &str,
    name: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    until(tool, async || {
        let answer = namespace.call(tool, json!({ "name": name })).await;
        if wanted(&answer) { Ok(answer) } else { Err(answer.to_string()) }
    })
    .await
}

/// Waits as an agent does, until the job has ended.
async fn ended(namespace: &Namespace, name: &str) -> Value {
    let call = json!({
        "name": name, "target_statuses": ["Complete", "Failed"], "timeout_seconds": 240,
    });
    namespace.call("wait_for_optimization", call).await
}
