//! PersistentVolumeClaims: a folder each, that lives as long as the claim.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
    core::PartialObjectMeta,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::json;

use super::{Options, folder};

/// Where a claim's files are: in its volume, or in a folder here, to which the claim is then bound.
pub(super) async fn folder(
    client: &Client,
    options: &Options,
    pod: &Pod,
    name: &str,
) -> Result<PathBuf, String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let claim = claims.get_opt(name).await.map_err(|error| error.to_string())?;
    let claim = claim.ok_or_else(|| format!("persistentvolumeclaim {name:?} not found"))?;
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    let bound = phase == Some("Bound");
    let spec = claim.spec.as_ref();
    let volume = spec.and_then(|spec| spec.volume_name.as_deref()).filter(|it| !it.is_empty());
    if !bound && !options.provision {
        return Err(format!("error processing PVC {namespace}/{name}: PVC is not bound"));
    }
    let folder = match volume {
        Some(volume) => of_volume(client, volume).await?,
        None => {
            let folder = folder::claims(&options.dir).join(claim.uid().unwrap_or_default());
            fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
            folder
        }
    };
    if !bound {
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

/// The folder of this machine that a PersistentVolume is.
async fn of_volume(client: &Client, name: &str) -> Result<PathBuf, String> {
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let volume = volumes.get(name).await.map_err(|error| error.to_string())?;
    let spec = volume.spec.unwrap_or_default();
    let folder = match (spec.host_path, spec.local) {
        (Some(host_path), _) => {
            if host_path.type_.as_deref() == Some("DirectoryOrCreate") {
                fs::create_dir_all(&host_path.path).map_err(|error| error.to_string())?;
            }
            PathBuf::from(host_path.path)
        }
        (None, Some(local)) => PathBuf::from(local.path),
        (None, None) => {
            return Err(format!(
                "volume {name:?} is neither hostPath nor local, as this node needs"
            ));
        }
    };
    if folder.is_dir() { Ok(folder) } else { Err(format!("{folder:?} is no folder")) }
}

/// Removes the folders of claims that are gone, until dropped.
pub(super) async fn collect(client: Client, dir: PathBuf) {
    let claims: Api<PartialObjectMeta<PersistentVolumeClaim>> = Api::all(client);
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
