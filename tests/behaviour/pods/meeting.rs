//! What a Pod's process is given: the names of its peers, and who it is.

use expect_test::expect;
use kube::api::{DynamicObject, PostParams};
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, runtimes, waiting::until};
use serde_json::{Value, json};

use super::observed::{Observed, pod};

const TRAINER: &str = "trainer.kubeflow.org/v1alpha1";

/// Rank 0 waits for the others at its own name; each says its rank and is answered.
const MEET: &str = r#"
import os, socket, time
rank, nodes = int(os.environ["PET_NODE_RANK"]), int(os.environ["PET_NNODES"])
master = (os.environ["PET_MASTER_ADDR"], int(os.environ["PET_MASTER_PORT"]))
if rank == 0:
    listener = socket.create_server(master)
    for _ in range(nodes - 1):
        peer, _ = listener.accept()
        print("met rank", peer.recv(10).decode())
        peer.sendall(b"welcome")
else:
    for _ in range(600):
        try:
            peer = socket.create_connection(master)
            break
        except OSError:
            time.sleep(0.1)
    peer.sendall(str(rank).encode())
    print("was answered", peer.recv(10).decode())
"#;

async fn create(namespace: &Namespace, api_version: &str, kind: &str, object: Value) {
    let mut object: DynamicObject = serde_json::from_value(object).unwrap();
    object.types = Some(kube::api::TypeMeta { api_version: api_version.into(), kind: kind.into() });
    let api = namespace.objects(api_version, kind);
    api.create(&PostParams::default(), &object).await.unwrap();
}

#[tokio::test]
async fn the_nodes_of_a_training_job_meet() {
    let namespace = Cluster::under_test().await.namespace().await;
    let container = json!({ "name": "node", "image": local_kube::HOST_PYTHON });
    let pods = json!({ "spec": { "containers": [container] } });
    let job = json!({
        "metadata": { "labels": { "trainer.kubeflow.org/trainjob-ancestor-step": "trainer" } },
        "spec": { "template": pods },
    });
    let runtime = json!({
        "metadata": { "name": "host", "labels": { "trainer.kubeflow.org/framework": "torch" } },
        "spec": {
            "mlPolicy": { "numNodes": 2, "torch": {} },
            "template": { "spec": { "replicatedJobs": [{ "name": "node", "template": job }] } },
        },
    });
    runtimes::add(&namespace.cluster().admin(), namespace.name(), runtime).await;
    let job = json!({
        "metadata": { "name": "meet" },
        "spec": {
            "runtimeRef": { "kind": "TrainingRuntime", "name": "host" },
            "trainer": { "numNodes": 2, "command": ["python", "-c"], "args": [MEET] },
        },
    });
    create(&namespace, TRAINER, "TrainJob", job).await;
    let jobs = namespace.objects(TRAINER, "TrainJob");
    until("the end of the job", async || {
        let job = json!(jobs.get("meet").await.unwrap());
        let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let complete = |it: &Value| it["type"] == "Complete" && it["status"] == "True";
        if conditions.iter().any(complete) { Ok(()) } else { Err(job["status"].to_string()) }
    })
    .await;
    let mut said = Vec::new();
    for step in ["node-0", "node-1"] {
        let logs = namespace.call("get_training_logs", json!({"name": "meet", "step": step})).await;
        said.push(logs["text"].as_str().unwrap_or_default().trim().to_owned());
    }
    assert_eq!(said, ["met rank 1", "was answered welcome"]);
}

#[tokio::test]
async fn a_process_knows_who_it_is() {
    let namespace = Cluster::under_test().await.namespace().await;
    let mut knows = pod("knows", "echo $NAME $IP $HOSTNAME $ALONE; cat /etc/told/labels");
    knows["metadata"]["labels"] = json!({ "team": "blue" });
    let field = |path: &str| json!({ "fieldRef": { "fieldPath": path } });
    knows["spec"]["containers"][0]["env"] = json!([
        { "name": "NAME", "valueFrom": field("metadata.name") },
        { "name": "IP", "valueFrom": field("status.podIP") },
        { "name": "ALONE", "value": "$(NAME)-$$(NAME)" },
    ]);
    let labels = json!({ "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } });
    knows["spec"]["volumes"] = json!([{ "name": "told", "downwardAPI": { "items": [labels] } }]);
    knows["spec"]["containers"][0]["volumeMounts"] =
        json!([{ "name": "told", "mountPath": "/etc/told" }]);
    Observed::create(&namespace, knows).await.phase("Succeeded").await;
    let log = namespace.ask("GET /api/v1/namespaces/NAMESPACE/pods/knows/log", &[], "").await;
    expect![[r#"
        knows 127.0.0.1 knows knows-$(NAME)
        team="blue""#]]
    .assert_eq(log.text.trim_end());
}
