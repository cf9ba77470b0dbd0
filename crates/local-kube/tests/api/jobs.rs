//! Jobs, with their Pods' ends written by hand.

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod, ResourceQuota},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::cluster::{eventually, json, object, running_client};

async fn create(client: &Client, mut spec: Value) -> Api<Job> {
    if spec["template"].is_null() {
        spec["template"] = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    }
    let jobs: Api<Job> = Api::default_namespaced(client.clone());
    let job = object(json!({"metadata": {"name": "j"}, "spec": spec}));
    jobs.create(&PostParams::default(), &job).await.unwrap();
    jobs
}

/// The Job's Pods in a phase, once there are so many.
async fn pods(client: &Client, phase: &str, count: usize) -> Vec<Pod> {
    let api: Api<Pod> = Api::default_namespaced(client.clone());
    let list = async || {
        let of_job =
            ListParams::default().labels("job-name=j").fields(&format!("status.phase={phase}"));
        api.list(&of_job).await.unwrap().items
    };
    eventually(async || list().await.len() == count).await;
    list().await
}

async fn end(client: &Client, pod: &Pod, phase: &str) {
    let api: Api<Pod> = Api::default_namespaced(client.clone());
    let patch = Patch::Merge(json!({"status": {"phase": phase}}));
    api.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await.unwrap();
}

/// Waits until a condition holds, and returns the status.
async fn condition(jobs: &Api<Job>, condition: &str) -> Value {
    let status = async || json(&jobs.get("j").await.unwrap().status);
    eventually(async || {
        let status = status().await;
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|it| it["type"] == condition && it["status"] == "True")
    })
    .await;
    status().await
}

#[tokio::test]
async fn an_indexed_job_completes_when_each_index_has_succeeded() {
    let client = running_client();
    let spec = json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2});
    let jobs = create(&client, spec).await;
    let both = pods(&client, "Pending", 2).await;
    let mut hosts: Vec<_> =
        both.iter().filter_map(|it| it.spec.as_ref()?.hostname.clone()).collect();
    hosts.sort();
    assert_eq!(hosts, ["j-0", "j-1"]);
    for pod in &both {
        end(&client, pod, "Succeeded").await;
    }
    let status = condition(&jobs, "Complete").await;
    assert_eq!((&status["succeeded"], &status["completedIndexes"]), (&json!(2), &json!("0,1")));
    assert!(status["completionTime"].is_string() && status["active"].is_null());
}

#[tokio::test]
async fn a_job_fails_when_its_pods_fail_too_often() {
    let client = running_client();
    let jobs =
        create(&client, json!({"backoffLimit": 0, "completions": 2, "parallelism": 2})).await;
    let both = pods(&client, "Pending", 2).await;
    end(&client, &both[0], "Failed").await;
    let status = condition(&jobs, "Failed").await;
    // The other one, which was ended because the Job had failed, counts as well.
    assert_eq!(status["failed"], 2);
    let failed = status["conditions"].as_array().unwrap().iter().find(|it| it["type"] == "Failed");
    assert_eq!(failed.unwrap()["reason"], "BackoffLimitExceeded");
    pods(&client, "Pending", 0).await;
    let events: Api<Event> = Api::default_namespaced(client);
    let of_job = ListParams::default().fields("involvedObject.name=j,reason=BackoffLimitExceeded");
    eventually(async || !events.list(&of_job).await.unwrap().items.is_empty()).await;
}

#[tokio::test]
async fn a_suspended_job_has_no_pods_until_it_is_resumed() {
    let client = running_client();
    let jobs = create(&client, json!({"suspend": true})).await;
    condition(&jobs, "Suspended").await;
    pods(&client, "Pending", 0).await;
    let resume = Patch::Merge(json!({"spec": {"suspend": false}}));
    jobs.patch("j", &PatchParams::default(), &resume).await.unwrap();
    pods(&client, "Pending", 1).await;
    let suspend = Patch::Merge(json!({"spec": {"suspend": true}}));
    jobs.patch("j", &PatchParams::default(), &suspend).await.unwrap();
    pods(&client, "Pending", 0).await;
}

#[tokio::test]
async fn a_pod_that_was_given_up_goes_although_the_process_was_killed_before_its_deletion() {
    let client = running_client();
    create(&client, json!({})).await;
    let given_up = pods(&client, "Pending", 1).await.remove(0).name_any();
    let mark = json!({"metadata": {"annotations": {"local-kube/released-by-job": "true"}}});
    let api: Api<Pod> = Api::default_namespaced(client.clone());
    api.patch(&given_up, &PatchParams::default(), &Patch::Merge(mark)).await.unwrap();
    eventually(async || {
        let pods = api.list(&ListParams::default()).await.unwrap().items;
        pods.len() == 1 && pods[0].name_any() != given_up
    })
    .await;
}

/// Sets what the namespace may use at the most.
async fn limit(client: &Client, hard: Value) {
    let quotas: Api<ResourceQuota> = Api::default_namespaced(client.clone());
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": hard}});
    quotas.patch("q", &PatchParams::apply("test"), &Patch::Apply(quota)).await.unwrap();
}

/// Waits until the Job's Pods are refused, and returns the words with the random end of the name cut.
async fn refusal(client: &Client) -> String {
    let events: Api<Event> = Api::default_namespaced(client.clone());
    let of_job = ListParams::default().fields("involvedObject.name=j,reason=FailedCreate");
    eventually(async || !events.list(&of_job).await.unwrap().items.is_empty()).await;
    let event = events.list(&of_job).await.unwrap().items.remove(0);
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    let said = event.message.unwrap();
    let (start, end) = said.split_once("\"j-").unwrap();
    format!("{start}\"j-{}", &end[5..])
}

#[tokio::test]
async fn a_job_says_why_it_may_make_no_more_pods_and_goes_on_when_it_may() {
    let client = running_client();
    limit(&client, json!({"pods": "1"})).await;
    let jobs = create(&client, json!({"parallelism": 2, "completions": 2})).await;
    assert_eq!(
        refusal(&client).await,
        r#"Error creating: pods "j-" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"#
    );
    pods(&client, "Pending", 1).await;
    limit(&client, json!({"pods": "2"})).await;
    for pod in pods(&client, "Pending", 2).await {
        end(&client, &pod, "Succeeded").await;
    }
    assert_eq!(condition(&jobs, "Complete").await["succeeded"], 2);
}

#[tokio::test]
async fn a_job_waits_until_there_is_cpu_for_its_pods() {
    let client = running_client();
    limit(&client, json!({"requests.cpu": "1"})).await;
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [
        {"name": "c", "image": "i", "resources": {"requests": {"cpu": "1500m"}}}]}});
    create(&client, json!({"template": template})).await;
    assert_eq!(
        refusal(&client).await,
        r#"Error creating: pods "j-" is forbidden: exceeded quota: q, requested: requests.cpu=1500m, used: requests.cpu=0, limited: requests.cpu=1"#
    );
    limit(&client, json!({"requests.cpu": "2"})).await;
    pods(&client, "Pending", 1).await;
}
