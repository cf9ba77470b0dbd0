//! Training runtimes that tests make, which jobs can be started from at once, whoever runs the cluster.

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
};
use kubeflow_mcp_core::ToolSet;
use serde_json::{Value, json};

use crate::{namespace::Namespace, waiting::until};

const VERSION: &str = "v1alpha1";
const GROUP: &str = "trainer.kubeflow.org";

/// Makes a TrainingRuntime, also on a control plane that is just coming back.
pub async fn add(client: &Client, namespace: &str, mut runtime: Value) {
    runtime["apiVersion"] = json!(format!("{GROUP}/{VERSION}"));
    runtime["kind"] = json!("TrainingRuntime");
    let runtime: DynamicObject = serde_json::from_value(runtime).expect("a runtime");
    let runtimes = objects(client, namespace, "TrainingRuntime");
    until("a runtime", async || match runtimes.create(&PostParams::default(), &runtime).await {
        Ok(_) => Ok(()),
        // Its first answer was lost.
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(kube::Error::Api(status)) if status.code < 500 => panic!("no runtime: {status}"),
        Err(error) => Err(error.to_string()),
    })
    .await;
    known(client, namespace, runtime.metadata.name.as_deref().expect("a name")).await;
}

/// The runtime `host`, whose jobs run on this machine: plain Python, tried again on failure.
pub async fn add_host(client: &Client, namespace: &str) {
    let pod = json!({"containers": [{"name": "node", "image": "localhost/host-python"}]});
    let labels = json!({"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"});
    let runtime = json!({
    "metadata": {"name": "host", "labels": {"trainer.kubeflow.org/framework": "python"}},
    "spec": {"mlPolicy": {"numNodes": 1}, "template": {"spec": {"replicatedJobs": [{
        "name": "node",
        "template": {"metadata": {"labels": labels}, "spec": {"template": {"spec": pod}}},
    }]}}}});
    add(client, namespace, runtime).await;
}

/// A runtime of TorchTune in the shape in which Kubeflow ships it, for a small Llama. What fetches
/// only tells what it would fetch; `image` is that of what trains, and two GPUs are its.
pub async fn add_torchtune(client: &Client, namespace: &str, image: &str) {
    const HOST: &str = "localhost/host-python";
    let mounts = json!([{"name": "initializer", "mountPath": "/workspace"}]);
    let step = |name: &str, ancestor: &str, container: Value| {
        let pod = json!({"containers": [container], "volumes": [{"name": "initializer", "emptyDir": {}}]});
        let labels = json!({"trainer.kubeflow.org/trainjob-ancestor-step": ancestor});
        json!({"name": name, "template": {"metadata": {"labels": labels}, "spec": {"template": {"spec": pod}}}})
    };
    let fetches = |name: &str| {
        let command = ["python", "-c", "import os; print(os.environ['STORAGE_URI'])"];
        step(
            name,
            name,
            json!({"name": name, "image": HOST, "command": command, "volumeMounts": mounts}),
        )
    };
    let command = [
        "tune",
        "run",
        "--rdzv_endpoint=localhost:29500",
        "full_finetune_distributed",
        "--config",
        "llama3_2/1B_full",
        "dataset=torchtune.datasets.instruct_dataset",
        "output_dir=/workspace/output",
        "tokenizer.path=/workspace/model/original/tokenizer.model",
        "checkpointer.checkpoint_dir=/workspace/model",
    ];
    let mut trains = step(
        "node",
        "trainer",
        json!({"name": "node", "image": image, "command": command,
        "resources": {"limits": {"nvidia.com/gpu": 2}}, "volumeMounts": mounts}),
    );
    let complete = |name: &str| json!({"name": name, "status": "Complete"});
    trains["dependsOn"] = json!([complete("dataset-initializer"), complete("model-initializer")]);
    let jobs = [fetches("dataset-initializer"), fetches("model-initializer"), trains];
    let labels = json!({"trainer.kubeflow.org/framework": "torchtune"});
    let runtime = json!({"metadata": {"name": "torchtune-llama3.2-1b", "labels": labels},
        "spec": {"mlPolicy": {"numNodes": 1, "torch": {}}, "template": {"spec": {"replicatedJobs": jobs}}}});
    add(client, namespace, runtime).await;
}

/// Makes the runtime of every local cluster one of this namespace, as it is or changed by merge
/// patches: one of its spec, one of its Job's.
pub async fn python(namespace: &Namespace, name: &str, spec: Value, job: Value) {
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
    add(&namespace.cluster().admin(), namespace.name(), runtime).await;
}

/// The same, whose jobs fail at the first failure and keep their Pods.
pub async fn once(namespace: &Namespace) {
    let never = json!({"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never"}}});
    python(namespace, "once", json!({}), never).await;
}

/// Waits until the Trainer's webhook knows a runtime: it reads them from a watch of its own.
async fn known(client: &Client, namespace: &str, runtime: &str) {
    let probe = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": "TrainJob",
        "metadata": {"name": "probe"},
        "spec": {"runtimeRef": {"name": runtime, "kind": "TrainingRuntime"}},
    });
    let probe: DynamicObject = serde_json::from_value(probe).expect("a TrainJob");
    let jobs = objects(client, namespace, "TrainJob");
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    until("a runtime that the webhook knows", async || match jobs.create(&dry_run, &probe).await {
        Err(kube::Error::Api(status))
            if status.code < 500 && !status.message.contains("must be created before") =>
        {
            Ok(())
        }
        Err(error) => Err(error.to_string()),
        Ok(_) => Ok(()),
    })
    .await;
}

fn objects(client: &Client, namespace: &str, kind: &str) -> Api<DynamicObject> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, kind));
    Api::namespaced_with(client.clone(), namespace, &kind)
}
