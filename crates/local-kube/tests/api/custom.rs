//! Kinds that CustomResourceDefinitions bring.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Discovery,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use crate::cluster::{client, definition, json, widget, widgets};

#[tokio::test]
async fn a_definition_is_established_and_discovered() {
    let client = client();
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let status = json(&crds.get("widgets.example.com").await.unwrap().status);
    assert_eq!(status["conditions"][1]["type"], "Established");
    for discovery in [
        Discovery::new(client.clone()).run_aggregated().await.unwrap(),
        Discovery::new(client.clone()).run().await.unwrap(),
    ] {
        let group = discovery.get("example.com").unwrap();
        let (resource, capabilities) = group.recommended_kind("Widget").unwrap();
        assert_eq!(resource.plural, "widgets");
        assert!(capabilities.supports_operation("watch"));
        assert!(discovery.get("batch").unwrap().recommended_kind("Job").is_some());
    }
    let mut other = definition();
    other.metadata.name = Some("gadgets.example.com".to_owned());
    other.spec.names.kind = "Gadget".to_owned();
    other.spec.names.plural = "gadgets".to_owned();
    other.spec.names.singular = None;
    crds.create(&PostParams::default(), &other).await.unwrap();
    let discovery = Discovery::new(client).run_aggregated().await.unwrap();
    assert!(discovery.get("example.com").unwrap().recommended_kind("Gadget").is_some());
}

#[tokio::test]
async fn the_status_is_written_through_its_subresource_only() {
    let api = widgets(&client());
    let mut created = widget("w", json!({"size": 3}));
    created.data["status"] = json!({"ready": true});
    let created = api.create(&PostParams::default(), &created).await.unwrap();
    assert!(created.data.get("status").is_none());
    assert_eq!(created.metadata.generation, Some(1));

    let patch = Patch::Merge(json!({"spec": {"size": 9}, "status": {"ready": true}}));
    let status = api.patch_status("w", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(
        (&status.data["spec"]["size"], &status.data["status"]["ready"]),
        (&json!(3), &json!(true))
    );
    assert_eq!(status.metadata.generation, Some(1));
    let patch = Patch::Merge(json!({"spec": {"size": 4}, "status": {"ready": false}}));
    let changed = api.patch("w", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(changed.data["status"]["ready"], true);
    assert_eq!(changed.metadata.generation, Some(2));
}
