//! What an experiment keeps when its controllers go.

use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use super::cluster::{Cluster, is, told};
use crate::api::{Experiment, Suggestion, Trial};

const END: &str = "ExperimentCreated, not Running, ExperimentMaxTrialsReached";

#[tokio::test]
async fn a_kill_before_any_write_loses_and_doubles_nothing() {
    let mut writes = 0;
    loop {
        let mut cluster = Cluster::without_controllers();
        cluster.search(json!({})).await;
        let failing = tokio::spawn(Cluster::fail_jobs(cluster.client.clone()));
        let experiments: Api<Experiment> = cluster.api();
        let done = kube::runtime::wait::await_condition(
            experiments,
            "search",
            is(|it: &Experiment| told(it) == END),
        );
        let killed = cluster.kill_after(writes, done).await;
        cluster.start();
        let status = cluster.shows(END).await.status.unwrap();
        assert_eq!((status.trials, status.trials_failed), (3, 3), "killed before write {writes}");
        let suggestion: Suggestion = cluster.api().get("search").await.unwrap();
        let counts = (
            cluster.list::<Trial>().await.len(),
            cluster.list::<Job>().await.len(),
            suggestion.status.unwrap().suggestion_count,
        );
        assert_eq!(counts, (3, 3, 3), "killed before write {writes}");
        failing.abort();
        if !killed {
            break;
        }
        writes += 1;
    }
    // The finalizer and three statuses of the experiment, the Suggestion and its statuses, and of
    // each trial itself, its Job, and two statuses.
    assert!(writes >= 18, "only {writes} writes");
}

#[tokio::test]
async fn what_happened_in_the_meantime_is_seen_afterwards() {
    let mut cluster = Cluster::new();
    cluster.search(json!({"parallelTrialCount": 1, "resumePolicy": "LongRunning"})).await;
    let first = &cluster.running(1).await[0];
    cluster.stop().await;
    cluster.fails(first).await;
    let more = Patch::Merge(json!({"spec": {"parallelTrialCount": 2}}));
    let experiments: Api<Experiment> = cluster.api();
    experiments.patch("search", &PatchParams::default(), &more).await.unwrap();
    cluster.start();
    let both = cluster.running(2).await;
    assert!(both.iter().all(|it| it.name_any() != first.name_any()));
}

#[tokio::test]
async fn a_deleted_experiment_is_let_go() {
    let cluster = Cluster::new();
    cluster.search(json!({})).await;
    let running = cluster.running(2).await;
    let experiments: Api<Experiment> = cluster.api();
    let finalizers = experiments.get("search").await.unwrap().metadata.finalizers;
    assert_eq!(finalizers, Some(vec!["update-prometheus-metrics".to_owned()]));
    let trial = running[0].name_any();
    assert_eq!(running[0].finalizers(), ["clean-metrics-in-db"]);
    experiments.delete("search", &DeleteParams::background()).await.unwrap();
    cluster.eventually("search", |it: Option<&Experiment>| it.is_none()).await;
    let trials: Api<Trial> = cluster.api();
    trials.delete(&trial, &DeleteParams::background()).await.unwrap();
    cluster.eventually(&trial, |it: Option<&Trial>| it.is_none()).await;
}
