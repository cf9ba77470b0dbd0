//! Logs through the server, of Pods that are written by hand.

use expect_test::expect;
use serde_json::{Value, json};

use crate::testing::{ByHand, search};

async fn cluster() -> ByHand {
    let cluster = ByHand::answering(|path, query| {
        let pod = path.strip_suffix("/log")?.rsplit('/').next()?;
        let container = query.split('&').find_map(|it| it.strip_prefix("container="))?;
        let line = format!("I0821 10:00:00.500000      15 main.go:139] {container} of {pod}\n");
        Some((200, line))
    })
    .await;
    cluster.experiment("search", search(), Value::Null).await;
    cluster
}

#[tokio::test]
async fn the_log_of_the_trial_that_is_meant_is_shown_as_it_was_printed() {
    let cluster = cluster().await;
    let log = async |arguments: Value| cluster.call("get_optimization_logs", arguments).await;
    let none = log(json!({"name": "search"})).await;
    assert_eq!(none["code"], "conflict", "{none}");
    cluster.with_state("search", "search-b", "Failed").await;
    cluster.pod("search-b", json!({})).await;
    assert_eq!(log(json!({"name": "search"})).await["of"], "search-b");
    cluster.succeeded("search", "search-c", "0.1", "0.9").await;
    cluster.pod("search-c", json!({})).await;
    expect![[r#"{"container":"metrics-logger-and-collector","lines":1,"of":"search-c","pod":"search-c-abcde","source":"current","state":"succeeded","text":"metrics-logger-and-collector of search-c-abcde"}"#]].assert_eq(&log(json!({"name": "search"})).await.to_string());
    assert_eq!(log(json!({"name": "search", "trial": "failed"})).await["of"], "search-b");
    assert_eq!(log(json!({"name": "search", "trial": "search-b"})).await["of"], "search-b");
    let other = log(json!({"name": "search", "trial": "other-b"})).await;
    assert_eq!(other["code"], "invalid_argument", "{other}");
}

#[tokio::test]
async fn why_there_is_no_log_is_told() {
    let cluster = cluster().await;
    cluster.with_state("search", "search-b", "Running").await;
    let arguments = json!({"name": "search", "trial": "search-b"});
    let trial = cluster.call("get_optimization_logs", arguments).await;
    expect![[r#"["its workload has no Pod yet","the trial says: by hand"]"#]]
        .assert_eq(&trial["notes"].to_string());
    let arguments = json!({"name": "search", "trial": "suggestion"});
    let algorithm = cluster.call("get_optimization_logs", arguments).await;
    assert_eq!(algorithm["of"], "suggestion", "{algorithm}");
    assert!(algorithm["notes"].to_string().contains("no Pod"), "{algorithm}");
}
