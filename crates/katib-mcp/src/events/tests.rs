//! Which events concern an experiment, and what an agent sees of them.

use expect_test::expect;
use serde_json::{Value, json};

use super::*;
use crate::testing::{ByHand, search};

#[test]
fn events_of_parts_are_told_from_those_of_others() {
    let experiment = json!({"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment",
        "metadata": {"name": "tune", "uid": "u1", "creationTimestamp": "2026-08-21T10:00:00Z"},
        "spec": {"algorithm": {"algorithmName": "tpe"}}});
    let experiment: Experiment = serde_json::from_value(experiment).unwrap();
    let check = |kind: &str, name: &str, uid: Option<&str>, at: &str, expected: bool| {
        let event = json!({"metadata": {}, "eventTime": format!("2026-08-21T{at}.000000Z"),
            "involvedObject": {"kind": kind, "name": name, "uid": uid}});
        let event: Event = serde_json::from_value(event).unwrap();
        assert_eq!(concerns(&experiment, &event), expected, "{kind} {name} {uid:?} {at}");
    };
    let now = "10:00:05";
    for (kind, name) in [
        ("Experiment", "tune"),
        ("Suggestion", "tune"),
        ("Deployment", "tune-tpe"),
        ("Pod", "tune-tpe-6b9f-x7f2k"),
        ("Trial", "tune-b2c4d6f8"),
        ("TrainJob", "tune-b2c4d6f8"),
        ("Job", "tune-b2c4d6f8-node-0"),
        ("Pod", "tune-b2c4d6f8-node-0-0-x7f2k"),
        ("Workload", "trainjob-tune-b2c4d6f8-1a2b3"),
        ("Trial", "tune-6f1c0f4e-3f1d-4f6e-9d8e-0c1b2a3d4e5f"),
    ] {
        check(kind, name, None, now, true);
    }
    for (kind, name) in [
        ("Experiment", "tune-2"),
        ("Trial", "tune-2-b2c4d6f8"),
        ("Trial", "fine-tune-b2c4d6f8"),
        ("Pod", "tune"),
        ("Pod", "tune-banana22"),
        ("Deployment", "tune-tpeless"),
        ("Workload", "trainjob-tuned-b2c4d6f8-1a2b3"),
    ] {
        check(kind, name, None, now, false);
    }
    check("Experiment", "tune", Some("u1"), now, true);
    check("Experiment", "tune", Some("u0"), now, false);
    check("Trial", "tune-b2c4d6f8", None, "09:59:00", false);
}

#[tokio::test]
async fn an_agent_sees_what_happened_to_its_search_alone() {
    let cluster = ByHand::new().await;
    cluster.experiment("search", search(), Value::Null).await;
    cluster.event("e1", "Trial", "search-b2c4d6f8", "Warning", "MetricsUnavailable").await;
    cluster.event("e2", "Trial", "search-c2c4d6f8", "Normal", "JobFailed").await;
    cluster.event("e3", "Trial", "other-b2c4d6f8", "Warning", "MetricsUnavailable").await;
    cluster.event("e4", "Job", "search-b2c4d6f8", "Normal", "SuccessfulCreate").await;
    let arguments = json!({"name": "search", "warnings_only": true});
    let mut seen = cluster.call("get_optimization_events", arguments).await;
    for row in seen["events"].as_array_mut().unwrap() {
        row.as_object_mut().unwrap().remove("last");
    }
    seen["events"].as_array_mut().unwrap().sort_by_key(|it| it["reason"].to_string());
    expect![[r#"{"events":[{"message":"told by hand","object":"Trial/search-c2c4d6f8","reason":"JobFailed","type":"Normal"},{"message":"told by hand","object":"Trial/search-b2c4d6f8","reason":"MetricsUnavailable","type":"Warning"}]}"#]].assert_eq(&seen.to_string());
    let all = cluster.call("get_optimization_events", json!({"name": "search"})).await;
    assert_eq!(all["events"].as_array().map(Vec::len), Some(3), "{all}");
}
