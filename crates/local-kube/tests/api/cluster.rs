//! A cluster for one test, and the objects that tests make.

use std::time::Duration;

use futures::TryStreamExt as _;
use k8s_openapi::{
    api::core::v1::ConfigMap,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, PostParams},
    core::{GroupVersionKind, Status, WatchEvent},
};
use local_kube::{LocalKube, Options, UserInfo};
use serde_json::{Value, json};

/// A client of a new cluster, with the kind of [`definition`] served.
pub(crate) fn client() -> Client {
    let crds = vec![definition()];
    LocalKube::open(Options { crds, ..Options::default() }).unwrap().client()
}

/// Clients of the administrator and of a user without roles.
pub(crate) fn two_clients(username: &str) -> (Client, Client) {
    let crds = vec![definition()];
    let kube = LocalKube::open(Options { crds, ..Options::default() }).unwrap();
    let user = UserInfo { username: username.to_owned(), ..UserInfo::default() };
    (kube.client(), kube.client_as(user))
}

/// As [`client`], with the cluster's own controllers at work.
pub(crate) fn running_client() -> Client {
    let crds = vec![definition()];
    let kube = LocalKube::open(Options { crds, ..Options::default() }).unwrap();
    let client = kube.client();
    tokio::spawn(async move { kube.run().await });
    client
}

/// Waits until something is so.
pub(crate) async fn eventually(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it is so in time");
}

/// Waits until an object is gone.
pub(crate) async fn gone<K>(api: &Api<K>, name: &str)
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    eventually(async || api.get_opt(name).await.unwrap().is_none()).await;
}

/// `widgets.example.com`: a namespaced kind with a status and a small schema.
pub(crate) fn definition() -> CustomResourceDefinition {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "size": {"type": "integer", "default": 1, "maximum": 9},
            "color": {"type": "string", "enum": ["red", "blue"]}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "shortNames": ["wd"]},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}]}
    }))
    .unwrap()
}

pub(crate) fn widgets(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("example.com", "v1", "Widget");
    Api::namespaced_with(client.clone(), "default", &ApiResource::from_gvk(&kind))
}

pub(crate) fn widget(name: &str, spec: Value) -> DynamicObject {
    object(
        json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec}),
    )
}

pub(crate) fn object<K: serde::de::DeserializeOwned>(json: Value) -> K {
    serde_json::from_value(json).unwrap()
}

pub(crate) fn json(object: &impl serde::Serialize) -> Value {
    serde_json::to_value(object).unwrap()
}

pub(crate) fn config(name: &str) -> ConfigMap {
    object(json!({"metadata": {"name": name}, "data": {"key": name}}))
}

pub(crate) async fn create_configs(api: &Api<ConfigMap>, names: &[&str]) {
    for name in names {
        api.create(&PostParams::default(), &config(name)).await.unwrap();
    }
}

/// The failure that a request must end in.
pub(crate) fn failure<T: std::fmt::Debug>(result: kube::Result<T>) -> Status {
    match result {
        Err(kube::Error::Api(status)) => *status,
        other => panic!("expected the API server to refuse, got {other:?}"),
    }
}

/// The next event, with what it is about.
pub(crate) async fn next<K, S>(events: &mut S) -> (&'static str, String)
where
    K: kube::ResourceExt,
    S: futures::Stream<Item = kube::Result<WatchEvent<K>>> + Unpin,
{
    let event = tokio::time::timeout(Duration::from_secs(20), events.try_next());
    match event.await.expect("an event in time").unwrap() {
        Some(WatchEvent::Added(it)) => ("added", it.name_any()),
        Some(WatchEvent::Modified(it)) => ("modified", it.name_any()),
        Some(WatchEvent::Deleted(it)) => ("deleted", it.name_any()),
        Some(WatchEvent::Bookmark(it)) => ("bookmark", it.metadata.resource_version),
        Some(WatchEvent::Error(status)) => ("error", status.reason),
        None => ("end", String::new()),
    }
}
