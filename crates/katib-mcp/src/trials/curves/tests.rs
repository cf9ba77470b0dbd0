//! Curves through the server, from each place that may still know them.

use expect_test::expect;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::{
    api::Trial,
    metrics::{ANNOTATION, Point, annotation},
    testing::{ByHand, condition, search, trial_spec},
};

const LOG: &str = "\
2026-08-21T10:00:00.5Z I0821 10:00:00.500000      15 main.go:139] epoch 1
2026-08-21T10:00:01Z I0821 10:00:01.500000      15 main.go:139] accuracy=0.5 loss=0.9
2026-08-21T10:00:02Z I0821 10:00:02.500000      15 main.go:139] accuracy=0.7
2026-08-21T10:00:03Z I0821 10:00:03.500000      15 main.go:139] accuracy=0.9
";

async fn with_log(log: &'static str) -> ByHand {
    let cluster =
        ByHand::answering(move |path, _| path.ends_with("/log").then(|| (200, log.to_owned())))
            .await;
    cluster.experiment("search", search(), Value::Null).await;
    cluster.succeeded("search", "search-b", "0.1", "0.9").await;
    cluster.succeeded("search", "search-c", "0.2", "0.8").await;
    cluster
}

#[tokio::test]
async fn a_curve_is_read_from_the_log_of_the_collector() {
    let cluster = with_log(LOG).await;
    cluster.pod("search-b", json!({})).await;
    let told = cluster.call("get_trial_metrics", json!({"name": "search", "points": 2})).await;
    expect![[r#"{"metrics":[{"latest":"0.9","max":"0.9","metric":"accuracy","min":"0.9","points":[{"at":"2026-08-21T10:00:01Z","value":"0.5"},{"at":"2026-08-21T10:00:03Z","value":"0.9"}],"printed":3},{"latest":"0.5","max":"0.5","metric":"loss","min":"0.5","points":[{"at":"2026-08-21T10:00:01Z","value":"0.9"}],"printed":1}],"parameters":{"lr":"0.1"},"source":"log","state":"succeeded","trial":"search-b"}"#]].assert_eq(&told.to_string());
}

#[tokio::test]
async fn what_the_local_cluster_has_kept_replaces_the_log() {
    let cluster = with_log(LOG).await;
    let point = |value: &str| Point { name: "accuracy".into(), value: value.into(), at: None };
    let kept = annotation(&[point("0.4"), point("0.8")]);
    let annotated = json!({"metadata": {"annotations": {ANNOTATION: kept}}});
    let trials = cluster.api::<Trial>();
    trials.patch("search-c", &PatchParams::default(), &Patch::Merge(annotated)).await.unwrap();
    let arguments = json!({"name": "search", "trial": "search-c"});
    let told = cluster.call("get_trial_metrics", arguments).await;
    expect![[r#"{"metrics":[{"latest":"0.8","max":"0.8","metric":"accuracy","min":"0.8","points":[{"value":"0.4"},{"value":"0.8"}],"printed":2},{"latest":"0.5","max":"0.5","metric":"loss","min":"0.5","printed":0}],"missing":["the log: its Pod is gone"],"parameters":{"lr":"0.2"},"source":"annotation","state":"succeeded","trial":"search-c"}"#]].assert_eq(&told.to_string());
}

#[tokio::test]
async fn without_rights_the_last_values_are_what_is_left() {
    let refuse = |path: &str, _: &str| path.ends_with("/pods").then(|| (403, "no".to_owned()));
    let cluster = ByHand::answering(refuse).await;
    cluster.experiment("search", search(), Value::Null).await;
    cluster.succeeded("search", "search-b", "0.1", "0.9").await;
    let told = cluster.call("get_trial_metrics", json!({"name": "search"})).await;
    expect![[r#"{"metrics":[{"latest":"0.9","max":"0.9","metric":"accuracy","min":"0.9","printed":0},{"latest":"0.5","max":"0.5","metric":"loss","min":"0.5","printed":0}],"missing":["the log: you may not read it","Katib's database was not asked: it is no Kubernetes API"],"parameters":{"lr":"0.1"},"source":"observation","state":"succeeded","trial":"search-b"}"#]].assert_eq(&told.to_string());
}

#[tokio::test]
async fn a_running_trial_has_its_curve_already() {
    let cluster = with_log(LOG).await;
    let running = json!({"conditions": [condition("Created"), condition("Running")]});
    cluster.trial("search", "search-d", trial_spec("0.3"), running).await;
    cluster.pod("search-d", json!({})).await;
    let arguments = json!({"name": "search", "trial": "search-d"});
    let told = cluster.call("get_trial_metrics", arguments).await;
    assert_eq!((&told["state"], &told["source"]), (&json!("running"), &json!("log")), "{told}");
    let wrong = json!({"name": "search", "trial": "other-b"});
    let wrong = cluster.call("get_trial_metrics", wrong).await;
    assert_eq!(wrong["code"], "invalid_argument", "{wrong}");
}
