//! Runtimes and TrainJobs that tests make for themselves.

use kube::api::{DynamicObject, PostParams};
use kubeflow_mcp_tests::namespace::Namespace;
pub(crate) use kubeflow_mcp_tests::runtimes::{once, python};
use serde_json::{Value, json};

pub(crate) const TRAINER: &str = "trainer.kubeflow.org/v1alpha1";

/// A TrainJob of a runtime of the namespace.
pub(crate) fn train_job(name: &str, runtime: &str, spec: Value) -> Value {
    let mut job = json!({
        "apiVersion": TRAINER,
        "kind": "TrainJob",
        "metadata": {"name": name},
        "spec": {"runtimeRef": {"name": runtime, "kind": "TrainingRuntime"}},
    });
    json_patch::merge(&mut job["spec"], &spec);
    job
}

pub(crate) async fn create(namespace: &Namespace, job: Value) -> DynamicObject {
    let job: DynamicObject = serde_json::from_value(job).expect("an object");
    let api = namespace.objects(TRAINER, "TrainJob");
    api.create(&PostParams::default(), &job).await.expect("a TrainJob")
}
