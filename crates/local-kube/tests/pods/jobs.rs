//! Jobs, from their creation to what their Pods' processes have done.

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use local_kube::HOST_PYTHON;
use serde_json::{Value, json};

use crate::cluster::{Cluster, phase};

fn job(name: &str, script: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimit": 1,
            "template": { "spec": {
                "restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 1,
                "containers": [{ "name": "node", "image": HOST_PYTHON, "command": ["sh", "-c", script],
                    "resources": { "requests": { "cpu": "10m" } } }],
            } },
        },
    })
}

fn condition(kind: &'static str) -> impl Fn(&Value) -> bool {
    move |job| {
        let conditions = job["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|it| it["type"] == kind && it["status"] == "True")
    }
}

#[tokio::test]
async fn every_index_of_a_job_runs_once() {
    let cluster = Cluster::scheduling().await;
    cluster.create::<Job>(job("both", "echo index $JOB_COMPLETION_INDEX")).await;
    let done = cluster.wait::<Job>("both", condition("Complete")).await;
    assert_eq!(
        (&done["status"]["succeeded"], &done["status"]["completedIndexes"]),
        (&json!(2), &json!("0,1"))
    );
    let pods = cluster.api::<Pod>().list(&kube::api::ListParams::default()).await.unwrap();
    let mut logs = Vec::new();
    for pod in &pods.items {
        let name = pod.metadata.name.as_deref().unwrap();
        cluster.wait::<Pod>(name, phase("Succeeded")).await;
        logs.push(cluster.log(name, &[]).await.unwrap());
    }
    logs.sort();
    assert_eq!(logs, ["index 0\n", "index 1\n"]);
}

#[tokio::test]
async fn a_job_whose_containers_keep_failing_fails() {
    let cluster = Cluster::scheduling().await;
    cluster.create::<Job>(job("failing", "exit 3")).await;
    let failed = cluster.wait::<Job>("failing", condition("Failed")).await;
    let conditions = failed["status"]["conditions"].as_array().unwrap();
    let why = conditions.iter().find(|it| it["type"] == "Failed").unwrap();
    assert_eq!(why["reason"], "BackoffLimitExceeded");
    cluster.wait_event("failing", "Warning BackoffLimitExceeded").await;
}
