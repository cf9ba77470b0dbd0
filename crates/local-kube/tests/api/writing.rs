//! What a write must be like to be taken.

use futures::StreamExt as _;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ConfigMap, Event, Pod},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::Status,
};
use serde_json::json;

use crate::cluster::{client, config, failure, json, object, widget, widgets};

fn causes(status: &Status) -> Vec<&str> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.map(|cause| cause.field.as_str()).collect()
}

#[tokio::test]
async fn names_and_labels_are_checked() {
    let api: Api<ConfigMap> = Api::default_namespaced(client());
    let mut wrong = config("Not_A_Name");
    wrong.metadata.labels = Some([("a b".to_owned(), "-x".to_owned())].into());
    let refused = failure(api.create(&PostParams::default(), &wrong).await);
    assert_eq!((refused.code, refused.reason.as_str()), (422, "Invalid"));
    assert_eq!(causes(&refused), ["metadata.name", "metadata.labels", "metadata.labels"]);
    let nameless = object(json!({"metadata": {}}));
    let refused = failure(api.create(&PostParams::default(), &nameless).await);
    assert_eq!(causes(&refused), ["metadata.name"]);
}

#[tokio::test]
async fn a_namespace_must_exist_and_be_the_paths() {
    let client = client();
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "nowhere");
    let refused = failure(api.create(&PostParams::default(), &config("a")).await);
    assert_eq!(refused.message, r#"namespaces "nowhere" not found"#);
    let api: Api<ConfigMap> = Api::namespaced(client, "default");
    let mut other = config("a");
    other.metadata.namespace = Some("kube-system".to_owned());
    assert_eq!(failure(api.create(&PostParams::default(), &other).await).code, 400);
}

#[tokio::test]
async fn a_schema_fills_in_drops_and_refuses() {
    let api = widgets(&client());
    let created =
        api.create(&PostParams::default(), &widget("w", json!({"shape": 1}))).await.unwrap();
    assert_eq!(created.data["spec"], json!({"size": 1}));
    let wrong = widget("v", json!({"size": 10, "color": "green"}));
    let refused = failure(api.create(&PostParams::default(), &wrong).await);
    assert!(
        refused.message.starts_with(r#"Widget.example.com "v" is invalid: ["#),
        "{}",
        refused.message
    );
    assert_eq!(causes(&refused), ["spec.color", "spec.size"]);
    let strict = PatchParams::default().validation_strict();
    let patch = Patch::Merge(json!({"spec": {"shape": 1}}));
    let refused = failure(api.patch("w", &strict, &patch).await);
    let why = r#": strict decoding error: unknown field "spec.shape""#;
    assert!(refused.message.ends_with(why), "{}", refused.message);
}

#[tokio::test]
async fn an_apply_creates_merges_and_finds_conflicts() {
    let api = widgets(&client());
    let apply = |manager: &str, spec| {
        let (params, patch) = (PatchParams::apply(manager), Patch::Apply(widget("w", spec)));
        let api = api.clone();
        async move { api.patch("w", &params, &patch).await }
    };
    apply("one", json!({"size": 2})).await.unwrap();
    let merged = apply("two", json!({"color": "red"})).await.unwrap();
    assert_eq!(merged.data["spec"], json!({"size": 2, "color": "red"}));
    let conflict = failure(apply("two", json!({"size": 3, "color": "red"})).await);
    assert_eq!((conflict.code, causes(&conflict)), (409, vec![".spec.size"]));
    let managers = merged.metadata.managed_fields.unwrap();
    let managers: Vec<_> = managers.iter().filter_map(|it| it.manager.as_deref()).collect();
    assert_eq!(managers, ["one", "two"]);
}

#[tokio::test]
async fn lists_of_a_pod_merge_by_their_keys() {
    let api: Api<Pod> = Api::default_namespaced(client());
    let pod = object(json!({"metadata": {"name": "p"}, "spec": {"containers": [
        {"name": "a", "image": "one"}, {"name": "b", "image": "two"}]}}));
    api.create(&PostParams::default(), &pod).await.unwrap();
    let patch =
        Patch::Strategic(json!({"spec": {"containers": [{"name": "b", "image": "three"}]}}));
    let patched = api.patch("p", &PatchParams::default(), &patch).await.unwrap();
    let images = patched.spec.unwrap().containers.into_iter().map(|it| it.image.unwrap());
    assert_eq!(images.collect::<Vec<_>>(), ["one", "three"]);
    let strategic = Patch::Strategic(json!({"spec": {"size": 3}}));
    let refused = widgets(&client()).patch("w", &PatchParams::default(), &strategic).await;
    assert!([404, 415].contains(&failure(refused).code));
}

#[tokio::test]
async fn writers_at_once_lose_nothing() {
    let api: Api<ConfigMap> = Api::default_namespaced(client());
    api.create(&PostParams::default(), &config("a")).await.unwrap();
    let writers = (0..16).map(|it| {
        let api = api.clone();
        async move {
            let patch = Patch::Merge(json!({"data": {format!("key-{it}"): "x"}}));
            api.patch("a", &PatchParams::default(), &patch).await.unwrap();
        }
    });
    futures::future::join_all(writers).await;
    assert_eq!(api.get("a").await.unwrap().data.unwrap().len(), 17);
}

#[tokio::test]
async fn an_update_that_changes_nothing_writes_nothing() {
    let api: Api<ConfigMap> = Api::default_namespaced(client());
    let created = api.create(&PostParams::default(), &config("a")).await.unwrap();
    let patch = Patch::Merge(json!({"data": {"key": "a"}}));
    let same = api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(same.metadata.resource_version, created.metadata.resource_version);
}

#[tokio::test]
async fn a_custom_resource_is_replaced_by_who_knows_its_version() {
    let api = widgets(&client());
    let mut widget = api.create(&PostParams::default(), &widget("w", json!({}))).await.unwrap();
    let known = widget.metadata.resource_version.take();
    let refused = failure(api.replace("w", &PostParams::default(), &widget).await);
    assert_eq!((refused.code, causes(&refused)), (422, vec!["metadata.resourceVersion"]));
    widget.metadata.resource_version = known;
    api.replace("w", &PostParams::default(), &widget).await.unwrap();
}

#[tokio::test]
async fn a_job_gets_its_defaults_and_selector() {
    let api: Api<Job> = Api::default_namespaced(client());
    let job = object(json!({"metadata": {"name": "j"}, "spec": {"template": {"spec": {
        "restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}));
    let spec = json(&api.create(&PostParams::default(), &job).await.unwrap().spec);
    assert_eq!((&spec["backoffLimit"], &spec["completions"]), (&json!(6), &json!(1)));
    assert!(spec["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"].is_string());
}

#[tokio::test]
async fn events_are_selected_by_what_they_are_about() {
    let api: Api<Event> = Api::default_namespaced(client());
    for (name, about) in [("e1", "p"), ("e2", "q")] {
        let event =
            object(json!({"metadata": {"name": name}, "reason": "Started", "type": "Normal",
            "involvedObject": {"kind": "Pod", "namespace": "default", "name": about}}));
        api.create(&PostParams::default(), &event).await.unwrap();
    }
    let of_p = ListParams::default().fields("involvedObject.name=p,type=Normal");
    let found = api.list(&of_p).await.unwrap();
    assert_eq!(found.items.len(), 1);
    let unknown = api.list(&ListParams::default().fields("spec.color=red")).await;
    assert_eq!(failure(unknown).message, "field label not supported: spec.color");
}

#[tokio::test]
async fn a_collection_is_deleted_by_its_labels() {
    let api: Api<ConfigMap> = Api::default_namespaced(client());
    for (name, tier) in [("a", "x"), ("b", "x"), ("c", "y")] {
        let mut config = config(name);
        config.metadata.labels = Some([("tier".to_owned(), tier.to_owned())].into());
        api.create(&PostParams::default(), &config).await.unwrap();
    }
    let of_x = ListParams::default().labels("tier=x");
    api.delete_collection(&DeleteParams::default(), &of_x).await.unwrap();
    let left = api.list(&ListParams::default()).await.unwrap();
    assert_eq!(left.items.len(), 1);
}

#[tokio::test]
async fn a_pod_is_bound_once() {
    let client = client();
    let api: Api<Pod> = Api::default_namespaced(client);
    let pod = object(
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}),
    );
    api.create(&PostParams::default(), &pod).await.unwrap();
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"},
                         "target": {"kind": "Node", "name": "n"}});
    let bind = async || {
        let params = PostParams::default();
        api.create_subresource::<_, serde_json::Value>("binding", "p", &params, &binding).await
    };
    bind().await.unwrap();
    assert_eq!(api.get("p").await.unwrap().spec.unwrap().node_name.as_deref(), Some("n"));
    assert_eq!(failure(bind().await).code, 409);
}

#[tokio::test]
async fn a_watcher_of_kube_runtime_sees_a_whole_life() {
    use kube::runtime::watcher::{self, Event, watcher};
    let api: Api<ConfigMap> = Api::default_namespaced(client());
    api.create(&PostParams::default(), &config("a")).await.unwrap();
    for settings in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let mut events = watcher(api.clone(), settings).boxed();
        let mut seen = Vec::new();
        while !matches!(seen.last(), Some(&"done")) {
            seen.push(match events.next().await.unwrap().unwrap() {
                Event::Init => "init",
                Event::InitApply(_) => "known",
                Event::InitDone => "done",
                Event::Apply(_) | Event::Delete(_) => "later",
            });
        }
        assert_eq!(seen, ["init", "known", "done"]);
    }
}
