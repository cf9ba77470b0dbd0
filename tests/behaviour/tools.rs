//! What tools answer, whoever runs the cluster.

mod deletion;
mod errors;
mod fine_tuning;
mod initializers;
mod jobs;
mod outcomes;
mod pre_flight;
mod repeating;
mod runtimes;
mod volumes;

use expect_test::expect;
use kubeflow_mcp_core::{Persona, Policy};
use kubeflow_mcp_tests::cluster::Cluster;
use serde_json::json;

#[tokio::test]
async fn a_namespace_begins_without_jobs() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let jobs = namespace.call("list_training_jobs", json!({})).await;
    expect![[r#"{"jobs":[],"order":"newest-first","total":0}"#]]
        .assert_eq(&namespace.normalised(&jobs.to_string()));
}

#[tokio::test]
async fn a_reader_is_offered_no_tool_that_writes() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let groups = ["system:masters"];
    let agent = namespace.agent("reader", &groups, Policy::of(Persona::Readonly)).await;
    expect!["diagnose_optimization_job diagnose_training_job estimate_resources get_best_results get_cluster_resources get_optimization_events get_optimization_job get_optimization_logs get_runtime get_training_events get_training_job get_training_logs get_trial_metrics health_check list_optimization_jobs list_runtimes list_training_jobs pre_flight wait_for_optimization wait_for_training"].assert_eq(&agent.tools().await.join(" "));
}
