//! Claims and volumes that are deleted while they are used, kept until they no longer are
//! (`pkg/controller/volume` of Kubernetes).

use std::{fmt::Debug, sync::Arc};

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::{
    Api, Resource,
    api::{Patch, PatchParams},
    client::Client,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{LocalKube, store::Object};

const CLAIMS: &str = "persistentvolumeclaims";
const VOLUMES: &str = "persistentvolumes";

/// What keeps a new object of a resource from going while it is used.
pub(crate) fn finalizer(resource: &str) -> Option<&'static str> {
    match resource {
        CLAIMS => Some("kubernetes.io/pvc-protection"),
        VOLUMES => Some("kubernetes.io/pv-protection"),
        _ => None,
    }
}

/// Lets go what is deleted and not used.
pub(crate) async fn look(kube: &LocalKube, client: &Client) -> kube::Result<()> {
    for claim in deleted(kube, CLAIMS) {
        let namespace = text(&claim.value["metadata"]["namespace"]);
        let name = text(&claim.value["metadata"]["name"]);
        let pods = kube.store().all("pods", Some(namespace));
        if !pods.iter().any(|pod| uses(&pod.value, name)) {
            let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
            release(&claims, name, CLAIMS).await?;
        }
    }
    for volume in deleted(kube, VOLUMES) {
        if volume.value["status"]["phase"] != "Bound" {
            let volumes: Api<PersistentVolume> = Api::all(client.clone());
            release(&volumes, text(&volume.value["metadata"]["name"]), VOLUMES).await?;
        }
    }
    Ok(())
}

/// The deleted objects that are still protected.
fn deleted(kube: &LocalKube, resource: &'static str) -> impl Iterator<Item = Arc<Object>> {
    let protected = |object: &Arc<Object>| {
        let metadata = &object.value["metadata"];
        let finalizers = metadata["finalizers"].as_array().into_iter().flatten();
        let own = finalizers.filter_map(Value::as_str).any(|it| Some(it) == finalizer(resource));
        own && !metadata["deletionTimestamp"].is_null()
    };
    kube.store().all(resource, None).into_iter().filter(protected)
}

/// Whether a Pod has a claim's files, or is about to.
fn uses(pod: &Value, claim: &str) -> bool {
    let ended = ["Succeeded", "Failed"].contains(&text(&pod["status"]["phase"]));
    let mut volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    !ended
        && pod["spec"]["nodeName"].is_string()
        && volumes.any(|it| it["persistentVolumeClaim"]["claimName"] == claim)
}

async fn release<K>(api: &Api<K>, name: &str, resource: &str) -> kube::Result<()>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": [finalizer(resource)]}});
    match api.patch_metadata(name, &PatchParams::default(), &Patch::Strategic(patch)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        result => result.map(drop),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
