//! How often a call asks the cluster: a list once a page, a look at one object at most three times.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use kubeflow_mcp_core::ToolSet;
use kubeflow_mcp_tests::counting::counting;
use serde_json::json;

use crate::session::Session;

#[tokio::test]
async fn calls_ask_the_cluster_seldom() {
    let count = Arc::new(AtomicUsize::new(0));
    let session = Session::through(&ToolSet::linked(), |it| counting(it, &count)).await;
    for number in 0..8 {
        let name = format!("counted-{number}");
        let job = json!({"script": "print()", "name": name, "num_nodes": 4, "confirmed": true});
        session.call("run_custom_training", job).await;
    }
    let job = json!({"name": "counted-7"});
    let search = json!({"script": "print()", "name": "search", "objective_metric_name": "loss",
        "parameters": {"lr": {"min": 0.1, "max": 0.9}}, "confirmed": true});
    session.call("optimize", search.clone()).await;
    let searched = json!({"name": "search"});
    let everything = json!({"arguments": {
        "env": {"HF_TOKEN": {"secret": "hf", "key": "token"}},
        "options": {"queue": "team",
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}}});
    for (tool, arguments, most) in [
        ("list_training_jobs", json!({}), 1),
        ("list_training_jobs", json!({"limit": 5}), 1),
        ("list_runtimes", json!({}), 2), // One of each kind.
        ("get_training_job", job.clone(), 3),
        ("get_runtime", json!({"name": "python"}), 3),
        ("get_training_events", job, 3),
        ("estimate_resources", json!({"model": "7B"}), 0),
        ("estimate_resources", json!({"runtime": "python"}), 2), // As list_runtimes.
        ("get_cluster_resources", json!({}), 3),
        ("pre_flight", json!({"arguments": {}}), 12),
        ("pre_flight", everything, 12),
        ("optimize", search, 10), // Rehearsed as a whole, then done.
        ("list_optimization_jobs", json!({}), 1),
        ("get_optimization_job", searched.clone(), 3),
        ("get_best_results", searched, 3),
    ] {
        let before = count.load(Ordering::SeqCst);
        session.call(tool, arguments.clone()).await;
        let asked = count.load(Ordering::SeqCst) - before;
        assert!(asked <= most, "{tool} {arguments}: {asked} requests, at most {most} are allowed");
    }
}
