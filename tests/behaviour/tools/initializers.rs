//! Steps that come before training: what fetches a dataset runs first, and what fails there is told.

use std::{fs, path::Path};

use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, runtimes};
use serde_json::{Value, json};

use crate::training;

/// Fetches `hf://ORGANISATION/NAME` from the folder `HUB`, as the Trainer's initializer does from the
/// network; which folder that is, the job says.
const FETCH: &str = "\
import os, shutil
scheme, name = os.environ['STORAGE_URI'].split('://')
assert scheme == 'hf', scheme
shutil.copytree(os.path.join(os.environ['HUB'], name), os.environ['DATASET'])
";
const TRAIN: &str = "import os; print(open(os.environ['DATASET'] + '/train.csv').read())";

/// The runtime `fetching`, whose second step waits for the first.
async fn fetching(namespace: &Namespace) {
    let step = |name: &str, ancestor: &str, command: Value| {
        // The Trainer asks for this volume; what is fetched goes where the job says.
        let container = json!({"name": name, "image": local_kube::HOST_PYTHON, "command": command,
            "volumeMounts": [{"name": "initializer", "mountPath": "/workspace"}]});
        let pod = json!({"restartPolicy": "Never", "containers": [container],
            "volumes": [{"name": "initializer", "emptyDir": {}}]});
        let labels = json!({"trainer.kubeflow.org/trainjob-ancestor-step": ancestor});
        json!({"name": name, "template": {"metadata": {"labels": labels},
            "spec": {"backoffLimit": 0, "template": {"spec": pod}}}})
    };
    let first = step("dataset-initializer", "dataset-initializer", json!(["python", "-c", FETCH]));
    let mut second = step("node", "trainer", json!(["python", "-c", TRAIN]));
    second["dependsOn"] = json!([{"name": "dataset-initializer", "status": "Complete"}]);
    let runtime = json!({
        "metadata": {"name": "fetching", "labels": {"trainer.kubeflow.org/framework": "python"}},
        "spec": {"mlPolicy": {"numNodes": 1}, "template": {"spec": {"replicatedJobs": [first, second]}}},
    });
    runtimes::add(&namespace.cluster().admin(), namespace.name(), runtime).await;
}

async fn start(namespace: &Namespace, name: &str, source: &str, folder: &Path) {
    let dataset = json!({"name": "DATASET", "value": folder.join(name)});
    let hub = json!({"name": "HUB", "value": folder.join("hub")});
    let spec = json!({
        "initializer": {"dataset": {"storageUri": source, "env": [hub, dataset]}},
        "trainer": {"env": [dataset]},
    });
    training::create(namespace, training::train_job(name, "fetching", spec)).await;
}

#[tokio::test]
async fn a_dataset_is_fetched_before_the_training() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    fetching(&namespace).await;
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("hub/acme/digits");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("train.csv"), "1,2,3").unwrap();
    start(&namespace, "reads", "hf://acme/digits", folder.path()).await;
    start(&namespace, "misses", "hf://acme/letters", folder.path()).await;

    let wait = json!({"name": "reads", "timeout_seconds": 120});
    let ended = namespace.call("wait_for_training", wait).await;
    assert_eq!((&ended["phase"], &ended["log"]), (&json!("Succeeded"), &json!("1,2,3")), "{ended}");

    let wait = json!({"name": "misses", "timeout_seconds": 120});
    let ended = namespace.call("wait_for_training", wait).await;
    assert_eq!(ended["phase"], "Failed", "{ended}");
    let diagnosis = namespace.call("diagnose_training_job", json!({"name": "misses"})).await;
    let cause = &diagnosis["causes"][0];
    assert_eq!(
        (&cause["code"], &cause["steps"]),
        (&json!("file_not_found"), &json!("dataset-initializer")),
        "{diagnosis}"
    );
}
