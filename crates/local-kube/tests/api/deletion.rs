//! What deletion takes along: dependents, finalizers, namespaces, definitions.

use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{ConfigMap, Namespace, Pod},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Resource,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy},
};
use serde_json::json;

use crate::cluster::{config, eventually, failure, gone, object, running_client, widget, widgets};

/// A ConfigMap `owned` that `owner` owns.
async fn owner_and_owned(api: &Api<ConfigMap>) -> (ConfigMap, ConfigMap) {
    let owner = api.create(&PostParams::default(), &config("owner")).await.unwrap();
    let mut owned = config("owned");
    let mut reference = owner.owner_ref(&()).unwrap();
    reference.block_owner_deletion = Some(true);
    owned.metadata.owner_references = Some(vec![reference]);
    let owned = api.create(&PostParams::default(), &owned).await.unwrap();
    (owner, owned)
}

#[tokio::test]
async fn dependents_go_with_their_owner() {
    for policy in [PropagationPolicy::Background, PropagationPolicy::Foreground] {
        let api: Api<ConfigMap> = Api::default_namespaced(running_client());
        owner_and_owned(&api).await;
        let params = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        api.delete("owner", &params).await.unwrap();
        gone(&api, "owned").await;
        gone(&api, "owner").await;
    }
}

#[tokio::test]
async fn an_orphan_stays_and_forgets_its_owner() {
    let api: Api<ConfigMap> = Api::default_namespaced(running_client());
    owner_and_owned(&api).await;
    api.delete("owner", &DeleteParams::orphan()).await.unwrap();
    gone(&api, "owner").await;
    assert_eq!(api.get("owned").await.unwrap().metadata.owner_references, None);
}

#[tokio::test]
async fn what_names_an_owner_that_never_was_goes() {
    let api: Api<ConfigMap> = Api::default_namespaced(running_client());
    let mut stray = config("stray");
    stray.metadata.owner_references = object(json!([
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "0f8f1c5e-0000-0000-0000-000000000000"}]));
    api.create(&PostParams::default(), &stray).await.unwrap();
    gone(&api, "stray").await;
}

#[tokio::test]
async fn a_finalizer_keeps_an_object_until_it_is_taken_off() {
    let api: Api<ConfigMap> = Api::default_namespaced(running_client());
    let mut kept = config("kept");
    kept.metadata.finalizers = Some(vec!["example.com/wait".to_owned()]);
    api.create(&PostParams::default(), &kept).await.unwrap();
    api.delete("kept", &DeleteParams::default()).await.unwrap();
    let kept = api.get("kept").await.unwrap();
    assert!(kept.metadata.deletion_timestamp.is_some());
    let add =
        Patch::Merge(json!({"metadata": {"finalizers": ["example.com/wait", "example.com/more"]}}));
    assert_eq!(failure(api.patch("kept", &PatchParams::default(), &add).await).code, 422);
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch("kept", &PatchParams::default(), &free).await.unwrap();
    assert!(api.get_opt("kept").await.unwrap().is_none());
}

#[tokio::test]
async fn preconditions_protect_from_deleting_another() {
    let api: Api<ConfigMap> = Api::default_namespaced(running_client());
    api.create(&PostParams::default(), &config("a")).await.unwrap();
    let uid = Some("somebody-else".to_owned());
    let preconditions = Some(Preconditions { uid, resource_version: None });
    let params = DeleteParams { preconditions, ..DeleteParams::default() };
    let refused = failure(api.delete("a", &params).await);
    assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
    assert!(api.get_opt("a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_job_leaves_its_pods_unless_told_otherwise() {
    let client = running_client();
    let (jobs, pods): (Api<Job>, Api<Pod>) =
        (Api::default_namespaced(client.clone()), Api::default_namespaced(client));
    let spec = json!({"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]});
    for (name, params) in [("j", DeleteParams::default()), ("k", DeleteParams::background())] {
        let job = object(json!({"metadata": {"name": name},
            "spec": {"suspend": true, "template": {"spec": spec}}}));
        let job: Job = jobs.create(&PostParams::default(), &job).await.unwrap();
        let mut pod: Pod = object(json!({"metadata": {"name": name}, "spec": spec}));
        pod.metadata.owner_references = Some(vec![job.owner_ref(&()).unwrap()]);
        pods.create(&PostParams::default(), &pod).await.unwrap();
        jobs.delete(name, &params).await.unwrap();
        gone(&jobs, name).await;
    }
    gone(&pods, "k").await;
    assert_eq!(pods.get("j").await.unwrap().metadata.owner_references, None);
}

#[tokio::test]
async fn a_namespace_goes_with_its_contents_and_takes_nothing_new() {
    let client = running_client();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = object(json!({"metadata": {"name": "n"}}));
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    let api: Api<ConfigMap> = Api::namespaced(client, "n");
    let mut kept = config("kept");
    kept.metadata.finalizers = Some(vec!["example.com/wait".to_owned()]);
    api.create(&PostParams::default(), &kept).await.unwrap();
    assert_eq!(failure(namespaces.delete("default", &DeleteParams::default()).await).code, 403);
    let emptied = Patch::Merge(json!({"spec": {"finalizers": []}}));
    namespaces.patch("n", &PatchParams::default(), &emptied).await.unwrap();
    namespaces.delete("n", &DeleteParams::default()).await.unwrap();

    let refused = failure(api.create(&PostParams::default(), &config("late")).await);
    assert_eq!(refused.code, 403);
    assert!(refused.message.contains("because it is being terminated"), "{}", refused.message);
    eventually(async || api.get("kept").await.unwrap().metadata.deletion_timestamp.is_some()).await;
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    api.patch("kept", &PatchParams::default(), &free).await.unwrap();
    gone(&namespaces, "n").await;
    assert_eq!(failure(api.create(&PostParams::default(), &config("late")).await).code, 404);
}

#[tokio::test]
async fn a_definition_goes_with_its_objects() {
    let client = running_client();
    let api = widgets(&client);
    api.create(&PostParams::default(), &widget("w", json!({}))).await.unwrap();
    let crds: Api<CustomResourceDefinition> = Api::all(client);
    crds.delete("widgets.example.com", &DeleteParams::default()).await.unwrap();
    gone(&crds, "widgets.example.com").await;
    assert_eq!(failure(api.get("w").await).code, 404);
}

#[tokio::test]
async fn a_pod_on_a_node_gets_time_to_end() {
    let api: Api<Pod> = Api::default_namespaced(running_client());
    let pod = object(json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n",
        "containers": [{"name": "c", "image": "i"}]}}));
    api.create(&PostParams::default(), &pod).await.unwrap();
    api.delete("p", &DeleteParams::default()).await.unwrap();
    let ending = api.get("p").await.unwrap().metadata;
    assert_eq!(ending.deletion_grace_period_seconds, Some(30));
    assert!(ending.deletion_timestamp > ending.creation_timestamp);
    api.delete("p", &DeleteParams::default().grace_period(0)).await.unwrap();
    assert!(api.get_opt("p").await.unwrap().is_none());
}
