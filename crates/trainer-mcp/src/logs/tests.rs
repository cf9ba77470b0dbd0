//! Logs through the server, for jobs whose Pods are written by hand.

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use workloads::logs::seconds;

use crate::testing::{ByHand, Logs, status};

const PRINTED: Logs = |pod, query| match pod {
    _ if query.contains("previous=true") => (200, "MemoryError\n".to_owned()),
    "mnist-node-0-0-abcde" => (200, "epoch=1\nepoch=2\naccuracy=0.97\n".to_owned()),
    _ => (400, format!("container \"node\" in pod {pod:?} is waiting to start")),
};

async fn mnist(logs: Logs) -> ByHand {
    let cluster = ByHand::new(logs).await;
    cluster.job("mnist", 3, status(1, 0, None)).await;
    cluster.pod("mnist", 0, "Running", json!({"running": {}}), 0).await;
    let looping = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}});
    cluster.pod("mnist", 1, "Running", looping, 2).await;
    let image = json!({"waiting": {"reason": "ErrImageNeverPull", "message": "not present"}});
    cluster.pod("mnist", 2, "Pending", image, 0).await;
    cluster
}

async fn check(cluster: &ByHand, arguments: Value, expected: Expect) {
    let log = cluster.call("get_training_logs", arguments).await;
    expected.assert_eq(&log.to_string());
}

#[tokio::test]
async fn each_rank_has_the_log_that_tells_most() {
    let cluster = mnist(PRINTED).await;
    check(&cluster, json!({"name": "mnist"}), expect![[r#"{"container":"node","lines":3,"pod":"mnist-node-0-0-abcde","source":"current","step":"node-0","steps":"node-0 … node-2","text":"epoch=1\nepoch=2\naccuracy=0.97"}"#]]).await;
    check(&cluster, json!({"name": "mnist", "rank": 1}), expect![[r#"{"container":"node","lines":1,"notes":["restarts: 2; previous=false reads the other log"],"pod":"mnist-node-0-1-abcde","source":"previous","step":"node-1","steps":"node-0 … node-2","text":"MemoryError"}"#]]).await;
    check(&cluster, json!({"name": "mnist", "step": "node-2"}), expect![[r#"{"container":"node","lines":0,"notes":["container \"node\" in pod \"mnist-node-0-2-abcde\" is waiting to start","the Pod is Pending: ErrImageNeverPull not present"],"pod":"mnist-node-0-2-abcde","step":"node-2","steps":"node-0 … node-2","text":""}"#]]).await;
    check(&cluster, json!({"name": "mnist", "search": "ACCURACY"}), expect![[r#"{"container":"node","lines":3,"matches":1,"pod":"mnist-node-0-0-abcde","source":"current","step":"node-0","steps":"node-0 … node-2","text":"epoch=1\nepoch=2\naccuracy=0.97"}"#]]).await;
}

#[tokio::test]
async fn a_removed_pod_leaves_a_reason() {
    let cluster = ByHand::new(PRINTED).await;
    cluster.job("mnist", 1, status(0, 0, Some(("Failed", "FailedJobs")))).await;
    cluster.event("e1", "Job", "mnist-node-0", "BackoffLimitExceeded").await;
    check(&cluster, json!({"name": "mnist"}), expect![[r#"{"lines":0,"notes":["no Pod is left: when a Job fails, its Pods and their logs are removed","TrainJob Failed FailedJobs: by hand","Job/mnist-node-0 BackoffLimitExceeded: told by hand"],"step":"node-0","steps":"node-0","text":""}"#]]).await;
    cluster.job("queued", 1, Value::Null).await;
    check(&cluster, json!({"name": "queued"}), expect![[r#"{"lines":0,"notes":["there is no Pod yet"],"step":"node-0","steps":"node-0","text":""}"#]]).await;
}

#[tokio::test]
async fn wrong_arguments_are_told() {
    let cluster = mnist(PRINTED).await;
    for (arguments, expected) in [
        (
            json!({"name": "mnist", "rank": 3}),
            expect![[r#"argument "rank" names "node-3", but the job has node-0 … node-2"#]],
        ),
        (
            json!({"name": "mnist", "step": "trainer"}),
            expect![[r#"argument "step" names "trainer", but the job has node-0 … node-2"#]],
        ),
        (
            json!({"name": "mnist", "step": "node-0", "rank": 0}),
            expect![[r#"argument "rank" is 0, which cannot be given beside step "node-0""#]],
        ),
        (
            json!({"name": "mnist", "since": "1w"}),
            expect![[r#"argument "since" is "1w", but a time span looks like 30s, 10m or 2h"#]],
        ),
        (
            json!({"name": "mnist", "tail": 0}),
            expect![[r#"argument "tail" is 0, must be between 1 and 1000"#]],
        ),
        (
            json!({"name": "minst"}),
            expect![[r#"TrainJob "minst" not found in namespace "default""#]],
        ),
    ] {
        let error = cluster.call("get_training_logs", arguments).await;
        expected.assert_eq(error["message"].as_str().unwrap());
    }
}

#[test]
fn time_spans_have_units() {
    let spans = [("45", 45), ("30s", 30), ("10m", 600), ("2h", 7_200), ("1d", 86_400)];
    for (span, expected) in spans {
        assert_eq!(seconds(span).unwrap(), expected, "{span}");
    }
    for wrong in ["", "m", "0s", "1w", "-1m", "1.5h", "99999999999"] {
        assert_eq!(seconds(wrong).unwrap_err().code(), "invalid_argument", "{wrong}");
    }
}
