//! Pods that end before their time.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams},
};
use kubeflow_mcp_tests::waiting::until;
use serde_json::json;

use crate::{agent::Agent, cluster::Cluster, job::Job};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pod_that_is_deleted_is_replaced_and_the_job_ends() {
    let cluster = Cluster::start().await;
    let agent = Agent::new(cluster.kubeconfig());
    let job = Job::new(cluster.folder(), "digits", true);
    begin(&agent, &job).await;
    let pods: Api<Pod> = Api::namespaced(cluster.client(), cluster.namespace());
    let first = pods.list(&ListParams::default()).await.expect("a list").items.remove(0);
    let now = DeleteParams::default().grace_period(0);
    pods.delete(&first.name_any(), &now).await.expect("it is there");
    until("its successor", async || {
        if job.runs().0 == 2 { Ok(()) } else { Err(format!("{:?}", job.runs())) }
    })
    .await;
    ends(&agent, &job).await;
    let pods = pods.list(&ListParams::default()).await.expect("a list").items;
    assert!(pods.iter().all(|it| it.name_any() != first.name_any()));
    assert_eq!(cluster.parts().await, [1; 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_is_started_again_and_told_of() {
    let cluster = Cluster::start().await;
    let agent = Agent::new(cluster.kubeconfig());
    let job = Job::new(cluster.folder(), "digits", true);
    begin(&agent, &job).await;
    job.kill();
    until("the restart", async || {
        let shown = agent.call("get_training_job", &json!({"name": job.name})).await;
        let told = shown["reason"] == "Restarted" && shown["message"] == "1 restart";
        if told && job.runs().0 == 2 { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    ends(&agent, &job).await;
    assert_eq!(cluster.parts().await, [1; 4]);
}

async fn begin(agent: &Agent, job: &Job) {
    let started = agent.call("run_custom_training", &job.submission()).await;
    assert_eq!(started["created"], true, "{started}");
    until("the job's beginning", async || {
        if job.runs() == (1, 0) { Ok(()) } else { Err(format!("{:?}", job.runs())) }
    })
    .await;
}

async fn ends(agent: &Agent, job: &Job) {
    job.end();
    let wait = json!({"name": job.name, "timeout_seconds": 120});
    let ended = agent.call("wait_for_training", &wait).await;
    assert_eq!(ended["phase"], "Succeeded", "{ended}");
    assert_eq!(job.runs(), (2, 1), "how often it has begun and ended");
}
