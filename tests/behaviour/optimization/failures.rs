//! What goes wrong with a search, and whether the diagnosis says so.

use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::PostParams;
use kubeflow_mcp_tests::namespace::Namespace;
use serde_json::{Value, json};

use super::{create, experiment, label, namespace, told};

/// The diagnosis, once its text has all of these words.
async fn diagnosed(namespace: &Namespace, words: &[&str]) -> Value {
    told(namespace, "diagnose_optimization_job", "search", |it| {
        let text = it.to_string();
        it["code"].is_null() && words.iter().all(|word| text.contains(word))
    })
    .await
}

#[tokio::test]
async fn a_metric_that_is_never_printed_is_found_in_what_is_printed() {
    let namespace = namespace().await;
    create(&namespace, experiment("search", "echo accuracy=0.9", &json!({}))).await;
    diagnosed(&namespace, &["metrics_not_printed", "loss", "accuracy"]).await;
}

#[tokio::test]
async fn a_primary_container_that_trials_lack_keeps_their_pods_away() {
    let namespace = namespace().await;
    let other = json!({ "trialTemplate": { "primaryContainerName": "worker" } });
    create(&namespace, experiment("search", "echo loss=$X", &other)).await;
    diagnosed(&namespace, &["primary_container_missing", "worker"]).await;
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_told() {
    let namespace = namespace().await;
    let quota = json!({ "metadata": { "name": "small" }, "spec": { "hard": { "pods": "0" } } });
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    namespace.api::<ResourceQuota>().create(&PostParams::default(), &quota).await.unwrap();
    create(&namespace, experiment("search", "echo loss=$X", &json!({}))).await;
    diagnosed(&namespace, &["trials_not_starting", "quota", "small"]).await;
}

#[tokio::test]
async fn a_program_that_fails_is_told_with_what_it_says() {
    let namespace = namespace().await;
    let line = "echo no such data >&2; exit 3";
    create(&namespace, experiment("search", line, &json!({ "maxFailedTrialCount": 1 }))).await;
    diagnosed(&namespace, &["trials_fail", "no such data"]).await;
    told(&namespace, "get_optimization_job", "search", |it| it["state"] == "failed").await;
}

#[tokio::test]
async fn an_algorithm_that_refuses_its_settings_is_told_by_its_own_words() {
    let namespace = namespace().await;
    let settings = json!([{ "name": "speed", "value": "11" }]);
    let wrong = json!({ "algorithm": { "algorithmSettings": settings } });
    create(&namespace, experiment("search", "echo loss=$X", &wrong)).await;
    diagnosed(&namespace, &["algorithm_refuses", "speed"]).await;
    told(&namespace, "get_optimization_job", "search", |it| it["state"] == "failed").await;
}

#[tokio::test]
async fn a_grid_without_steps_is_told() {
    let namespace = namespace().await;
    let grid = json!({ "algorithm": { "algorithmName": "grid" } });
    create(&namespace, experiment("search", "echo loss=$X", &grid)).await;
    diagnosed(&namespace, &["algorithm_refuses", "step"]).await;
}

#[tokio::test]
async fn a_parameter_that_no_trial_takes_is_told() {
    let namespace = namespace().await;
    let more = json!({ "parameters": [
        { "name": "x", "parameterType": "double", "feasibleSpace": { "min": "0", "max": "1" } },
        { "name": "depth", "parameterType": "int", "feasibleSpace": { "min": "1", "max": "4" } },
    ] });
    create(&namespace, experiment("search", "echo loss=$X", &more)).await;
    diagnosed(&namespace, &["parameter_not_referenced", "depth"]).await;
}

#[tokio::test]
async fn a_label_that_was_taken_away_is_told() {
    let namespace = namespace().await;
    // The first trials have their collector; the next ones will not.
    let one = json!({ "parallelTrialCount": 1, "maxTrialCount": 3 });
    let line =
        "while [ ! -e $TMPDIR/go ] && [ $((n=n+1)) -lt 60 ]; do sleep 0.1; done; echo loss=$X";
    create(&namespace, experiment("search", line, &one)).await;
    told(&namespace, "get_optimization_job", "search", |it| it["trials"]["running"] == 1).await;
    label(&namespace, Value::Null).await;
    diagnosed(
        &namespace,
        &["namespace_not_labelled", "katib.kubeflow.org/metrics-collector-injection"],
    )
    .await;
    label(&namespace, json!("enabled")).await;
}

#[tokio::test]
async fn trials_that_begin_badly_are_stopped() {
    let namespace = namespace().await;
    // Time goes on: every trial is worse than all before it, in whichever order they come.
    let line = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo loss=$(date +%s); sleep 0.3; done";
    let stopping = json!({
        "algorithm": { "algorithmName": "grid" },
        "parameters": [{
            "name": "x", "parameterType": "int",
            "feasibleSpace": { "min": "1", "max": "4", "step": "1" },
        }],
        "earlyStopping": { "algorithmName": "medianstop", "algorithmSettings": [
            { "name": "min_trials_required", "value": "1" }, { "name": "start_step", "value": "2" },
        ] },
        "parallelTrialCount": 1, "maxTrialCount": 4,
    });
    create(&namespace, experiment("search", line, &stopping)).await;
    let shown = told(&namespace, "get_optimization_job", "search", |it| it["state"] == "succeeded");
    let shown = shown.await;
    assert!(shown["trials"]["early_stopped"].as_i64().is_some_and(|it| it >= 1), "{shown}");
    let best = namespace.call("get_best_results", json!({ "name": "search" })).await;
    assert!(best["results"][0]["value"].as_f64().is_some(), "{best}");
}
