//! Runtimes and TrainJobs that tests make for themselves.

use kube::api::{DynamicObject, PostParams};
use kubeflow_mcp_core::ToolSet;
use kubeflow_mcp_tests::{namespace::Namespace, runtimes};
use serde_json::{Value, json};

pub(crate) const TRAINER: &str = "trainer.kubeflow.org/v1alpha1";

/// Makes the runtime of every local cluster one of this namespace, as it is or changed by merge
/// patches: one of its spec, one of its Job's.
pub(crate) async fn python(namespace: &Namespace, name: &str, spec: Value, job: Value) {
    let shipped = ToolSet::linked().into_iter().filter_map(|set| set.local.as_ref());
    let mut shipped = shipped.flat_map(|local| (local.objects)());
    let mut runtime = shipped.find(|it| it.metadata.name.as_deref() == Some("python"));
    let runtime = runtime.as_mut().expect("the runtime of every local cluster");
    let part = &mut runtime.data["spec"];
    json_patch::merge(part, &spec);
    json_patch::merge(&mut part["template"]["spec"]["replicatedJobs"][0]["template"]["spec"], &job);
    let labels = runtime.metadata.labels.take();
    let runtime =
        json!({"metadata": {"name": name, "labels": labels}, "spec": runtime.data["spec"]});
    runtimes::add(&namespace.cluster().admin(), namespace.name(), runtime).await;
}

/// The same, whose jobs fail at the first failure and keep their Pods.
pub(crate) async fn once(namespace: &Namespace) {
    let never = json!({"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never"}}});
    python(namespace, "once", json!({}), never).await;
}

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
