//! Optimization jobs through the server, as they are written by hand.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use expect_test::expect;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::PostParams;
use serde_json::json;

use crate::testing::{ByHand, condition, metric, search};

#[tokio::test]
async fn jobs_are_listed_and_filtered() {
    let cluster = ByHand::new().await;
    let running = json!({"conditions": [condition("Created"), condition("Running")],
        "trials": 5, "trialsSucceeded": 3, "trialsFailed": 1, "trialsRunning": 1,
        "currentOptimalTrial": {"bestTrialName": "a-b",
            "observation": {"metrics": [metric("accuracy", "0.9")]}}});
    cluster.experiment("one", search(), running).await;
    cluster.experiment("two", search(), json!({"conditions": [condition("Succeeded")]})).await;
    let mut listed = cluster.call("list_optimization_jobs", json!({})).await;
    for job in listed["jobs"].as_array_mut().unwrap() {
        assert!(job.as_object_mut().unwrap().remove("created").is_some());
    }
    let jobs = listed["jobs"].as_array_mut().unwrap();
    jobs.sort_by_key(|it| it["name"].to_string());
    expect![[r#"{"jobs":[{"algorithm":"random","best":0.9,"failed":1,"name":"one","objective":"maximize accuracy","state":"running","trials":"4/10"},{"algorithm":"random","name":"two","objective":"maximize accuracy","state":"succeeded","trials":"0/10"}],"order":"newest-first","total":2}"#]].assert_eq(&listed.to_string());
    let complete = cluster.call("list_optimization_jobs", json!({"status": "Complete"})).await;
    assert_eq!(complete["jobs"][0]["name"], "two", "{complete}");
    assert_eq!(complete["total"], 1, "{complete}");
    let wrong = cluster.call("list_optimization_jobs", json!({"status": "Done"})).await;
    assert_eq!(wrong["code"], "invalid_argument", "{wrong}");
}

#[tokio::test]
async fn a_job_is_shown_in_three_requests() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let cluster = ByHand::answering(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        None
    })
    .await;
    let status = json!({"conditions": [condition("Created"), condition("Running")],
        "trials": 3, "trialsSucceeded": 2, "trialMetricsUnavailable": 1,
        "currentOptimalTrial": {"bestTrialName": "search-c"}});
    cluster.experiment("search", search(), status).await;
    let made = json!({"conditions": [condition("Running"), condition("DeploymentReady")],
        "suggestionCount": 3});
    cluster.suggestion("search", json!({"requests": 4}), made).await;
    cluster.succeeded("search", "search-b", "0.1", "0.9").await;
    cluster.succeeded("search", "search-c", "0.5", "").await;
    // The server asks what there is at its first call.
    cluster.call("list_optimization_jobs", json!({})).await;
    let before = requests.load(Ordering::SeqCst);
    let mut job = cluster.call("get_optimization_job", json!({"name": "search"})).await;
    assert_eq!(requests.load(Ordering::SeqCst) - before, 3);
    assert!(job.as_object_mut().unwrap().remove("created").is_some());
    expect![[r#"{"algorithm":{"name":"random"},"best":{"metrics":{"loss":0.5},"parameters":{"lr":"0.1"},"state":"succeeded","trial":"search-b","value":0.9,"workload":"Job/search-b"},"budget":{"max_failed_trials":3,"max_trials":10,"parallel_trials":2,"resumable":false},"collector":"StdOut","message":"by hand","name":"search","namespace":"default","objective":{"additional_metrics":["loss"],"direction":"maximize","goal":0.99,"metric":"accuracy","strategy":"max"},"reason":"ByRunning","space":{"lr":"double 0.001..1 logUniform"},"state":"running","suggestion":{"made":3,"requested":4,"state":"running"},"trials":{"metrics_unavailable":1,"succeeded":2},"warnings":["1 trials have ended well without ever printing the objective as expected","Katib itself names search-c as the best, which has no number: a value such as NaN misleads it"],"workload":"Job"}"#]].assert_eq(&job.to_string());
}

#[tokio::test]
async fn who_may_see_experiments_alone_sees_them() {
    let refuse = |path: &str, _: &str| {
        let others = path.ends_with("/trials") || path.ends_with("/suggestions");
        others.then(|| (403, "forbidden".to_owned()))
    };
    let cluster = ByHand::answering(refuse).await;
    cluster.experiment("search", search(), json!({"conditions": [condition("Created")]})).await;
    let job = cluster.call("get_optimization_job", json!({"name": "search"})).await;
    assert_eq!(job["state"], "created", "{job}");
    let unseen = job["unseen"].to_string();
    assert!(unseen.contains("trials: ") && unseen.contains("suggestion: "), "{job}");
    for (name, code) in [("saerch", "not_found"), ("Search It", "invalid_argument")] {
        let missing = cluster.call("get_optimization_job", json!({"name": name})).await;
        assert_eq!(missing["code"], code, "{missing}");
    }
}

/// Katib's successor is explained as far as there is something to explain.
#[tokio::test]
async fn what_is_not_listed_is_told() {
    let cluster = ByHand::new().await;
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({"metadata": {"name": "optimizationjobs.trainer.kubeflow.org"},
        "spec": {"group": "trainer.kubeflow.org", "scope": "Namespaced",
            "names": {"kind": "OptimizationJob", "plural": "optimizationjobs"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": open}}]}});
    let definition: CustomResourceDefinition =
        serde_json::from_value(definition).expect("a definition");
    let definitions: kube::Api<CustomResourceDefinition> = kube::Api::all(cluster.cluster.client());
    definitions.create(&PostParams::default(), &definition).await.expect("created");
    let listed = cluster.call("list_optimization_jobs", json!({})).await;
    assert!(listed["note"].to_string().contains("no controller"), "{listed}");
}

/// An algorithm that refuses the search is not told by the experiment itself.
#[tokio::test]
async fn a_refusal_of_the_algorithm_is_a_warning() {
    let cluster = ByHand::new().await;
    let failed = json!({"conditions": [condition("Created"), condition("Failed")]});
    cluster.experiment("search", search(), failed.clone()).await;
    let mut refused = condition("Failed");
    refused["message"] = "Validation failed: step is nil".into();
    cluster.suggestion("search", json!({"requests": 1}), json!({"conditions": [refused]})).await;
    let job = cluster.call("get_optimization_job", json!({"name": "search"})).await;
    assert_eq!(job["suggestion"]["state"], "failed", "{job}");
    assert!(job["warnings"].to_string().contains("step is nil"), "{job}");
}
