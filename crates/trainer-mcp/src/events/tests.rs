//! Which events concern a job, and what an agent sees of them.

use expect_test::expect;
use serde_json::{Value, json};

use super::*;
use crate::testing::{ByHand, status};

#[test]
fn events_of_parts_are_told_from_those_of_others() {
    let job = json!({"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob",
        "metadata": {"name": "mnist", "uid": "u1", "creationTimestamp": "2026-08-21T10:00:00Z"},
        "spec": {"runtimeRef": {"name": "torch"}}});
    let job: TrainJob = serde_json::from_value(job).unwrap();
    let check = |kind: &str, name: &str, uid: Option<&str>, at: &str, expected: bool| {
        let event = json!({"metadata": {}, "eventTime": format!("2026-08-21T{at}.000000Z"),
            "involvedObject": {"kind": kind, "name": name, "uid": uid}});
        let event: Event = serde_json::from_value(event).unwrap();
        assert_eq!(concerns(&job, &event), expected, "{kind} {name} {uid:?} {at}");
    };
    let now = "10:00:05";
    for (kind, name) in [
        ("TrainJob", "mnist"),
        ("JobSet", "mnist"),
        ("Job", "mnist-node-0"),
        ("Job", "mnist-model-initializer-0"),
        ("Pod", "mnist-node-0-0-abcde"),
        ("Pod", "mnist-dataset-initializer-0-0-x7f2k"),
        ("Pod", "mnist-node-0-511-abcde"),
        ("PersistentVolumeClaim", "initializer-mnist"),
        ("Workload", "trainjob-mnist-1a2b3"),
    ] {
        check(kind, name, None, now, true);
    }
    for (kind, name) in [
        ("TrainJob", "mnist-2"),
        ("Job", "mnist-2-node-0"),
        ("Job", "mnist-node-1"),
        ("Pod", "mnist-2-node-0-0-abcde"),
        ("Pod", "mnist-node-0-abcde"),
        ("Pod", "mnist"),
        ("PersistentVolumeClaim", "initializer-fashionmnist"),
        ("Workload", "trainjob-mnist-2-1a2b3"),
        ("Node", "mnist"),
    ] {
        check(kind, name, None, now, false);
    }
    check("TrainJob", "mnist", Some("u1"), now, true);
    check("TrainJob", "mnist", Some("u0"), now, false);
    check("Pod", "mnist-node-0-0-abcde", None, "09:59:00", false);
}

#[tokio::test]
async fn an_agent_sees_what_happened_to_its_job_alone() {
    let cluster = ByHand::new(|_, _| (200, String::new())).await;
    cluster.job("mnist", 2, status(1, 0, None)).await;
    cluster.event("e1", "Pod", "mnist-node-0-0-abcde", "FailedScheduling").await;
    cluster.event("e2", "Pod", "mnist-node-0-1-fghij", "FailedScheduling").await;
    cluster.event("e3", "Pod", "other-node-0-0-abcde", "FailedScheduling").await;
    let mut seen = cluster.call("get_training_events", json!({"name": "mnist"})).await;
    let row = seen["events"][0].as_object_mut().unwrap();
    assert!(row.remove("last").is_some() && row.remove("first").is_some());
    expect![[r#"{"events":[{"count":2,"message":"told by hand","object":"Pod/mnist-node-0-0-abcde","objects":2,"reason":"FailedScheduling","type":"Warning"}]}"#]].assert_eq(&seen.to_string());
    let missing = cluster.call("get_training_events", json!({"name": "minst"})).await;
    assert_eq!(missing["code"], "not_found", "{missing}");
}

#[tokio::test]
async fn a_look_at_a_job_that_has_not_started_reads_no_others_events() {
    let cluster = ByHand::answering(|path, query| {
        let all = path.ends_with("/events") && !query.contains("involvedObject.name");
        all.then(|| (500, "these are the events of the whole namespace".to_owned()))
    })
    .await;
    cluster.job("mnist", 1, Value::Null).await;
    cluster.event("e1", "TrainJob", "mnist", "TrainJobResourcesCreationFailed").await;
    cluster.event("e2", "TrainJob", "other", "Other").await;
    let job = cluster.call("get_training_job", json!({"name": "mnist"})).await;
    assert_eq!((&job["phase"], &job["unseen"]), (&json!("CreationFailed"), &Value::Null), "{job}");
}
