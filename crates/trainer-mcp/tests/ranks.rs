//! A job of several ranks that really run, in a cluster in the process.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams, LogParams, PostParams},
    core::GroupVersionKind,
    runtime::wait::await_condition,
};
use kubeflow_mcp_core::testing::Cluster;
use serde_json::json;
use trainer_mcp::TOOL_SET;

/// The first rank waits for all others at the master's address, where each says who it is.
const MEET: &str = r#"
import os, socket, time
rank, ranks = int(os.environ["PET_NODE_RANK"]), int(os.environ["PET_NNODES"])
address = (os.environ["PET_MASTER_ADDR"], int(os.environ["PET_MASTER_PORT"]))
if rank == 0:
    server = socket.create_server(address)
    for _ in range(ranks - 1):
        peer, _ = server.accept()
        print("rank 0 met rank", peer.recv(10).decode())
        peer.sendall(b"0")
else:
    peer = None
    while peer is None:
        try:
            peer = socket.create_connection(address, 1)
        except OSError:
            time.sleep(0.05)
    peer.sendall(str(rank).encode())
    print("rank", rank, "met rank", peer.recv(10).decode())
"#;

#[tokio::test(flavor = "multi_thread")]
async fn the_ranks_of_a_job_meet_at_the_masters_address() {
    let supervisor = vec![env!("CARGO_BIN_EXE_trainer-mcp").into(), "supervise".into()];
    let cluster = Cluster::with_pods(&[&TOOL_SET], supervisor).await;
    let kind = GroupVersionKind::gvk("trainer.kubeflow.org", "v1alpha1", "TrainJob");
    let resource = ApiResource::from_gvk(&kind);
    let jobs: Api<DynamicObject> = Api::default_namespaced_with(cluster.client(), &resource);
    let trainer = json!({"numNodes": 2, "command": ["python", "-c", MEET]});
    let mut job = DynamicObject::new("meet", &resource);
    job.data = json!({"spec": {"runtimeRef": {"name": "python"}, "trainer": trainer}});
    jobs.create(&PostParams::default(), &job).await.unwrap();

    let has_ended = |job: Option<&DynamicObject>| {
        job.is_some_and(|job| job.data["status"]["conditions"].is_array())
    };
    // The first job on a machine makes the environment that it runs in.
    let end = await_condition(jobs, "meet", has_ended);
    let job = tokio::time::timeout(Duration::from_secs(120), end).await.unwrap().unwrap().unwrap();
    let end = &job.data["status"]["conditions"][0];
    assert_eq!((&end["type"], &end["status"]), (&json!("Complete"), &json!("True")), "{end}");

    let pods: Api<Pod> = Api::default_namespaced(cluster.client());
    let mut logs = Vec::new();
    for pod in pods.list(&ListParams::default()).await.unwrap() {
        logs.push(pods.logs(&pod.name_any(), &LogParams::default()).await.unwrap());
    }
    logs.sort();
    assert_eq!(logs, ["rank 0 met rank 1\n", "rank 1 met rank 0\n"]);
}
