//! The finalizer by which a Job keeps its Pods until it has counted them.

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::gone_is_fine;

pub(crate) const FINALIZER: &str = "batch.kubernetes.io/job-tracking";

/// Whether the Pod is still to be counted.
pub(super) fn is_tracked(pod: &Pod) -> bool {
    pod.finalizers().iter().any(|it| it == FINALIZER)
}

/// Lets a Pod go that is counted, or that no longer counts.
pub(super) async fn release(pods: &Api<Pod>, pod: &Pod) -> kube::Result<()> {
    if !is_tracked(pod) {
        return Ok(());
    }
    let without = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER]}});
    let patch = Patch::Strategic(without);
    let patched = pods.patch_metadata(&pod.name_any(), &PatchParams::default(), &patch).await;
    gone_is_fine(patched.map(drop))
}
