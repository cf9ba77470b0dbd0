//! Waits through the server, for experiments whose statuses are written by hand.

use expect_test::expect;
use kube::api::DeleteParams;
use kubeflow_mcp_core::Progress;
use serde_json::{Value, json};

use crate::{
    api::Experiment,
    testing::{ByHand, condition, search},
};

/// Without what differs from run to run.
fn told(mut ending: Value) -> String {
    ending.as_object_mut().expect("an object").remove("waited_seconds");
    ending.to_string()
}

fn now(state: &str) -> Value {
    json!({"conditions": [condition("Created"), condition(state)]})
}

#[tokio::test]
async fn a_wait_tells_of_trials_and_ends_with_the_best() {
    let cluster = ByHand::new().await;
    cluster.experiment("search", search(), now("Running")).await;
    let (progress, mut steps) = Progress::channel();
    let wait = cluster.call_telling("wait_for_optimization", json!({"name": "search"}), progress);
    let hand = async {
        let mut seen = Vec::new();
        let mut until = async |words: &str| {
            while !seen.last().is_some_and(|it: &String| it.contains(words)) {
                let step = steps.recv().await.expect("the wait goes on");
                assert!(step.total == Some(10.0), "{step:?}");
                seen.push(step.message);
            }
        };
        until("0 of 10 trials done").await;
        cluster.succeeded("search", "search-b", "0.1", "0.8").await;
        until("1 of 10 trials done, best accuracy=0.8 (search-b)").await;
        cluster.with_state("search", "search-c", "Failed").await;
        until("2 of 10 trials done, 1 failed, best accuracy=0.8 (search-b)").await;
        cluster.status::<Experiment>("search", json!({"status": now("Succeeded")})).await;
    };
    let (ending, ()) = tokio::join!(wait, hand);
    expect![[r#"{"best":{"metrics":{"loss":0.5},"parameters":{"lr":"0.1"},"state":"succeeded","trial":"search-b","value":0.8,"workload":"Job/search-b"},"max_trials":10,"message":"by hand","name":"search","outcome":"reached","reason":"BySucceeded","state":"succeeded","trials":{"failed":1,"succeeded":1}}"#]].assert_eq(&told(ending));
}

#[tokio::test]
async fn a_first_trial_without_the_metric_ends_the_wait() {
    let cluster = ByHand::new().await;
    cluster.experiment("search", search(), now("Running")).await;
    cluster.with_state("search", "search-b", "MetricsUnavailable").await;
    cluster.with_state("search", "search-c", "Running").await;
    let ending = cluster
        .call("wait_for_optimization", json!({"name": "search", "timeout_seconds": 30}))
        .await;
    expect![[r#"{"max_trials":10,"message":"by hand","name":"search","notes":["1 trials have ended well, and none has printed \"accuracy\" as expected; diagnose_optimization_job says why"],"outcome":"stuck","reason":"ByRunning","state":"running","trials":{"metrics_unavailable":1,"running":1}}"#]].assert_eq(&told(ending));
}

#[tokio::test]
async fn pods_that_cannot_start_end_the_wait() {
    let cluster = ByHand::new().await;
    cluster.experiment("search", search(), now("Running")).await;
    cluster.with_state("search", "search-b", "Running").await;
    let waiting = json!({"waiting": {"reason": "ErrImagePull"}});
    let container = json!({"name": "main", "image": "i", "imageID": "", "ready": false,
        "restartCount": 0, "state": waiting});
    cluster.pod("search-b", json!({"phase": "Pending", "containerStatuses": [container]})).await;
    let ending = cluster
        .call("wait_for_optimization", json!({"name": "search", "timeout_seconds": 30}))
        .await;
    assert_eq!(ending["outcome"], "stuck", "{ending}");
    assert!(ending["notes"].to_string().contains("ErrImagePull"), "{ending}");
}

#[tokio::test]
async fn each_target_is_waited_for() {
    let check = async |targets: Value, expected: &str| {
        let cluster = ByHand::new().await;
        cluster.experiment("search", search(), now("Running")).await;
        cluster.succeeded("search", "search-b", "0.1", "0.995").await;
        let wait = json!({"name": "search", "target_statuses": targets, "timeout_seconds": 1});
        let ending = cluster.call("wait_for_optimization", wait).await;
        assert_eq!(ending["outcome"], expected, "{ending}");
    };
    check(json!(["FirstTrial"]), "reached").await;
    check(json!(["Complete", "Failed", "Stuck"]), "time_limit").await;
    let cluster = ByHand::new().await;
    cluster.experiment("search", search(), now("Failed")).await;
    let ending = cluster
        .call("wait_for_optimization", json!({"name": "search", "timeout_seconds": 30}))
        .await;
    assert_eq!((&ending["outcome"], &ending["state"]), (&json!("ended"), &json!("failed")));
    for wrong in [json!({"name": "search", "target_statuses": ["Done"]}), json!({})] {
        let refused = cluster.call("wait_for_optimization", wrong).await;
        assert_eq!(refused["code"], "invalid_argument", "{refused}");
    }
}

#[tokio::test]
async fn a_deleted_job_ends_the_wait_and_pods_are_not_needed() {
    let refuse =
        |path: &str, _: &str| path.ends_with("/pods").then(|| (403, "forbidden".to_owned()));
    let cluster = ByHand::answering(refuse).await;
    cluster.experiment("search", search(), now("Running")).await;
    let (progress, mut steps) = Progress::channel();
    let wait = cluster.call_telling("wait_for_optimization", json!({"name": "search"}), progress);
    let hand = async {
        steps.recv().await.expect("the wait goes on");
        let experiments = cluster.api::<Experiment>();
        experiments.delete("search", &DeleteParams::default()).await.unwrap();
    };
    let (ending, ()) = tokio::join!(wait, hand);
    assert_eq!(ending["outcome"], "deleted", "{ending}");
}
