//! Waits through the server, for jobs whose statuses are written by hand.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use expect_test::expect;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use kubeflow_mcp_core::Progress;
use serde_json::{Value, json};

use super::*;
use crate::testing::{ByHand, status};

const NO_LOGS: fn(&str, &str) -> (u16, String) = |_, _| (200, String::new());
const METRICS: fn(&str, &str) -> (u16, String) =
    |_, _| (200, "start\nepoch=1/2 loss=0.5\nepoch=2/2 loss=0.25\naccuracy=0.97\n".to_owned());

fn running() -> Value {
    json!({"running": {"startedAt": "2026-08-21T10:00:00Z"}})
}

fn ended(exit_code: i32, reason: &str) -> Value {
    json!({"terminated": {"exitCode": exit_code, "reason": reason}})
}

/// Without what differs from run to run.
fn told(mut ending: Value) -> String {
    ending.as_object_mut().expect("an object").remove("waited_seconds");
    ending.to_string()
}

#[tokio::test]
async fn a_wait_ends_with_the_job_and_has_its_accuracy() {
    let cluster = ByHand::new(METRICS).await;
    cluster.job("mnist", 1, status(1, 0, None)).await;
    let (progress, mut steps) = Progress::channel();
    let wait = cluster.call_telling("wait_for_training", json!({"name": "mnist"}), progress);
    let hand = async {
        let mut seen = Vec::new();
        let mut until = async |words: &str| {
            while !seen.last().is_some_and(|it: &String| it.contains(words)) {
                seen.push(steps.recv().await.expect("the wait goes on").message);
            }
        };
        until("Starting").await;
        cluster.pod("mnist", 0, "Running", running(), 0).await;
        cluster.status::<TrainJob>("mnist", json!({"status": status(1, 1, None)})).await;
        until("accuracy=0.97").await;
        let complete = status(0, 0, Some(("Complete", "AllJobsCompleted")));
        cluster.status::<TrainJob>("mnist", json!({"status": complete})).await;
    };
    let (ending, ()) = tokio::join!(wait, hand);
    expect![[r#"{"log":"start\nepoch=1/2 loss=0.5\nepoch=2/2 loss=0.25\naccuracy=0.97","message":"by hand","metrics":{"accuracy":"0.97","epoch":"2/2","loss":"0.25"},"name":"mnist","outcome":"reached","phase":"Succeeded","pods":[{"count":1,"group":"node","phase":"Running","ranks":"0"}],"progress_percentage":100,"reason":"AllJobsCompleted","step":"node-0"}"#]].assert_eq(&told(ending));
}

#[tokio::test]
async fn a_failed_job_is_a_result_with_the_failing_rank() {
    let logs: fn(&str, &str) -> (u16, String) = |pod, _| match pod {
        "mnist-node-0-1-abcde" => (200, "Traceback\nValueError: boom\n".to_owned()),
        other => panic!("the log of {other} tells nothing"),
    };
    let cluster = ByHand::new(logs).await;
    cluster.job("mnist", 2, status(0, 0, Some(("Failed", "FailedJobs")))).await;
    cluster.pod("mnist", 0, "Running", running(), 0).await;
    cluster.pod("mnist", 1, "Failed", ended(1, "Error"), 0).await;
    let ending = cluster.call("wait_for_training", json!({"name": "mnist"})).await;
    expect![[r#"{"log":"Traceback\nValueError: boom","message":"by hand","name":"mnist","outcome":"ended","phase":"Failed","pods":[{"count":1,"group":"node","phase":"Running","ranks":"0"},{"count":1,"exit_code":1,"group":"node","phase":"Failed","ranks":"1","reason":"Error"}],"reason":"FailedJobs","step":"node-1"}"#]].assert_eq(&told(ending));
    let wanted = json!({"name": "mnist", "target_statuses": ["Failed"]});
    assert_eq!(cluster.call("wait_for_training", wanted).await["outcome"], "reached");
}

#[tokio::test]
async fn at_the_time_limit_the_last_status_is_told() {
    let cluster = ByHand::new(NO_LOGS).await;
    cluster.job("mnist", 1, status(1, 0, None)).await;
    cluster
        .pod("mnist", 0, "Pending", json!({"waiting": {"reason": "ErrImageNeverPull"}}), 0)
        .await;
    let short = json!({"name": "mnist", "timeout_seconds": 1, "target_statuses": ["Complete"]});
    let ending = cluster.call("wait_for_training", short).await;
    assert_eq!(
        (&ending["outcome"], &ending["phase"]),
        (&json!("time_limit"), &json!("ImagePullFailed"))
    );
    assert!(matches!(ending["waited_seconds"].as_u64(), Some(1..=9)), "{ending}");
}

#[tokio::test]
async fn a_job_that_gets_no_further_ends_the_wait() {
    let logs: fn(&str, &str) -> (u16, String) =
        |_, _| (200, "Traceback\nValueError: boom\n".to_owned());
    for (reason, phase) in [
        ("CrashLoopBackOff", "CrashLooping"),
        ("ErrImagePull", "ImagePullFailed"),
        ("CreateContainerConfigError", "Starting"),
    ] {
        let cluster = ByHand::new(logs).await;
        cluster.job("mnist", 1, status(1, 0, None)).await;
        let waiting = json!({"waiting": {"reason": reason, "message": "by hand"}});
        cluster.pod("mnist", 0, "Pending", waiting, 2).await;
        let ending = cluster.call("wait_for_training", json!({"name": "mnist"})).await;
        let said = [&ending["outcome"], &ending["phase"], &ending["reason"]];
        assert_eq!(said, ["stuck", phase, reason], "{ending}");
        assert_eq!(ending["log"], "Traceback\nValueError: boom", "{ending}");
    }
}

#[tokio::test]
async fn a_job_that_only_starts_is_waited_for() {
    let cluster = ByHand::new(NO_LOGS).await;
    cluster.job("mnist", 1, status(1, 0, None)).await;
    let creating = json!({"waiting": {"reason": "ContainerCreating"}});
    cluster.pod("mnist", 0, "Pending", creating, 0).await;
    let short = json!({"name": "mnist", "timeout_seconds": 1});
    assert_eq!(cluster.call("wait_for_training", short).await["outcome"], "time_limit");
}

#[tokio::test]
async fn a_job_that_was_never_taken_up_says_why() {
    let cluster = ByHand::new(NO_LOGS).await;
    cluster.job("mnist", 1, Value::Null).await;
    cluster.event("e1", "TrainJob", "mnist", "TrainJobResourcesCreationFailed").await;
    let short = json!({"name": "mnist", "timeout_seconds": 1});
    let ending = cluster.call("wait_for_training", short).await;
    expect![[r#"{"message":"told by hand","name":"mnist","outcome":"time_limit","phase":"CreationFailed","reason":"TrainJobResourcesCreationFailed"}"#]].assert_eq(&told(ending));
}

#[tokio::test]
async fn a_deleted_job_ends_the_wait() {
    let cluster = ByHand::new(NO_LOGS).await;
    cluster.job("mnist", 1, status(1, 1, None)).await;
    let (progress, mut steps) = Progress::channel();
    let wait = cluster.call_telling("wait_for_training", json!({"name": "mnist"}), progress);
    let hand = async {
        steps.recv().await.expect("the wait goes on");
        let jobs = cluster.api::<TrainJob>();
        jobs.delete("mnist", &DeleteParams::default()).await.unwrap();
    };
    let (ending, ()) = tokio::join!(wait, hand);
    assert_eq!(ending["outcome"], "deleted", "{ending}");
    let missing = cluster.call("wait_for_training", json!({"name": "mnist"})).await;
    assert_eq!(missing["code"], "not_found", "{missing}");
}

#[tokio::test]
async fn who_may_not_see_pods_can_still_wait() {
    let refuse = |path: &str, _: &str| {
        path.ends_with("/pods").then(|| (403, "pods is forbidden".to_owned()))
    };
    let cluster = ByHand::answering(refuse).await;
    cluster.job("mnist", 1, status(1, 1, None)).await;
    let running = json!({"name": "mnist", "target_statuses": ["Running"]});
    assert_eq!(cluster.call("wait_for_training", running).await["outcome"], "reached");
    let short = json!({"name": "mnist", "timeout_seconds": 1});
    let ending = cluster.call("wait_for_training", short).await;
    expect![[r#"{"name":"mnist","notes":["you may not list Pods, so nothing is said of them"],"outcome":"time_limit","phase":"Running"}"#]].assert_eq(&told(ending));
}

#[tokio::test]
async fn watches_that_are_cut_off_miss_nothing() {
    let opened = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&opened);
    // The first six watches end as soon as they are opened, or are refused as too old.
    let cut = move |_: &str, query: &str| {
        let watch =
            query.contains("watch=true").then(|| counted.fetch_add(1, Ordering::Relaxed))?;
        match watch {
            0..3 => Some((200, String::new())),
            3..6 => Some((410, "too old resource version".to_owned())),
            _ => None,
        }
    };
    let cluster = ByHand::answering(cut).await;
    cluster.job("mnist", 1, status(1, 0, None)).await;
    let wait = cluster.call("wait_for_training", json!({"name": "mnist", "timeout_seconds": 60}));
    let hand = async {
        while opened.load(Ordering::Relaxed) <= 6 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let complete = status(0, 0, Some(("Complete", "AllJobsCompleted")));
        cluster.status::<TrainJob>("mnist", json!({"status": complete})).await;
    };
    let (ending, ()) = tokio::join!(wait, hand);
    assert_eq!(ending["outcome"], "reached", "{ending}");
}

#[tokio::test]
async fn wrong_arguments_are_told() {
    let cluster = ByHand::new(NO_LOGS).await;
    for arguments in [
        json!({"name": "mnist", "timeout_seconds": 0}),
        json!({"name": "mnist", "timeout_seconds": 3601}),
        json!({"name": "mnist", "target_statuses": ["Done"]}),
        json!({"name": "mnist", "target_statuses": []}),
        json!({"name": "../pods/x"}),
    ] {
        let error = cluster.call("wait_for_training", arguments.clone()).await;
        assert_eq!(error["code"], "invalid_argument", "{arguments}: {error}");
    }
}

#[tokio::test]
async fn many_waits_leave_room_for_other_calls() {
    let cluster = ByHand::new(NO_LOGS).await;
    cluster.job("mnist", 1, status(1, 1, None)).await;
    cluster.pod("mnist", 0, "Running", running(), 0).await;
    let waits = (0..200).map(|_| cluster.call("wait_for_training", json!({"name": "mnist"})));
    let hand = async {
        let logs = cluster.call("get_training_logs", json!({"name": "mnist"})).await;
        assert_eq!(logs["step"], "node-0", "{logs}");
        let pods = cluster.api::<Pod>();
        pods.delete("mnist-node-0-0-abcde", &DeleteParams::default()).await.unwrap();
        let complete = status(0, 0, Some(("Complete", "AllJobsCompleted")));
        cluster.status::<TrainJob>("mnist", json!({"status": complete})).await;
    };
    let (endings, ()) = tokio::join!(futures::future::join_all(waits), hand);
    assert!(endings.iter().all(|it| it["outcome"] == "reached"), "{}", endings[0]);
}
