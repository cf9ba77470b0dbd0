//! Parts of a control plane that stand still, one by one: what an agent is told meanwhile, and that
//! all goes on when they are back. The local cluster has no parts that could stop alone.

use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::{Api, api::ListParams};
use kubeflow_mcp_tests::waiting::{until, until_within};
use serde_json::{Value, json};

use crate::{agent::Agent, cluster::Cluster, job::Job};

struct Scene {
    cluster: Cluster,
    agent: Agent,
    job: Job,
}

impl Scene {
    async fn begin() -> Self {
        let cluster = Cluster::start().await;
        let agent = Agent::new(cluster.kubeconfig());
        let job = Job::new(cluster.folder(), "digits", false);
        Self { cluster, agent, job }
    }

    /// What one attempt is told.
    async fn told(&self, tool: &str, arguments: &Value) -> Value {
        self.agent.once(tool, arguments).await.expect("nobody kills the server")
    }

    async fn shown(&self) -> Value {
        self.agent.call("get_training_job", &json!({"name": self.job.name})).await
    }

    /// Waits until the job is shown in a phase, and gives what is told of it.
    async fn phase(&self, phase: &str) -> Value {
        until(phase, async || {
            let shown = self.shown().await;
            if shown["phase"] == phase { Ok(shown) } else { Err(shown.to_string()) }
        })
        .await
    }

    async fn submit(&self) -> Value {
        self.agent.call("run_custom_training", &self.job.submission()).await
    }

    async fn check_done_once(&self) {
        let wait = json!({"name": self.job.name, "timeout_seconds": 240});
        let ended = self.agent.call("wait_for_training", &wait).await;
        assert_eq!(ended["phase"], "Succeeded", "{ended}");
        assert_eq!(self.job.runs(), (1, 1), "how often it has begun and ended");
        assert_eq!(self.cluster.parts().await, [1; 4]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_webhook_server_a_submission_is_refused_and_says_why() {
    let scene = Scene::begin().await;
    scene.cluster.processes().kill("trainer").await;
    let mut preview = scene.job.submission();
    preview["confirmed"] = json!(false);
    for arguments in [preview, scene.job.submission()] {
        let refused = scene.told("run_custom_training", &arguments).await;
        assert_eq!(refused["code"], "webhook_unavailable", "{refused}");
        let message = refused["message"].as_str().expect("a message");
        assert!(message.contains("trainjob.trainer.kubeflow.org"), "{message}");
        assert!(refused["hint"].as_str().expect("a hint").contains("controller"), "{refused}");
    }
    let jobs = scene.told("list_training_jobs", &json!({})).await;
    assert_eq!(jobs["total"], 0, "{jobs}");

    scene.cluster.processes().start("trainer").await;
    let started = scene.submit().await;
    assert_eq!(started["created"], true, "{started}");
    scene.check_done_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_etcd_nothing_is_stored_and_no_answer_is_made_up() {
    let scene = Scene::begin().await;
    scene.cluster.processes().kill("etcd").await;
    let refused = scene.told("run_custom_training", &scene.job.submission()).await;
    let code = refused["code"].as_str().unwrap_or_default();
    let passing = ["kubernetes", "timeout", "unavailable", "unreachable", "webhook_unavailable"];
    assert!(passing.contains(&code), "{refused}");
    scene.cluster.processes().start("etcd").await;
    let started = scene.submit().await;
    assert!(started["created"].is_boolean(), "{started}");
    scene.check_done_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_job_controller_a_job_is_shown_as_taken_up_by_nobody() {
    let scene = Scene::begin().await;
    scene.cluster.processes().kill("kube-controller-manager").await;
    scene.submit().await;
    let shown = scene.phase("NotReconciled").await;
    let message = shown["message"].as_str().expect("a message");
    assert!(message.contains("Job controller may be stopped"), "{message}");
    let wait = json!({"name": scene.job.name, "timeout_seconds": 1});
    let waited = scene.told("wait_for_training", &wait).await;
    assert_eq!((&waited["outcome"], &waited["phase"]), (&json!("time_limit"), &shown["phase"]));

    scene.cluster.processes().start("kube-controller-manager").await;
    scene.check_done_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_jobset_controller_a_job_tells_what_could_not_be_made() {
    let scene = Scene::begin().await;
    scene.cluster.processes().kill("jobset").await;
    scene.submit().await;
    let shown = scene.phase("CreationFailed").await;
    let message = shown["message"].as_str().expect("a message");
    assert!(message.contains("failed calling webhook"), "{message}");

    scene.cluster.processes().start("jobset").await;
    scene.check_done_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_not_heard_of_counts_no_more() {
    let scene = Scene::begin().await;
    scene.cluster.processes().pause("kubelet");
    let nodes: Api<Node> = Api::all(scene.cluster.client());
    // The node controller waits for 50 s of silence.
    until_within(Duration::from_secs(180), "the node controller's word", async || {
        let listed = nodes.list(&ListParams::default()).await.map_err(|it| it.to_string())?;
        let conditions =
            listed.items[0].status.iter().flat_map(|it| it.conditions.iter().flatten());
        let ready = conditions.clone().find(|it| it.type_ == "Ready").map(|it| it.status.clone());
        if ready.as_deref() == Some("Unknown") { Ok(()) } else { Err(format!("{ready:?}")) }
    })
    .await;
    let seen = scene.agent.call("get_cluster_resources", &json!({})).await;
    assert_eq!(seen["schedulable_nodes"], "0 of 1", "{seen}");
    scene.submit().await;
    let shown = scene.phase("Pending").await;
    assert_eq!(shown["reason"], "Unschedulable", "{shown}");

    scene.cluster.processes().go_on("kubelet");
    scene.check_done_once().await;
}
