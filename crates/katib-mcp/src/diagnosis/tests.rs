//! What a diagnosis makes of recorded cases, and how often it asks.

mod recorded;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use expect_test::expect;
use serde_json::{Value, json};

use crate::testing::{ByHand, condition, search};

const LOG: &str = "\
2026-08-21T10:00:01Z I0821 10:00:01.500000      15 main.go:139] epoch 1 accuracy: 0.9
2026-08-21T10:00:02Z I0821 10:00:02.500000      15 main.go:166] Objective metric accuracy is not found
";

/// A first trial that printed its objective in another form, in few requests.
#[tokio::test]
async fn a_first_trial_without_its_metric_is_explained() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let cluster = ByHand::answering(move |path, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        path.ends_with("/log").then(|| (200, LOG.to_owned()))
    })
    .await;
    let running = json!({"conditions": [condition("Created"), condition("Running")]});
    cluster.experiment("search", search(), running).await;
    cluster.with_state("search", "search-b2c4d6f8", "MetricsUnavailable").await;
    let ended = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
    let status = |name| json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": ended});
    let statuses = json!([status("main"), status("metrics-logger-and-collector")]);
    let done = json!({"phase": "Succeeded", "containerStatuses": statuses});
    cluster.pod("search-b2c4d6f8", done).await;
    // The server asks what there is at its first call.
    cluster.call("list_optimization_jobs", json!({})).await;
    let before = requests.load(Ordering::SeqCst);
    let diagnosis = cluster.call("diagnose_optimization_job", json!({"name": "search"})).await;
    let asked = requests.load(Ordering::SeqCst) - before;
    assert!(asked <= 8, "{asked} requests");
    expect![[r#"[{"certainty":"certain","code":"metrics_not_printed","evidence":["log of search-b2c4d6f8: epoch 1 accuracy: 0.9","expected: accuracy=0.5, which ([\\w|-]+)\\s*=\\s*([+-]?\\d*(\\.\\d+)?([Ee][+-]?\\d+)?) matches"],"next":["print the objective as it is expected, on standard output","an optimization job cannot be changed: start another one with optimize","get_optimization_logs {\"name\":\"search\",\"trial\":\"search-b2c4d6f8\"}: shows all that it prints"],"trials":["search-b2c4d6f8"],"what":"1 trial has ended well without its objective: \"accuracy\" is printed in another form than the expected one"}]"#]].assert_eq(&diagnosis["causes"].to_string());
}

#[tokio::test]
async fn what_may_not_be_read_is_told() {
    let cluster = ByHand::answering(|path, _| {
        let refused = ["/pods", "/events", "/trials", "/suggestions", "/namespaces/default"];
        refused.iter().any(|it| path.ends_with(it)).then(|| (403, "forbidden".to_owned()))
    })
    .await;
    let running = json!({"conditions": [condition("Created"), condition("Running")]});
    cluster.experiment("search", search(), running).await;
    let diagnosis = cluster.call("diagnose_optimization_job", json!({"name": "search"})).await;
    expect![[r#"{"name":"search","state":"running","summary":"nothing is wrong: it runs, as far as could be seen","unseen":["trials: you may not read them","events: you may not read them","suggestions: you may not read them","pods: you may not read them","namespaces: you may not read them"]}"#]].assert_eq(&diagnosis.to_string());
    let missing = cluster.call("diagnose_optimization_job", json!({"name": "saerch"})).await;
    assert_eq!(missing["code"], "not_found", "{missing}");
}

/// The workload of a failed trial is diagnosed as every other Job.
#[tokio::test]
async fn a_trial_that_failed_is_explained_by_its_own_program() {
    let traceback = "2026-08-21T10:00:00Z I0821 10:00:00.500000 15 main.go:139] Traceback (most recent call last):\n\
        2026-08-21T10:00:00Z I0821 10:00:00.500000 15 main.go:139]   File \"train.py\", line 3, in <module>\n\
        2026-08-21T10:00:00Z I0821 10:00:00.500000 15 main.go:139] ValueError: boom\n";
    let cluster = ByHand::answering(move |path, _| {
        path.ends_with("/log").then(|| (200, traceback.to_owned()))
    })
    .await;
    let running = json!({"conditions": [condition("Created"), condition("Running")]});
    cluster.experiment("search", search(), running).await;
    cluster.with_state("search", "search-b2c4d6f8", "Failed").await;
    cluster.failed_job("search-b2c4d6f8").await;
    let diagnosis = cluster.call("diagnose_optimization_job", json!({"name": "search"})).await;
    assert_eq!(diagnosis["causes"][0]["code"], "trials_fail", "{diagnosis}");
    let of_a_trial = &diagnosis["of_a_trial"];
    assert_eq!(of_a_trial["causes"][0]["code"], "python_exception", "{diagnosis}");
    let next = of_a_trial["causes"][0]["next"].to_string();
    assert!(!next.contains("training"), "{next}");
}

#[test]
fn every_cause_is_known_by_a_recorded_case() {
    let cases = recorded::cases();
    let mut problems: Vec<String> = cases.iter().filter_map(recorded::Case::problem).collect();
    let schema = Value::from(schemars::schema_for!(super::Code));
    for code in schema["oneOf"].as_array().expect("an enum") {
        let code = code["const"].as_str().expect("a code");
        if !cases.iter().any(|it| it.causes.iter().any(|cause| cause == code)) {
            problems.push(format!("no case has the cause {code}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
