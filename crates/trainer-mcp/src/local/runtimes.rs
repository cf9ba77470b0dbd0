//! The training runtimes: finding them, and those that a local cluster comes with.

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
};
use local_kube::HOST_PYTHON;
use serde_json::{Value, json};
use workloads::train_job::{GROUP, RuntimeRef};

use crate::local::train_job::{ANCESTOR, NODE, TRAINER};

/// The runtime that a reference means, of a kind that the Trainer knows.
pub(super) async fn get(
    client: &Client,
    reference: &RuntimeRef,
    namespace: &str,
) -> kube::Result<Option<DynamicObject>> {
    let resource = resource(reference.kind());
    let api: Api<DynamicObject> = match reference.kind() {
        "TrainingRuntime" => Api::namespaced_with(client.clone(), namespace, &resource),
        _ => Api::all_with(client.clone(), &resource),
    };
    api.get_opt(&reference.name).await
}

pub(super) fn resource(kind: &str) -> ApiResource {
    let plural = format!("{}s", kind.to_lowercase());
    ApiResource {
        group: GROUP.into(),
        version: "v1alpha1".into(),
        api_version: format!("{GROUP}/v1alpha1"),
        kind: kind.into(),
        plural,
    }
}

/// The runtimes of a fresh local cluster.
///
/// There is none of torch: a Pod's environment holds only the packages that its job asks for, so
/// torch on this machine would not reach it, and one that brings torch would make every job wait for
/// a very large download. A job that asks for torch can start it in the python runtime, whose
/// variables are those that `torchrun` reads.
pub(super) fn shipped() -> Vec<DynamicObject> {
    vec![python()]
}

/// Plain Python: every job that can run on this machine.
///
/// Its ranks find each other through the same `PET_` variables as those of a torch runtime, yet it
/// has no torch policy: the Kubeflow SDK starts `torchrun` wherever there is one, which an
/// environment without torch lacks. The jax policy, under which clients start plain `python`, tells
/// how many ranks there are; where the first of them is follows from the names of the Pods.
fn python() -> DynamicObject {
    let field = |path: &str| json!({"fieldRef": {"fieldPath": path}});
    let env = json!([
        // The policy replaces this value where it stands, so that the next line can refer to it.
        {"name": "JAX_NUM_PROCESSES", "value": "1"},
        {"name": "PET_NNODES", "value": "$(JAX_NUM_PROCESSES)"},
        {"name": "PET_NPROC_PER_NODE", "value": "1"},
        {"name": "PET_NODE_RANK", "valueFrom": field("metadata.annotations['batch.kubernetes.io/job-completion-index']")},
        {"name": "TRAINJOB_NAME", "valueFrom": field("metadata.labels['jobset.sigs.k8s.io/jobset-name']")},
        {"name": "PET_MASTER_ADDR", "value": "$(TRAINJOB_NAME)-node-0-0.$(TRAINJOB_NAME)"},
        {"name": "PET_MASTER_PORT", "value": "29500"},
    ]);
    runtime("python", "python", &json!({"numNodes": 1, "jax": {}}), &env)
}

fn runtime(name: &str, framework: &str, policy: &Value, env: &Value) -> DynamicObject {
    let container = json!({"name": NODE, "image": HOST_PYTHON, "env": env});
    let template = json!({"spec": {"containers": [container]}});
    let job = json!({
        "name": NODE,
        "replicas": 1,
        "template": {"metadata": {"labels": {ANCESTOR: TRAINER}}, "spec": {"template": template}},
    });
    let mut runtime = DynamicObject::new(name, &resource("ClusterTrainingRuntime"));
    let labels = [("trainer.kubeflow.org/framework".to_owned(), framework.to_owned())];
    runtime.metadata.labels = Some(labels.into());
    runtime.data =
        json!({"spec": {"mlPolicy": policy, "template": {"spec": {"replicatedJobs": [job]}}}});
    runtime
}
