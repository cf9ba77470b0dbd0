//! Creating, reading, changing, deleting and watching objects of built-in kinds.

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams},
};
use serde_json::json;

use crate::cluster::{client, config, create_configs, failure, json, next, object};

#[tokio::test]
async fn an_object_is_created_read_changed_and_deleted() {
    let api: Api<ConfigMap> = Api::default_namespaced(client());
    let created = api.create(&PostParams::default(), &config("a")).await.unwrap();
    assert!(created.metadata.uid.is_some() && created.metadata.creation_timestamp.is_some());
    assert_eq!(api.get("a").await.unwrap(), created);

    let patch = Patch::Merge(json!({"data": {"key": "new"}}));
    let patched = api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.data.as_ref().unwrap()["key"], "new");
    assert_eq!(
        failure(api.replace("a", &PostParams::default(), &created).await).reason,
        "Conflict"
    );
    api.replace("a", &PostParams::default(), &patched).await.unwrap();

    let again = failure(api.create(&PostParams::default(), &config("a")).await);
    assert_eq!((again.code, again.reason.as_str()), (409, "AlreadyExists"));
    assert_eq!(again.message, r#"configmaps "a" already exists"#);
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let gone = failure(api.get("a").await);
    assert_eq!((gone.code, gone.message.as_str()), (404, r#"configmaps "a" not found"#));
}

#[tokio::test]
async fn a_dry_run_shows_everything_and_changes_nothing() {
    let api: Api<ConfigMap> = Api::default_namespaced(client());
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    assert!(api.create(&dry, &config("a")).await.unwrap().metadata.uid.is_some());
    assert!(api.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn lists_come_in_pages_of_one_moment() {
    let api: Api<ConfigMap> = Api::default_namespaced(client());
    create_configs(&api, &["a", "b", "c"]).await;
    let first = api.list(&ListParams::default().limit(2)).await.unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(1));
    create_configs(&api, &["bb", "d"]).await;
    api.delete("c", &DeleteParams::default()).await.unwrap();
    let token = first.metadata.continue_.unwrap();
    let rest = api.list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap();
    assert_eq!(rest.items.len(), 1);
    assert_eq!(rest.items[0].metadata.name.as_deref(), Some("c"));
    assert_eq!(rest.metadata.resource_version, first.metadata.resource_version);
    let made_up = api.list(&ListParams::default().continue_token("nonsense")).await;
    assert_eq!(failure(made_up).code, 400);
}

#[tokio::test]
async fn a_watch_tells_what_happens_from_a_version_on() {
    let api: Api<ConfigMap> = Api::default_namespaced(client());
    create_configs(&api, &["a"]).await;
    let version =
        api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let params = WatchParams::default().labels("show=yes");
    let mut selected = api.watch(&params, &version).await.unwrap().boxed();
    let mut events = api.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    let label = |value: &str| Patch::Merge(json!({"metadata": {"labels": {"show": value}}}));
    api.patch("a", &PatchParams::default(), &label("yes")).await.unwrap();
    api.patch("a", &PatchParams::default(), &label("no")).await.unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();

    for expected in ["modified", "modified", "deleted"] {
        assert_eq!(next(&mut events).await, (expected, "a".to_owned()));
    }
    for expected in ["added", "deleted"] {
        assert_eq!(next(&mut selected).await, (expected, "a".to_owned()));
    }
}

#[tokio::test]
async fn a_pod_without_a_node_goes_at_once() {
    let api: Api<Pod> = Api::default_namespaced(client());
    let pod = object(
        json!({"metadata": {"generateName": "p-"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}),
    );
    let created = api.create(&PostParams::default(), &pod).await.unwrap();
    assert_eq!(json(&created.status)["phase"], "Pending");
    let name = created.metadata.name.unwrap();
    assert!(name.starts_with("p-"));
    api.delete(&name, &DeleteParams::default()).await.unwrap();
    assert!(api.get_opt(&name).await.unwrap().is_none());
}
