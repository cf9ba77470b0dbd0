//! Quotas, seen through the API.

use expect_test::{Expect, expect};
use k8s_openapi::api::core::v1::{Pod, ResourceQuota};
use kube::{Api, api::PostParams, runtime::wait::await_condition};
use serde_json::{Value, json};

use crate::{LocalKube, Options};

async fn namespace_with(hard: Value) -> (LocalKube, kube::Client) {
    let kube = LocalKube::open(Options::default()).unwrap();
    let client = kube.client();
    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": hard}});
    create::<ResourceQuota>(&client, quota).await.unwrap();
    (kube, client)
}

async fn create<K>(client: &kube::Client, object: Value) -> kube::Result<K>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + serde::Serialize
        + serde::de::DeserializeOwned
        + Clone
        + std::fmt::Debug,
{
    let api = Api::<K>::default_namespaced(client.clone());
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await
}

fn pod(name: &str, resources: Value) -> Value {
    let container = json!({"name": "main", "image": "x", "resources": resources});
    json!({"metadata": {"name": name}, "spec": {"containers": [container]}})
}

async fn refused(client: &kube::Client, object: Value, expected: Expect) {
    let error = create::<Pod>(client, object).await.unwrap_err();
    let kube::Error::Api(status) = error else { panic!("{error}") };
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    expected.assert_eq(&status.message);
}

#[tokio::test]
async fn no_more_is_made_than_the_quota_admits() {
    let (_, client) =
        namespace_with(json!({"pods": "2", "requests.cpu": "1", "count/jobs.batch": "0"})).await;
    let half = |name| pod(name, json!({"requests": {"cpu": "600m"}}));
    create::<Pod>(&client, half("a")).await.unwrap();
    refused(&client, half("b"), expect![[r#"pods "b" is forbidden: exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: requests.cpu=1"#]]).await;
    refused(
        &client,
        pod("c", json!({})),
        expect![[r#"pods "c" is forbidden: failed quota: q: must specify requests.cpu for: main"#]],
    )
    .await;
    create::<Pod>(&client, pod("d", json!({"limits": {"cpu": "200m"}}))).await.unwrap();
    refused(&client, pod("e", json!({"requests": {"cpu": "1m"}})), expect![[r#"pods "e" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"#]]).await;
}

#[tokio::test]
async fn accelerators_count_and_ended_pods_do_not() {
    let (_, client) = namespace_with(json!({"requests.nvidia.com/gpu": "4"})).await;
    let gpus = |name, count| pod(name, json!({"limits": {"nvidia.com/gpu": count}}));
    create::<Pod>(&client, gpus("a", "4")).await.unwrap();
    refused(&client, gpus("b", "1"), expect![[r#"pods "b" is forbidden: exceeded quota: q, requested: requests.nvidia.com/gpu=1, used: requests.nvidia.com/gpu=4, limited: requests.nvidia.com/gpu=4"#]]).await;
    let done = kube::api::Patch::Merge(json!({"status": {"phase": "Succeeded"}}));
    let pods = Api::<Pod>::default_namespaced(client.clone());
    pods.patch_status("a", &kube::api::PatchParams::default(), &done).await.unwrap();
    create::<Pod>(&client, gpus("b", "1")).await.unwrap();
}

#[tokio::test]
async fn a_rehearsal_is_refused_as_the_real_thing_would_be() {
    let (_, client) = namespace_with(json!({"count/pods": "0"})).await;
    let rehearsal = PostParams { dry_run: true, ..PostParams::default() };
    let object: Pod = serde_json::from_value(pod("a", json!({}))).unwrap();
    let error =
        Api::<Pod>::default_namespaced(client).create(&rehearsal, &object).await.unwrap_err();
    assert!(
        error.to_string().contains(
            "exceeded quota: q, requested: count/pods=1, used: count/pods=0, limited: count/pods=0"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn the_status_says_what_is_used() {
    let (kube, client) = namespace_with(json!({"pods": "5", "limits.memory": "4Gi"})).await;
    create::<Pod>(&client, pod("a", json!({"limits": {"memory": "1536Mi"}}))).await.unwrap();
    let quotas = Api::<ResourceQuota>::default_namespaced(client);
    let counted = await_condition(quotas, "q", |quota: Option<&ResourceQuota>| {
        let used = quota.and_then(|quota| quota.status.as_ref()?.used.as_ref());
        used.is_some_and(|used| used["pods"].0 == "1" && used["limits.memory"].0 == "1536Mi")
    });
    tokio::select! {
        () = super::keep_status(&kube) => unreachable!("the store outlives its controller"),
        counted = tokio::time::timeout(std::time::Duration::from_secs(10), counted) => drop(counted.unwrap().unwrap()),
    }
}
