//! Rankings through the server, of trials that are written by hand.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use expect_test::expect;
use serde_json::{Value, json};

use super::*;
use crate::testing::{ByHand, condition, search, trial_spec};

#[tokio::test]
async fn the_best_come_first_and_what_has_no_number_is_counted() {
    let cluster = ByHand::new().await;
    let status = json!({"conditions": [condition("Succeeded")],
        "currentOptimalTrial": {"bestTrialName": "search-d"}});
    cluster.experiment("search", search(), status).await;
    cluster.succeeded("search", "search-b", "0.1", "0.9").await;
    cluster.succeeded("search", "search-c", "0.2", "0.95").await;
    cluster.succeeded("search", "search-d", "0.3", "").await;
    cluster.with_state("search", "search-f", "Failed").await;
    cluster.with_state("search", "search-g", "Running").await;
    cluster.succeeded("other", "other-b", "0.1", "0.99").await;
    let best = cluster.call("get_best_results", json!({"name": "search", "limit": 1})).await;
    expect![[r#"{"goal":0.99,"name":"search","notes":["Katib itself names search-d as the best, which has no number: a value such as NaN misleads it"],"objective":"maximize accuracy","ranked":2,"results":[{"metrics":{"loss":0.5},"parameters":{"lr":"0.2"},"state":"succeeded","trial":"search-c","value":0.95,"workload":"Job/search-c"}],"state":"succeeded","without_number":{"failed":1,"running":1,"succeeded":1}}"#]].assert_eq(&best.to_string());
    let missing = cluster.call("get_best_results", json!({"name": "saerch"})).await;
    assert_eq!(missing["code"], "not_found", "{missing}");
}

#[tokio::test]
async fn a_thousand_trials_are_three_requests() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    // Three pages, each with the token of the next.
    let cluster = ByHand::answering(move |path, query| {
        counted.fetch_add(1, Ordering::SeqCst);
        if !path.ends_with("/trials") {
            return None;
        }
        let start: usize = query
            .split('&')
            .find_map(|it| it.strip_prefix("continue="))
            .map_or(0, |it| it.parse().unwrap());
        let trials: Vec<Value> = (start..start + 500).map(|number| {
            json!({"metadata": {"name": format!("search-{number:04}"), "namespace": "default"},
                "spec": trial_spec("0.1"), "status": {"conditions": [condition("Succeeded")],
                    "observation": {"metrics": [crate::testing::metric("accuracy", &format!("0.{number:04}"))]}}})
        })
        .collect();
        let next = (start < 500).then(|| (start + 500).to_string());
        let list = json!({"apiVersion": "kubeflow.org/v1beta1", "kind": "TrialList",
            "metadata": {"continue": next}, "items": trials});
        Some((200, list.to_string()))
    })
    .await;
    cluster.experiment("search", search(), Value::Null).await;
    cluster.call("list_optimization_jobs", json!({})).await;
    let before = requests.load(Ordering::SeqCst);
    let best = cluster.call("get_best_results", json!({"name": "search"})).await;
    assert_eq!(requests.load(Ordering::SeqCst) - before, 3);
    assert_eq!(best["ranked"], 1000, "{best}");
    assert_eq!(best["results"][0]["trial"], "search-0999", "{best}");
}

fn ranking(values: impl Fn(usize) -> (f64, &'static str, f64)) -> Vec<String> {
    let parameters = json!([
        {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
        {"name": "optimizer", "parameterType": "categorical", "feasibleSpace": {"list": ["sgd", "adam"]}}]);
    let parameters: Vec<crate::api::Parameter> = serde_json::from_value(parameters).expect("right");
    let trials: Vec<Trial> = (0..60)
        .map(|number| {
            let (lr, optimizer, accuracy) = values(number);
            let mut spec = trial_spec(&lr.to_string());
            spec["parameterAssignments"] = json!([{"name": "lr", "value": lr.to_string()},
                {"name": "optimizer", "value": optimizer}]);
            let metric = crate::testing::metric("accuracy", &accuracy.to_string());
            serde_json::from_value(json!({"apiVersion": "kubeflow.org/v1beta1", "kind": "Trial",
                "metadata": {"name": format!("t-{number:02}")}, "spec": spec,
                "status": {"observation": {"metrics": [metric]}}}))
            .expect("right")
        })
        .collect();
    let objective: Objective =
        serde_json::from_value(search()["objective"].clone()).expect("right");
    common::of_the_best(&parameters, &objective.ranked(&trials))
}

#[test]
fn what_the_best_have_in_common_is_said_where_it_is_no_chance() {
    let spread = |number: usize| (number * 37 % 60) as f64 / 60.0;
    let optimizer = |number: usize| if number.is_multiple_of(3) { "adam" } else { "sgd" };
    // The nearer the rate is to a half, and with one optimizer, the better.
    let telling = ranking(|number| {
        let lr = spread(number);
        let bonus = if optimizer(number) == "adam" { 1.0 } else { 0.0 };
        (lr, optimizer(number), bonus - (lr - 0.5).abs())
    });
    expect!["the best 6 of 60 all have optimizer=adam; 20 have it"].assert_eq(&telling.join("\n"));
    let noise = ranking(|number| (spread(number), optimizer(number), (number * 17 % 60) as f64));
    assert_eq!(noise, [""; 0]);
}
