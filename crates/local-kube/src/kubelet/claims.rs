//! PersistentVolumeClaims: a folder each, that lives as long as the claim.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;

use super::folder;

/// The folder of a claim, which is marked as bound.
pub(super) async fn folder(
    client: &Client,
    dir: &Path,
    pod: &Pod,
    name: &str,
) -> Result<PathBuf, String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let claim = claims.get_opt(name).await.map_err(|error| error.to_string())?;
    let claim = claim.ok_or_else(|| format!("persistentvolumeclaim {name:?} not found"))?;
    let folder = folder::claims(dir).join(claim.uid().unwrap_or_default());
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    if phase != Some("Bound") {
        let spec = claim.spec.as_ref();
        let bound = json!({ "status": {
            "phase": "Bound",
            "accessModes": spec.and_then(|spec| spec.access_modes.as_ref()),
            "capacity": spec.and_then(|spec| spec.resources.as_ref()?.requests.as_ref()),
        }});
        claims
            .patch_status(name, &PatchParams::default(), &Patch::Merge(bound))
            .await
            .map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

/// Removes the folders of claims that are gone, until dropped.
pub(super) async fn collect(client: Client, dir: PathBuf) {
    let claims: Api<PersistentVolumeClaim> = Api::all(client);
    let mut changes = Box::pin(watcher(claims, watcher::Config::default()).default_backoff());
    let mut unlisted = HashSet::new();
    loop {
        match changes.try_next().await {
            // Looked up before claims are listed: the folder of a newer claim must not be taken for a leftover.
            Ok(Some(watcher::Event::Init)) => unlisted = folder::names(&folder::claims(&dir)),
            Ok(Some(watcher::Event::InitApply(claim))) => {
                unlisted.remove(&claim.uid().unwrap_or_default());
            }
            Ok(Some(watcher::Event::InitDone)) => {
                for uid in std::mem::take(&mut unlisted) {
                    remove(&folder::claims(&dir).join(uid)).await;
                }
            }
            Ok(Some(watcher::Event::Delete(claim))) => {
                remove(&folder::claims(&dir).join(claim.uid().unwrap_or_default())).await;
            }
            Ok(Some(watcher::Event::Apply(_))) => {}
            Ok(None) => return,
            Err(error) => tracing::debug!(%error, "PersistentVolumeClaims cannot be watched"),
        }
    }
}

async fn remove(folder: &Path) {
    if let Err(error) = tokio::fs::remove_dir_all(folder).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, folder = %folder.display(), "a claim's folder could not be removed");
    }
}
