//! How often a diagnosis asks, and what it says of what it may not read.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use crate::testing::{ByHand, status};

const TRACEBACK: &str = "2026-08-21T10:00:00Z Traceback (most recent call last):\n\
    2026-08-21T10:00:00Z   File \"train.py\", line 3, in <module>\n\
    2026-08-21T10:00:00Z ValueError: boom\n";

fn failed() -> Value {
    json!({"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-08-21T10:00:00Z"}})
}

/// Half of the ranks have failed, and one has no node: nearly all that can be asked is asked.
async fn requests(pods: u32) -> usize {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let cluster = ByHand::answering(move |path, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        path.ends_with("/log").then(|| (200, TRACEBACK.to_owned()))
    })
    .await;
    cluster.job("mnist", pods.cast_signed(), status(1, 1, None)).await;
    for rank in 0..pods {
        let (phase, state) = match rank % 2 {
            0 => ("Failed", failed()),
            _ => ("Running", json!({"running": {}})),
        };
        cluster.pod("mnist", rank, phase, state, 0).await;
    }
    let unscheduled = json!({"status": {"phase": "Pending", "containerStatuses": null, "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]}});
    cluster.status::<Pod>("mnist-node-0-1-abcde", unscheduled).await;
    // The server asks what there is at its first call.
    cluster.call("get_training_job", json!({"name": "mnist"})).await;
    let before = count.load(Ordering::SeqCst);
    let diagnosis = cluster.call("diagnose_training_job", json!({"name": "mnist"})).await;
    assert_eq!(diagnosis["causes"][0]["code"], "python_exception", "{diagnosis}");
    count.load(Ordering::SeqCst) - before
}

#[tokio::test]
async fn a_diagnosis_asks_seldom() {
    let requests = requests(8).await;
    assert!(requests <= 12, "{requests} requests for 8 Pods");
}

#[tokio::test]
async fn a_large_job_is_hardly_more_to_ask_for() {
    let requests = requests(512).await;
    assert!(requests <= 20, "{requests} requests for 512 Pods");
}

#[tokio::test]
async fn what_may_not_be_read_is_told() {
    let cluster = ByHand::answering(|path, _| {
        let pods = path.ends_with("/pods") || path.ends_with("/events");
        pods.then(|| (403, "forbidden".to_owned()))
    })
    .await;
    cluster.job("mnist", 1, status(1, 0, None)).await;
    let diagnosis = cluster.call("diagnose_training_job", json!({"name": "mnist"})).await;
    let unseen = diagnosis["unseen"].to_string();
    assert!(
        unseen.contains("pods: you may not") && unseen.contains("events: you may not"),
        "{unseen}"
    );
    assert_eq!(diagnosis["summary"], "nothing is wrong: it is on its way, as far as could be seen");
    let unknown = cluster.call("diagnose_training_job", json!({"name": "minst"})).await;
    assert_eq!(unknown["code"], "not_found", "{unknown}");
}

/// The log of a container that was started again between two looks is another one's.
#[tokio::test]
async fn the_log_of_what_has_ended_is_read() {
    let cluster = ByHand::new(|_, query| match query.contains("previous=true") {
        true => (200, TRACEBACK.to_owned()),
        false => (200, "2026-08-21T10:00:05Z starting\n".to_owned()),
    })
    .await;
    cluster.job("mnist", 1, status(1, 1, None)).await;
    cluster.pod("mnist", 0, "Running", failed(), 0).await;
    let diagnosis = cluster.call("diagnose_training_job", json!({"name": "mnist"})).await;
    let cause = &diagnosis["causes"][0];
    assert_eq!(cause["code"], "python_exception", "{diagnosis}");
    assert!(cause["evidence"].to_string().contains("previous log of mnist-node-0-0"), "{cause}");
}
