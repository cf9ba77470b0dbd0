//! Katib in the local cluster: its definitions, webhooks and controllers.

mod admission;
mod conditions;
mod control;
mod crds;
mod experiment_controller;
mod roles;
mod suggest;
mod suggestion_controller;
mod template;
mod trial_controller;

#[cfg(test)]
mod tests;

use futures::{FutureExt as _, future::BoxFuture};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DynamicObject, Patch, PatchParams},
};
use kubeflow_mcp_core::Local;
use serde_json::json;

use crate::api::INJECTION_LABEL;

/// Katib, as a local cluster plays it.
pub(crate) const LOCAL: Local = Local { crds: crds::crds, objects, admit: admission::admit, run };

/// What a fresh installation brings.
fn objects() -> Vec<DynamicObject> {
    let default = json!({"apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "default", "labels": {INJECTION_LABEL: "enabled"}}});
    let default = serde_json::from_value(default).expect("a namespace");
    roles::roles().into_iter().chain([default]).collect()
}

fn run(client: Client) -> BoxFuture<'static, ()> {
    async move {
        if let Err(error) = label_default(&client).await {
            tracing::warn!(%error, "the namespace \"default\" has no label for experiments");
        }
        futures::join!(
            experiment_controller::run(client.clone()),
            suggestion_controller::run(client.clone()),
            trial_controller::run(client),
        );
    }
    .boxed()
}

/// Prepares the default namespace of a cluster that was there before Katib.
async fn label_default(client: &Client) -> kube::Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let default = namespaces.get("default").await?;
    if !default.labels().contains_key(INJECTION_LABEL) {
        let label = Patch::Merge(json!({"metadata": {"labels": {INJECTION_LABEL: "enabled"}}}));
        namespaces.patch("default", &PatchParams::default(), &label).await?;
    }
    Ok(())
}
