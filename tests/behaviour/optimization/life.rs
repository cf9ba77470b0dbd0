//! What an agent sees of a search from its rehearsal to its deletion.

use expect_test::expect;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kubeflow_mcp_tests::waiting::until;
use serde_json::{Value, json};

use super::{ended, namespace, told};
use crate::training;

const SCRIPT: &str = "\
import argparse
parser = argparse.ArgumentParser()
parser.add_argument('--x', type=float)
x = parser.parse_args().x
for epoch in range(3):
    print(f'epoch={epoch} loss={(x - 0.5) ** 2 + 1 / (epoch + 1)}', flush=True)
";

fn search() -> Value {
    json!({
        "name": "search", "runtime": "once", "script": SCRIPT,
        "parameters": { "x": { "min": 0.0, "max": 1.0 } },
        "objective_metric_name": "loss", "objective_type": "minimize",
        "max_trial_count": 3, "parallel_trial_count": 3,
    })
}

#[tokio::test]
async fn a_search_is_rehearsed_made_followed_extended_and_deleted() {
    let namespace = namespace().await;
    training::once(&namespace).await;
    let preview = namespace.call("optimize", search()).await;
    assert_eq!(preview["preview"], true, "{preview}");
    let none = namespace.call("list_optimization_jobs", json!({})).await;
    assert_eq!(none["jobs"], json!([]), "{none}");

    let mut call = search();
    call["confirmed"] = json!(true);
    let made = namespace.call("optimize", call.clone()).await;
    let mut promised = preview;
    promised["preview"] = json!(false);
    assert_eq!(made, promised, "what was made is what was rehearsed");
    let again = namespace.call("optimize", call).await;
    assert_eq!(again["created"], false, "{again}");

    let end = ended(&namespace, "search").await;
    assert_eq!((&end["outcome"], &end["state"]), (&json!("reached"), &json!("succeeded")), "{end}");

    let best = namespace.call("get_best_results", json!({ "name": "search" })).await;
    assert_eq!(best["ranked"], 3, "{best}");
    let values: Vec<f64> = best["results"].as_array().unwrap().iter().map(value).collect();
    assert!(values.is_sorted(), "{best}");
    let first = &best["results"][0];
    let x: f64 = first["parameters"]["x"].as_str().unwrap().parse().unwrap();
    assert!((values[0] - (x - 0.5).powi(2) - 1.0 / 3.0).abs() < 1e-6, "{best}");
    let trial = first["trial"].as_str().unwrap();
    assert_eq!(first["workload"], format!("TrainJob/{trial}"), "{best}");

    let listed = namespace.call("list_optimization_jobs", json!({})).await;
    let row = &listed["jobs"][0];
    assert_eq!((&row["name"], &row["trials"]), (&json!("search"), &json!("3/3")), "{listed}");
    let shown = namespace.call("get_optimization_job", json!({ "name": "search" })).await;
    assert_eq!(shown["reason"], "ExperimentMaxTrialsReached", "{shown}");
    assert_eq!(shown["suggestion"]["made"], 3, "{shown}");

    let metrics = namespace.call("get_trial_metrics", json!({ "name": "search" })).await;
    assert_eq!(metrics["trial"], trial, "the best is shown: {metrics}");
    let curve = &metrics["metrics"][0];
    assert_eq!(curve["points"].as_array().map(Vec::len), Some(3), "{metrics}");

    let log = json!({ "name": "search", "trial": trial });
    let log = namespace.call("get_optimization_logs", log).await;
    assert!(log["text"].as_str().is_some_and(|it| it.contains("epoch=2 loss=")), "{log}");

    let events =
        namespace.call("get_optimization_events", json!({ "name": "search", "limit": 100 })).await;
    let rows = events["events"].as_array().unwrap();
    assert!(rows.iter().any(|it| it["reason"] == "JobSucceeded"), "{events}");

    let more = json!({ "name": "search", "max_trial_count": 5, "confirmed": true });
    let more = namespace.call("update_optimization_job", more).await;
    assert_eq!(more["changed"], true, "{more}");
    told(&namespace, "get_best_results", "search", |it| it["ranked"] == 5).await;
    let shown = namespace.call("get_optimization_job", json!({ "name": "search" })).await;
    assert_eq!(shown["trials"], json!({ "succeeded": 5 }), "{shown}");

    let preview = namespace.call("delete_optimization_job", json!({ "name": "search" })).await;
    assert_eq!(preview["lost_trials"], 5, "{preview}");
    let delete = json!({ "name": "search", "confirmed": true });
    let deleted = namespace.call("delete_optimization_job", delete).await;
    assert!(deleted["code"].is_null(), "{deleted}");
    told(&namespace, "get_optimization_job", "search", |it| it["code"] == "not_found").await;
    until("the absence of its Pods", async || {
        let pods = namespace.api::<Pod>().list_metadata(&ListParams::default()).await.unwrap();
        if pods.items.is_empty() { Ok(()) } else { Err(format!("{} are left", pods.items.len())) }
    })
    .await;
}

fn value(row: &Value) -> f64 {
    row["value"].as_f64().unwrap_or_else(|| panic!("{row}"))
}

/// Katib's own objects and what it says of them: an agent that knows Katib finds what it knows.
#[tokio::test]
async fn a_trial_leaves_what_katib_leaves() {
    let namespace = namespace().await;
    super::create(
        &namespace,
        super::experiment(
            "search",
            "echo loss=$X",
            &json!({"maxTrialCount": 1, "parallelTrialCount": 1}),
        ),
    )
    .await;
    told(&namespace, "get_optimization_job", "search", |it| it["state"] == "succeeded").await;
    let trials = namespace.objects(super::VERSION, "Trial").list(&ListParams::default()).await;
    let trial = trials.unwrap().items.remove(0);
    let name = trial.metadata.name.clone().unwrap();
    let random = name.strip_prefix("search-").unwrap();
    assert!(
        random.len() == 8 && random.chars().all(|it| "bcdfghjklmnpqrstvwxz2456789".contains(it))
    );
    let conditions = |object: &Value| -> String {
        let told = object["status"]["conditions"].as_array().unwrap().iter().map(|it| {
            let text = |field: &str| it[field].as_str().unwrap_or_default().to_owned();
            format!("{}={} {}: {}\n", text("type"), text("status"), text("reason"), text("message"))
        });
        told.collect()
    };
    let trial = serde_json::to_value(&trial).unwrap();
    expect![[r#"
        Created=True TrialCreated: Trial is created
        Running=False TrialRunning: Trial is running
        Succeeded=True TrialSucceeded. Job reason: CompletionsReached: Trial has succeeded. Job message: Reached expected number of succeeded pods
    "#]]
    .assert_eq(&conditions(&trial));
    assert_eq!(trial["metadata"]["labels"]["katib.kubeflow.org/experiment"], "search");
    assert_eq!(trial["metadata"]["finalizers"], json!(["clean-metrics-in-db"]));
    let experiment = namespace.objects(super::VERSION, "Experiment").get("search").await.unwrap();
    expect![[r#"
        Created=True ExperimentCreated: Experiment is created
        Running=False ExperimentRunning: Experiment is running
        Succeeded=True ExperimentMaxTrialsReached: Experiment has succeeded because max trial count has reached
    "#]]
    .assert_eq(&conditions(&serde_json::to_value(&experiment).unwrap()));
    let pods = ListParams::default().labels(&format!("katib.kubeflow.org/trial={name}"));
    let pods = namespace.api::<Pod>().list(&pods).await.unwrap().items;
    let containers: Vec<_> =
        pods[0].spec.iter().flat_map(|it| &it.containers).map(|it| it.name.as_str()).collect();
    assert_eq!(containers, ["main", "metrics-logger-and-collector"]);
}
