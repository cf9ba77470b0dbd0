//! Budgets of jobs whose state a test writes by hand.

use expect_test::{Expect, expect};
use kube::Api;
use serde_json::{Value, json};

use crate::{api::Experiment, testing::ByHand};

fn spec(policy: &str) -> Value {
    json!({"maxTrialCount": 10, "parallelTrialCount": 3, "maxFailedTrialCount": 3,
        "resumePolicy": policy})
}

fn ended(type_: &str, reason: &str) -> Value {
    json!({"trials": 10, "trialsSucceeded": 10, "conditions": [
        {"type": type_, "status": "True", "reason": reason}]})
}

/// What is told of a change to a job that is as given, in one line.
async fn check(spec: Value, status: Value, changes: Value, expected: Expect) {
    let cluster = ByHand::new().await;
    cluster.experiment("search", spec.clone(), status).await;
    let mut call = json!({"name": "search", "confirmed": true});
    call.as_object_mut()
        .expect("an object")
        .extend(changes.as_object().expect("an object").clone());
    let told = cluster.call("update_optimization_job", call).await;
    let experiments: Api<Experiment> = cluster.api();
    let stored = json!(experiments.get("search").await.expect("the job").spec);
    let text = match told["code"].as_str() {
        Some(code) => {
            assert_eq!(stored["maxTrialCount"], spec["maxTrialCount"]);
            format!("{code}: {}", told["message"].as_str().expect("a message"))
        }
        None => format!(
            "{} {} {}: {}",
            stored["maxTrialCount"],
            stored["parallelTrialCount"],
            stored["maxFailedTrialCount"],
            told["consequence"].as_str().expect("a text")
        ),
    };
    expected.assert_eq(&text);
}

#[tokio::test]
async fn a_budget_is_changed_as_katib_allows() {
    let running = json!({"trials": 5, "trialsRunning": 3, "trialsSucceeded": 2,
        "conditions": [{"type": "Running", "status": "True"}]});
    for (policy, status, changes, expected) in [
        (
            "Never",
            running.clone(),
            json!({"max_trial_count": 20, "parallel_trial_count": 5}),
            expect!["20 5 3: the search goes on within the new budget"],
        ),
        ("Never", running.clone(), json!({"max_trial_count": 10}), expect!["10 3 3: none"]),
        (
            "Never",
            running.clone(),
            json!({}),
            expect![[
                r#"invalid_argument: argument "max_trial_count" must be given, or parallel_trial_count, or max_failed_trial_count"#
            ]],
        ),
        (
            "Never",
            running.clone(),
            json!({"max_trial_count": 5, "parallel_trial_count": 3}),
            expect![[
                r#"invalid_argument: argument "max_trial_count" is 5, and must be more than the 5 trials that there are: with fewer, Katib changes no budget"#
            ]],
        ),
        (
            "Never",
            running.clone(),
            json!({"parallel_trial_count": 11}),
            expect![[
                r#"invalid_argument: argument "parallel_trial_count" is 11, and must be at most max_trial_count, which is 10"#
            ]],
        ),
        (
            "Never",
            running,
            json!({"parallel_trial_count": 2}),
            expect![
                "conflict: 3 trials are active: lowered to 2 at a time, Katib would delete trials, and perhaps such as are done, with their results"
            ],
        ),
    ] {
        check(spec(policy), status, changes, expected).await;
    }
}

#[tokio::test]
async fn an_ended_search_goes_on_where_it_can() {
    let more = json!({"max_trial_count": 12});
    for (policy, status, expected) in [
        (
            "LongRunning",
            ended("Succeeded", "ExperimentMaxTrialsReached"),
            expect!["12 3 3: the search goes on where it ended"],
        ),
        (
            "Never",
            ended("Succeeded", "ExperimentMaxTrialsReached"),
            expect![[
                r#"conflict: optimization job "search" has ended for good, since its resumePolicy is Never"#
            ]],
        ),
        (
            "LongRunning",
            ended("Succeeded", "ExperimentGoalReached"),
            expect![[
                r#"conflict: optimization job "search" has ended for good, since it has reached its goal"#
            ]],
        ),
        (
            "LongRunning",
            ended("Failed", "ExperimentFailed"),
            expect![[
                r#"conflict: optimization job "search" has ended for good, since it has failed"#
            ]],
        ),
    ] {
        check(spec(policy), status, more.clone(), expected).await;
    }
}
