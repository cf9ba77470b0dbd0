//! Experiments that run, end for each of Katib's reasons, and go on.

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Event},
};
use kube::{
    Api, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::cluster::{Cluster, is};
use crate::{
    api::{Experiment, Suggestion, Trial},
    states::TrialState,
};

#[tokio::test]
async fn the_goal_ends_an_experiment_and_leaves_what_runs_alone() {
    let cluster = Cluster::new();
    let goal = json!({"objective": {"goal": 0.3}, "maxTrialCount": 10});
    cluster.search(goal).await;
    let running = cluster.running(2).await;
    cluster.reaches(&running[0], "0.3").await;
    let end = "ExperimentCreated, not Running, ExperimentGoalReached";
    let status = cluster.shows(end).await.status.unwrap();
    assert_eq!(status.current_optimal_trial.best_trial_name, running[0].name_any());
    assert!(status.completion_time.is_some());
    let other: Trial = cluster.api().get(&running[1].name_any()).await.unwrap();
    assert_eq!(TrialState::of(&other), TrialState::Running);
    // It still counts once it has ended, and changes nothing.
    cluster.reaches(&running[1], "0.1").await;
    let counted = is(|it: &Experiment| it.status.as_ref().unwrap().trials_succeeded == 2);
    let status = cluster.eventually("search", counted).await.unwrap().status.unwrap();
    assert_eq!(status.current_optimal_trial.best_trial_name, running[1].name_any());
    let suggestion: Suggestion = cluster.api().get("search").await.unwrap();
    let conditions = suggestion.status.unwrap().conditions;
    let told: Vec<_> = conditions
        .iter()
        .map(|it| format!("{}={} {}", it.type_, it.status, it.reason.as_deref().unwrap()))
        .collect();
    assert_eq!(
        told,
        [
            "Created=True SuggestionCreated",
            "Running=False Suggestion is succeeded",
            "DeploymentReady=False Suggestion is succeeded",
            "Succeeded=True Experiment is succeeded"
        ]
    );
}

#[tokio::test]
async fn the_goal_comes_before_failures_and_failures_before_the_last_trial() {
    let cluster = Cluster::new();
    cluster.search(json!({"maxFailedTrialCount": 2, "maxTrialCount": 2})).await;
    for trial in cluster.running(2).await {
        cluster.fails(&trial).await;
    }
    cluster.shows("ExperimentCreated, not Running, ExperimentFailed").await;
}

#[tokio::test]
async fn a_raised_budget_brings_an_experiment_back() {
    for policy in ["LongRunning", "FromVolume"] {
        let cluster = Cluster::new();
        cluster.search(json!({"maxTrialCount": 2, "resumePolicy": policy})).await;
        for trial in cluster.running(2).await {
            cluster.fails(&trial).await;
        }
        cluster.shows("ExperimentCreated, not Running, ExperimentMaxTrialsReached").await;
        let more = Patch::Merge(json!({"spec": {"maxTrialCount": 3}}));
        let experiments: Api<Experiment> = cluster.api();
        experiments.patch("search", &PatchParams::default(), &more).await.unwrap();
        cluster.reaches(&cluster.running(1).await[0], "0.5").await;
        let end =
            "ExperimentCreated, ExperimentRestarting, not Running, ExperimentMaxTrialsReached";
        let status = cluster.shows(end).await.status.unwrap();
        assert_eq!((status.trials_failed, status.trials_succeeded), (2, 1), "{policy}");
        let again = Patch::Merge(json!({"spec": {"parallelTrialCount": 1}}));
        let refused = experiments.patch("search", &PatchParams::default(), &again).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("must be greater than status.trials count"), "{refused}");
    }
}

#[tokio::test]
async fn what_may_not_be_resumed_ends_for_good() {
    let cluster = Cluster::new();
    cluster.search(json!({"maxTrialCount": 1, "parallelTrialCount": 1})).await;
    cluster.fails(&cluster.running(1).await[0]).await;
    cluster.shows("ExperimentCreated, not Running, ExperimentMaxTrialsReached").await;
    let more = Patch::Merge(json!({"spec": {"maxTrialCount": 3}}));
    let experiments: Api<Experiment> = cluster.api();
    let refused = experiments.patch("search", &PatchParams::default(), &more).await.unwrap_err();
    assert!(refused.to_string().contains("Experiment can be restarted if"), "{refused}");
}

#[tokio::test]
async fn trials_are_made_from_a_config_map() {
    let cluster = Cluster::new();
    let template = "apiVersion: batch/v1\nkind: Job\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n      \
                    containers:\n      - {name: main, image: localhost/host-python, command: [run, '${trialParameters.x}']}\n";
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "templates"},
        "data": {"job.yaml": template}});
    let maps: Api<ConfigMap> = cluster.api();
    let map = serde_json::from_value(map).unwrap();
    maps.create(&PostParams::default(), &map).await.unwrap();
    let source = json!({"configMapName": "templates", "configMapNamespace": "default",
        "templatePath": "job.yaml"});
    let condition =
        |type_: &str| format!(r#"status.conditions.#(type=="{type_}")#|#(status=="True")#"#);
    cluster
        .search(json!({"trialTemplate": {"trialSpec": null, "configMap": source,
            "successCondition": condition("Complete"), "failureCondition": condition("Failed")}}))
        .await;
    let trial = &cluster.running(2).await[0];
    let job: Job = cluster.api().get(&trial.name_any()).await.unwrap();
    let container = &job.spec.as_ref().unwrap().template.spec.as_ref().unwrap().containers[0];
    let value = trial.spec.parameter_assignments[0].value.clone();
    assert_eq!(container.command, Some(vec!["run".to_owned(), value]));
}

#[tokio::test]
async fn fewer_at_once_delete_the_newest() {
    let cluster = Cluster::new();
    cluster.search(json!({})).await;
    cluster.running(2).await;
    let fewer = Patch::Merge(json!({"spec": {"parallelTrialCount": 1}}));
    let experiments: Api<Experiment> = cluster.api();
    experiments.patch("search", &PatchParams::default(), &fewer).await.unwrap();
    let left = cluster.running(1).await;
    let suggested = is(|it: &Suggestion| it.spec.requests == 1);
    let suggestion: Suggestion = cluster.eventually("search", suggested).await.unwrap();
    assert_eq!(cluster.list::<Trial>().await.len(), 1);
    let names: Vec<_> =
        suggestion.status.unwrap().suggestions.into_iter().map(|it| it.name).collect();
    assert!(names.contains(&left[0].name_any()), "{names:?}");
}

#[tokio::test]
async fn what_the_algorithm_refuses_fails_the_experiment() {
    let cluster = Cluster::new();
    let unknown = json!({"algorithmName": "random",
        "algorithmSettings": [{"name": "speed", "value": "11"}]});
    cluster.search(json!({"algorithm": unknown})).await;
    let experiment = cluster.shows("ExperimentCreated, ExperimentFailed").await;
    let status = experiment.status.unwrap();
    assert_eq!(status.conditions[1].message.as_deref(), Some("Suggestion has failed"));
    assert!(status.completion_time.is_none());
    let suggestion: Suggestion = cluster.api().get("search").await.unwrap();
    let conditions = suggestion.status.unwrap().conditions;
    let failed = conditions.iter().find(|it| it.type_ == "Failed").unwrap();
    let message = failed.message.as_deref().unwrap();
    assert!(
        message.starts_with("Validation failed: ValidateAlgorithmSettings Error: "),
        "{message}"
    );
}

#[tokio::test]
async fn a_parameter_that_no_trial_takes_is_told_by_an_event() {
    let cluster = Cluster::new();
    let parameter = |name: &str| json!({"name": name, "parameterType": "int", "feasibleSpace": {"min": "1", "max": "9"}});
    cluster.search(json!({"parameters": [parameter("x"), parameter("y")]})).await;
    let told = |it: &Event| it.reason.as_deref() == Some("ReconcileError");
    let event = loop {
        let events = cluster.list::<Event>().await;
        if let Some(event) = events.into_iter().find(told) {
            break event;
        }
        tokio::task::yield_now().await;
    };
    let message = event.message.unwrap();
    let expected = "Failed to reconcile: unable to find parameter from ParameterAssignment in TrialParameters: \
                    parameter assignments: [{x ";
    assert!(message.starts_with(expected), "{message}");
    assert!(message.ends_with("non-meta trial parameter count: 1"), "{message}");
    assert!(event.first_timestamp.is_some(), "as old clients read it");
    assert_eq!(event.source.unwrap().component.as_deref(), Some("experiment-controller"));
    assert_eq!(cluster.list::<Trial>().await.len(), 0);
}

#[tokio::test]
async fn a_trial_has_its_experiments_labels_and_its_values() {
    let cluster = Cluster::new();
    cluster.search(json!({"parallelTrialCount": 1})).await;
    let trial = &cluster.running(1).await[0];
    assert_eq!(trial.labels()["team"], "vision");
    assert_eq!(trial.labels()["katib.kubeflow.org/experiment"], "search");
    let end = trial.name_any().strip_prefix("search-").unwrap().to_owned();
    assert!(end.len() == 8 && end.chars().all(|it| "bcdfghjklmnpqrstvwxz2456789".contains(it)));
    let jobs = cluster.list::<Job>().await;
    let job = &jobs[0];
    assert_eq!(job.name_any(), trial.name_any());
    assert_eq!(job.owner_references()[0].kind, "Trial");
    let container = &job.spec.as_ref().unwrap().template.spec.as_ref().unwrap().containers[0];
    let value = &trial.spec.parameter_assignments[0].value;
    assert_eq!(container.command.as_ref().unwrap().last(), Some(value));
}
