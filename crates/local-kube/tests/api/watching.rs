//! Watches beyond the everyday: bookmarks, forgotten versions, time limits, metadata alone.

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, VersionMatch, WatchParams},
};
use serde_json::json;

use crate::cluster::{client, create_configs, failure, next};

#[tokio::test]
async fn a_watch_ends_when_its_time_is_over() {
    let api: Api<ConfigMap> = Api::default_namespaced(client());
    let mut events = api.watch(&WatchParams::default().timeout(1), "0").await.unwrap().boxed();
    // The CA bundle or other objects of the cluster may come first.
    while next(&mut events).await.0 != "end" {}
}

#[tokio::test]
async fn initial_events_end_with_a_bookmark() {
    let api: Api<ConfigMap> = Api::default_namespaced(client());
    create_configs(&api, &["a"]).await;
    let params = WatchParams::default().initial_events();
    let mut events = api.watch(&params, "0").await.unwrap().boxed();
    assert_eq!(next(&mut events).await, ("added", "a".to_owned()));
    assert_eq!(next(&mut events).await.0, "bookmark");
}

#[tokio::test]
async fn a_forgotten_version_is_expired() {
    let api: Api<ConfigMap> = Api::default_namespaced(client());
    create_configs(&api, &["a", "b"]).await;
    let first = api.list(&ListParams::default().limit(1)).await.unwrap().metadata;
    for value in 0..2100 {
        let patch = Patch::Merge(json!({"data": {"key": value.to_string()}}));
        api.patch("b", &PatchParams::default(), &patch).await.unwrap();
    }
    let version = first.resource_version.unwrap();
    let mut events = api.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    assert_eq!(next(&mut events).await, ("error", "Expired".to_owned()));
    assert_eq!(next(&mut events).await.0, "end");

    let rest = ListParams::default().continue_token(&first.continue_.unwrap());
    let expired = failure(api.list(&rest).await);
    assert_eq!((expired.code, expired.reason.as_str()), (410, "Expired"));
    let token = expired.metadata.unwrap().continue_.unwrap();
    let rest = api.list(&ListParams::default().continue_token(&token)).await.unwrap();
    assert_eq!(rest.items.len(), 1);
    let exact = ListParams::default().at(&version).matching(VersionMatch::Exact);
    assert_eq!(failure(api.list(&exact).await).code, 410);
}

#[tokio::test]
async fn metadata_can_be_had_alone() {
    let api: Api<ConfigMap> = Api::default_namespaced(client());
    create_configs(&api, &["a"]).await;
    let listed = api.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(listed.items[0].metadata.name.as_deref(), Some("a"));
    assert_eq!(listed.items[0].types.as_ref().unwrap().kind, "PartialObjectMetadata");
    assert_eq!(api.get_metadata("a").await.unwrap().metadata, listed.items[0].metadata);
    let mut events = api.watch_metadata(&WatchParams::default(), "0").await.unwrap().boxed();
    assert_eq!(next(&mut events).await, ("added", "a".to_owned()));
}
