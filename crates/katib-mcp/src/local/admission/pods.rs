//! Which Pods belong to a trial: those whose chain of owners leads to one.

use futures::{FutureExt as _, future::BoxFuture};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use local_kube::Admission;
use serde_json::{Value, json};

use super::{Verdict, denied, injection};
use crate::api::{GROUP, INJECTION_LABEL, VERSION};

const WEBHOOK: &str = "mutator.pod.katib.kubeflow.org";

pub(super) async fn admit(admission: &mut Admission, client: &Client) -> Verdict {
    // Most Pods belong to nobody, and cost nothing.
    if !admission.object["metadata"]["ownerReferences"].is_array() {
        return Ok(());
    }
    let namespace = admission.namespace.clone().unwrap_or_default();
    let owners = admission.object["metadata"]["ownerReferences"].clone();
    let Some(name) = trial_of(client, &namespace, None, &owners).await else { return Ok(()) };
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let labelled = namespaces.get_opt(&namespace).await.ok().flatten();
    let label = labelled.as_ref().and_then(|it| it.labels().get(INJECTION_LABEL));
    if label.is_none_or(|it| it != "enabled") {
        return Ok(());
    }
    let trial = object(client, &namespace, &format!("{GROUP}/{VERSION}"), "Trial", &name).await;
    let trial = trial.map_err(|why| denied(WEBHOOK, 500, &why))?;
    injection::inject(&mut admission.object, &trial).map_err(|why| denied(WEBHOOK, 400, &why))
}

/// The name of the workload that a trial owns, up the chain of owners.
fn trial_of<'a>(
    client: &'a Client,
    namespace: &'a str,
    name: Option<&'a str>,
    owners: &'a Value,
) -> BoxFuture<'a, Option<String>> {
    async move {
        let owners = owners.as_array()?;
        let is_trial = |it: &Value| {
            it["kind"] == "Trial" && it["apiVersion"] == format!("{GROUP}/{VERSION}").as_str()
        };
        if owners.iter().any(is_trial) {
            return name.map(str::to_owned);
        }
        for owner in owners {
            let text = |field: &str| owner[field].as_str().unwrap_or_default();
            let (version, kind, name) = (text("apiVersion"), text("kind"), text("name"));
            let owner = object(client, namespace, version, kind, name).await.ok()?;
            let above = &owner["metadata"]["ownerReferences"];
            if let Some(found) = trial_of(client, namespace, Some(name), above).await {
                return Some(found);
            }
        }
        None
    }
    .boxed()
}

async fn object(
    client: &Client,
    namespace: &str,
    version: &str,
    kind: &str,
    name: &str,
) -> Result<Value, String> {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    match objects.get(name).await {
        Ok(object) => Ok(json!(object)),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => Err(error.to_string()),
    }
}
