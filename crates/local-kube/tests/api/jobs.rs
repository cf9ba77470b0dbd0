//! Jobs, with their Pods' ends written by hand.

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod, ResourceQuota},
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, PropagationPolicy},
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
    let api: Api<Pod> = Api::default_namespaced(client.clone());
    let_go(&api, &given_up).await;
    eventually(async || {
        let pods = api.list(&ListParams::default()).await.unwrap().items;
        pods.len() == 1 && pods[0].name_any() != given_up
    })
    .await;
}

/// Takes the Job's finalizer off, as the Job controller does with what it has counted or given up.
async fn let_go(pods: &Api<Pod>, name: &str) {
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    pods.patch(name, &PatchParams::default(), &free).await.unwrap();
}

#[tokio::test]
async fn a_pod_is_counted_once_however_often_it_is_looked_at_and_stays_until_then() {
    let client = running_client();
    let spec = json!({"parallelism": 3, "completions": 3, "podReplacementPolicy": "Failed"});
    let jobs = create(&client, spec).await;
    let api: Api<Pod> = Api::default_namespaced(client.clone());
    let all = pods(&client, "Pending", 3).await;
    assert_eq!(all[0].finalizers(), ["batch.kubernetes.io/job-tracking"]);
    end(&client, &all[0], "Succeeded").await;
    let counted = async || {
        let status = json(&jobs.get("j").await.unwrap().status);
        status["succeeded"] == 1 && status["uncountedTerminatedPods"] == json!({})
    };
    eventually(counted).await;
    assert_eq!(api.get(&all[0].name_any()).await.unwrap().finalizers(), [""; 0]);
    // It goes, and another succeeds: they are two, not one.
    api.delete(&all[0].name_any(), &DeleteParams::default()).await.unwrap();
    for pod in &all[1..] {
        end(&client, pod, "Succeeded").await;
    }
    assert_eq!(condition(&jobs, "Complete").await["succeeded"], 3);
}

#[tokio::test]
async fn pods_go_with_their_job_although_nobody_has_counted_them() {
    for policy in [PropagationPolicy::Background, PropagationPolicy::Foreground] {
        let client = running_client();
        let jobs = create(&client, json!({"parallelism": 2, "completions": 2})).await;
        let both = pods(&client, "Pending", 2).await;
        end(&client, &both[0], "Failed").await;
        let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        jobs.delete("j", &params).await.unwrap();
        eventually(async || jobs.get_opt("j").await.unwrap().is_none()).await;
        let api: Api<Pod> = Api::default_namespaced(client);
        let all = ListParams::default();
        eventually(async || api.list(&all).await.unwrap().items.is_empty()).await;
    }
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
