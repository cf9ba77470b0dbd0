//! What the Kubeflow SDK has made, as our tools show it.

use expect_test::expect;
use kubeflow_mcp_tests::{cluster::Cluster, runtimes};
use serde_json::{Value, json};

use super::python;

#[tokio::test]
async fn a_job_of_the_sdk_is_shown_by_the_tools() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    runtimes::add_host(&cluster.admin(), namespace.name()).await;
    assert_eq!(python::run(&namespace, "sdk_job.py", &[]).await, "Complete\n");

    let listed = namespace.call("list_training_jobs", json!({})).await;
    let row = &listed["jobs"][0];
    assert_eq!((&row["name"], &row["phase"]), (&json!("shown"), &json!("Succeeded")), "{listed}");
    let mut shown = namespace.call("get_training_job", json!({"name": "shown"})).await;
    for varying in ["created", "started", "ended", "seconds", "conditions", "steps"] {
        shown.as_object_mut().expect("fields").remove(varying).expect(varying);
    }
    expect![[r#"
        {
          "groups": [
            {
              "count": 2,
              "group": "node",
              "phase": "Succeeded",
              "ranks": "0-1"
            }
          ],
          "message": "jobset completed successfully",
          "name": "shown",
          "namespace": "NAMESPACE",
          "nodes": 2,
          "phase": "Succeeded",
          "reason": "AllJobsCompleted",
          "runtime": "host",
          "runtime_kind": "TrainingRuntime",
          "sdk_status": "Complete"
        }"#]]
    .assert_eq(&namespace.normalised(&serde_json::to_string_pretty(&shown).unwrap()));
    for rank in [0, 1] {
        let log = namespace.call("get_training_logs", json!({"name": "shown", "rank": rank})).await;
        assert_eq!(log["text"], "learned", "{log}");
    }
    let events = namespace.call("get_training_events", json!({"name": "shown"})).await;
    let reasons: Vec<&Value> =
        events["events"].as_array().into_iter().flatten().map(|it| &it["reason"]).collect();
    assert!(reasons.contains(&&json!("Started")), "{events}");

    python::run(&namespace, "sdk_job.py", &["delete"]).await;
    let gone = namespace.call("list_training_jobs", json!({})).await;
    assert_eq!(gone["total"], 0, "{gone}");
}
