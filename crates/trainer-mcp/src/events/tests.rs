//! What an agent sees of the events of a job.

use expect_test::expect;
use serde_json::{Value, json};

use crate::testing::{ByHand, status};

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
