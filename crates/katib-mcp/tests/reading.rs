//! What the reading tools make of searches whose trials really run, in a cluster in the process.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use katib_mcp::{TOOL_SET, api::Experiment};
use kube::{
    Api, ResourceExt as _,
    api::{ListParams, PostParams},
};
use kubeflow_mcp_core::{Caller, Persona, Policy, Progress, Server, testing::Cluster};
use serde_json::{Value, json};

const RUN: Duration = Duration::from_secs(120);

struct Katib {
    cluster: Cluster,
    server: Server,
}

impl Katib {
    async fn new() -> Self {
        let supervisor = vec![env!("CARGO_BIN_EXE_katib-mcp").into(), "supervise".into()];
        let cluster = Cluster::with_pods(&[&TOOL_SET], supervisor).await;
        let caller = Caller::new(cluster.client(), Policy::of(Persona::Readonly));
        Self { server: Server::new(caller, &[&TOOL_SET]), cluster }
    }

    /// What an agent gets.
    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let arguments = arguments.as_object().unwrap().clone();
        let answer = self.server.call(tool, arguments, Progress::default()).await;
        answer.map_or_else(|error| error.to_json(), |answer| answer.value)
    }

    /// Starts a search of trials that run this line of a shell, with `X` between 0 and 1.
    async fn search(&self, name: &str, line: &str, changes: Value) {
        let container = json!({"name": "main", "image": "localhost/host-python",
            "command": ["sh", "-c"], "args": [format!("( {line} )")],
            "env": [{"name": "X", "value": "${trialParameters.x}"}]});
        let pod = json!({"restartPolicy": "Never", "containers": [container]});
        let mut spec = json!({
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "random"},
            "parallelTrialCount": 1,
            "maxTrialCount": 1,
            "parameters": [{"name": "x", "parameterType": "double",
                "feasibleSpace": {"min": "0.1", "max": "0.9"}}],
            "trialTemplate": {
                "primaryContainerName": "main",
                "retain": true,
                "trialParameters": [{"name": "x", "reference": "x"}],
                "trialSpec": {"apiVersion": "batch/v1", "kind": "Job",
                    "spec": {"backoffLimit": 0, "template": {"spec": pod}}},
            },
        });
        json_patch::merge(&mut spec, &changes);
        let experiment = json!({"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment",
            "metadata": {"name": name}, "spec": spec});
        let experiment: Experiment = serde_json::from_value(experiment).unwrap();
        let experiments: Api<Experiment> = Api::default_namespaced(self.cluster.client());
        experiments.create(&PostParams::default(), &experiment).await.unwrap();
    }

    /// Asks until the first cause is this one.
    async fn diagnosed(&self, name: &str, code: &str) -> Value {
        let mut last = Value::Null;
        let asking = async {
            loop {
                last = self.call("diagnose_optimization_job", json!({"name": name})).await;
                if last["causes"][0]["code"] == code {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        if tokio::time::timeout(RUN, asking).await.is_err() {
            let events: Api<Event> = Api::default_namespaced(self.cluster.client());
            let events = events.list(&ListParams::default()).await.unwrap().items;
            let told = |it: &Event| format!("{} {:?} {:?}", it.name_any(), it.reason, it.message);
            let events: Vec<String> = events.iter().map(told).collect();
            panic!("{name} is not diagnosed as {code}: {last}\n{}", events.join("\n"));
        }
        last
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_followed_to_its_best_trial() {
    let katib = Katib::new().await;
    let more = json!({"maxTrialCount": 4, "parallelTrialCount": 2,
        "objective": {"goal": 0.0, "additionalMetricNames": ["step"]}});
    let line = "for step in 1 2 3; do echo step=$step loss=$X$step; done";
    katib.search("well", line, more).await;
    let wait = json!({"name": "well", "target_statuses": ["FirstTrial"], "timeout_seconds": 120});
    let first = katib.call("wait_for_optimization", wait).await;
    assert_eq!(first["outcome"], "reached", "{first}");
    let wait = json!({"name": "well", "timeout_seconds": 120});
    let ending = katib.call("wait_for_optimization", wait).await;
    assert_eq!((&ending["outcome"], &ending["state"]), (&json!("reached"), &json!("succeeded")));
    assert_eq!(ending["trials"], json!({"succeeded": 4}), "{ending}");

    let listed = katib.call("list_optimization_jobs", json!({"status": "Complete"})).await;
    assert_eq!(listed["jobs"][0]["trials"], "4/4", "{listed}");
    let job = katib.call("get_optimization_job", json!({"name": "well"})).await;
    assert_eq!(job["best"], ending["best"], "{job}");
    assert_eq!(job["warnings"], Value::Null, "{job}");
    let best = katib.call("get_best_results", json!({"name": "well"})).await;
    assert_eq!(best["results"][0], ending["best"], "{best}");
    assert_eq!((&best["ranked"], &best["notes"]), (&json!(4), &Value::Null), "{best}");

    let told = katib.call("get_trial_metrics", json!({"name": "well"})).await;
    let loss = &told["metrics"][0];
    assert_eq!((&told["source"], &loss["printed"]), (&json!("log"), &json!(3)), "{told}");
    let x = best["results"][0]["parameters"]["x"].as_str().unwrap();
    let values: Vec<&str> =
        loss["points"].as_array().unwrap().iter().map(|it| it["value"].as_str().unwrap()).collect();
    assert_eq!(values, [format!("{x}1"), format!("{x}2"), format!("{x}3")], "{told}");
    let log =
        katib.call("get_optimization_logs", json!({"name": "well", "search": "step=3"})).await;
    assert!(log["text"].as_str().unwrap().contains(&format!("step=3 loss={x}3")), "{log}");
    assert_eq!(log["of"], best["results"][0]["trial"], "{log}");
    let events = katib.call("get_optimization_events", json!({"name": "well"})).await;
    assert!(events.to_string().contains("JobSucceeded"), "{events}");
    let diagnosis = katib.call("diagnose_optimization_job", json!({"name": "well"})).await;
    assert_eq!(diagnosis["summary"], "nothing is wrong: it has succeeded", "{diagnosis}");
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_that_go_wrong_are_explained() {
    let katib = Katib::new().await;
    let three = || json!({"maxTrialCount": 3});
    katib.search("silent", "echo \"loss: $X\"", three()).await;
    // The collector needs a moment to find what it is to follow.
    let crash = "sleep 2; python3 -c 'raise ValueError(1)'";
    katib.search("crashing", crash, json!({"maxFailedTrialCount": 1})).await;
    katib.search("diverging", "echo loss=nan", json!({})).await;
    let train = json!({"trialTemplate": {"primaryContainerName": "train"}});
    katib.search("mistaken", "true", train).await;
    katib.search("refused", "true", json!({"algorithm": {"algorithmName": "grid"}})).await;
    let two = json!({"parameters": [
        {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
        {"name": "y", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}}]});
    katib.search("forgotten", "echo loss=$X", two).await;
    let always = json!({"trialTemplate": {"trialSpec": {"spec": {"template": {"spec":
        {"restartPolicy": "Always"}}}}}});
    katib.search("impossible", "echo loss=$X", always).await;

    let wait = json!({"name": "silent", "timeout_seconds": 120});
    let ending = katib.call("wait_for_optimization", wait).await;
    assert_eq!(ending["outcome"], "stuck", "{ending}");
    let silent = katib.diagnosed("silent", "metrics_not_printed").await;
    let evidence = silent["causes"][0]["evidence"].to_string();
    assert!(evidence.contains("loss: 0."), "{silent}");
    let crashing = katib.diagnosed("crashing", "trials_fail").await;
    assert_eq!(crashing["of_a_trial"]["causes"][0]["code"], "python_exception", "{crashing}");
    katib.diagnosed("diverging", "objective_not_finite").await;
    katib.diagnosed("mistaken", "primary_container_missing").await;
    katib.diagnosed("refused", "algorithm_refuses").await;
    katib.diagnosed("forgotten", "parameter_not_referenced").await;
    katib.diagnosed("impossible", "workload_refused").await;
}
