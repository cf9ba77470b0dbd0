//! A training runtime whose jobs run on this machine, whoever runs the cluster.

use kube::{
    Api,
    api::{DynamicObject, PostParams},
};
use serde_json::json;

/// Adds the runtime `host` to the namespace that the API is of: plain Python, tried again on failure.
pub async fn add_host(runtimes: &Api<DynamicObject>) {
    let pod = json!({"containers": [{"name": "node", "image": "localhost/host-python"}]});
    let labels = json!({"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"});
    let runtime = json!({
    "apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "TrainingRuntime",
    "metadata": {"name": "host", "labels": {"trainer.kubeflow.org/framework": "python"}},
    "spec": {"mlPolicy": {"numNodes": 1}, "template": {"spec": {"replicatedJobs": [{
        "name": "node",
        "template": {"metadata": {"labels": labels}, "spec": {"template": {"spec": pod}}},
    }]}}}});
    let runtime: DynamicObject = serde_json::from_value(runtime).expect("a runtime");
    runtimes.create(&PostParams::default(), &runtime).await.expect("a runtime");
}
