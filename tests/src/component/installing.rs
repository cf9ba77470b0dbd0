//! What a component brings into a cluster: its kinds, its objects, and who asks its webhooks.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams},
    core::ObjectMeta,
};
use kubeflow_mcp_core::Local;
use serde_json::Value;

use crate::waiting::until;

/// Waits until the kinds are served.
pub(super) async fn kinds_and_objects(client: &Client, local: &Local) -> anyhow::Result<()> {
    let kinds: Api<CustomResourceDefinition> = Api::all(client.clone());
    for kind in (local.crds)() {
        apply(client, serde_json::to_value(&kind)?).await?;
        let name = kind.metadata.name.as_deref().unwrap_or_default();
        until(name, async || {
            let found = kinds.get(name).await.map_err(|error| error.to_string())?;
            let conditions = found.status.and_then(|it| it.conditions).unwrap_or_default();
            let established =
                conditions.iter().any(|it| it.type_ == "Established" && it.status == "True");
            if established { Ok(()) } else { Err(format!("{conditions:?}")) }
        })
        .await;
    }
    for object in (local.objects)() {
        apply(client, serde_json::to_value(&object)?).await?;
    }
    Ok(())
}

/// Has the API server ask the webhooks.
pub(super) async fn webhooks(client: &Client, configurations: &[Value]) -> anyhow::Result<()> {
    for configuration in configurations {
        apply(client, configuration.clone()).await?;
    }
    Ok(())
}

async fn apply(client: &Client, object: Value) -> anyhow::Result<()> {
    let object: DynamicObject = serde_json::from_value(object)?;
    let types = object.types.clone().unwrap_or_default();
    let ObjectMeta { name, namespace, .. } = &object.metadata;
    let (group, version) =
        types.api_version.split_once('/').unwrap_or(("", types.api_version.as_str()));
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind));
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &kind),
        None => Api::all_with(client.clone(), &kind),
    };
    let params = PatchParams::apply("component").force();
    api.patch(name.as_deref().unwrap_or_default(), &params, &Patch::Apply(&object)).await?;
    Ok(())
}
