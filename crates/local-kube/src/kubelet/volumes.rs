//! Volumes: folders that stand for what a Pod mounts, and mount paths rewritten to them.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use k8s_openapi::{
    api::{
        authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec},
        core::v1::{
            Container, DownwardAPIVolumeFile, KeyToPath, Pod, ServiceAccount,
            ServiceAccountTokenProjection, Volume,
        },
    },
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{Api, Client, api::PostParams};
use tokio::time::sleep;

use super::{Kubelet, claims, fields, folder, run::write_whole, variables::Sources};

/// Makes the Pod's volumes. The error is the message of `FailedMount`.
pub(super) async fn prepare(
    kubelet: &Kubelet,
    pod: &Pod,
) -> Result<BTreeMap<String, PathBuf>, String> {
    let Kubelet { client, options, allocatable, .. } = kubelet;
    let dir = &options.dir;
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let mut folders = BTreeMap::new();
    let mut sources = Sources::new(client, pod);
    for volume in pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
        let failed =
            |why: String| format!("MountVolume.SetUp failed for volume {:?} : {why}", volume.name);
        let own = folder::pod(dir, uid).join("volumes").join(&volume.name);
        let place = if let Some(claim) = &volume.persistent_volume_claim {
            let found = claims::folder(client, options, pod, &claim.claim_name).await;
            found.map_err(failed)?
        } else {
            let files =
                files(client, pod, volume, &mut sources, allocatable).await.map_err(failed)?;
            write(&own, files).map_err(|error| failed(error.to_string()))?;
            own
        };
        folders.insert(volume.name.clone(), place);
    }
    Ok(folders)
}

struct Written {
    path: String,
    content: Vec<u8>,
    mode: u32,
}

async fn files(
    client: &Client,
    pod: &Pod,
    volume: &Volume,
    sources: &mut Sources,
    allocatable: &BTreeMap<String, Quantity>,
) -> Result<Vec<Written>, String> {
    const MODE: i32 = 0o644;
    if volume.empty_dir.is_some() {
        Ok(Vec::new())
    } else if let Some(map) = &volume.config_map {
        let data = sources.config_map(&map.name, map.optional).await?;
        keys(data, map.items.as_deref(), map.default_mode.unwrap_or(MODE), map.optional)
    } else if let Some(secret) = &volume.secret {
        let name = secret.secret_name.as_deref().unwrap_or_default();
        let data = sources.secret(name, secret.optional).await?;
        keys(data, secret.items.as_deref(), secret.default_mode.unwrap_or(MODE), secret.optional)
    } else if let Some(downward) = &volume.downward_api {
        let mode = downward.default_mode.unwrap_or(MODE);
        downward.items.iter().flatten().map(|item| told(pod, item, mode, allocatable)).collect()
    } else if let Some(projected) = &volume.projected {
        let mode = projected.default_mode.unwrap_or(MODE);
        let mut all = Vec::new();
        for source in projected.sources.iter().flatten() {
            if let Some(map) = &source.config_map {
                let data = sources.config_map(&map.name, map.optional).await?;
                all.extend(keys(data, map.items.as_deref(), mode, map.optional)?);
            } else if let Some(secret) = &source.secret {
                let data = sources.secret(&secret.name, secret.optional).await?;
                all.extend(keys(data, secret.items.as_deref(), mode, secret.optional)?);
            } else if let Some(downward) = &source.downward_api {
                for item in downward.items.iter().flatten() {
                    all.push(told(pod, item, mode, allocatable)?);
                }
            } else if let Some(token) = &source.service_account_token {
                let content = self::token(client, pod, token).await?;
                all.push(Written { path: token.path.clone(), content, mode: 0o600 });
            } else {
                return Err(
                    "a projected source is of a kind that the local cluster does not have".into()
                );
            }
        }
        Ok(all)
    } else if let Some(host_path) = &volume.host_path {
        Err(format!("the local cluster mounts no hostPath: {:?}", host_path.path))
    } else {
        Err("the local cluster has emptyDir, persistentVolumeClaim, configMap, secret, downwardAPI and \
             projected volumes, and this is none of them"
            .into())
    }
}

fn keys(
    data: Option<&BTreeMap<String, Vec<u8>>>,
    items: Option<&[KeyToPath]>,
    mode: i32,
    optional: Option<bool>,
) -> Result<Vec<Written>, String> {
    let Some(data) = data else {
        return Ok(Vec::new());
    };
    let written = |path: &str, content: &[u8], mode: i32| Written {
        path: path.to_owned(),
        content: content.to_owned(),
        mode: mode.unsigned_abs(),
    };
    let Some(items) = items else {
        return Ok(data.iter().map(|(key, content)| written(key, content, mode)).collect());
    };
    let mut files = Vec::new();
    for item in items {
        match data.get(&item.key) {
            Some(content) => files.push(written(&item.path, content, item.mode.unwrap_or(mode))),
            None if optional == Some(true) => {}
            None => return Err(format!("references non-existent key: {}", item.key)),
        }
    }
    Ok(files)
}

fn told(
    pod: &Pod,
    item: &DownwardAPIVolumeFile,
    mode: i32,
    allocatable: &BTreeMap<String, Quantity>,
) -> Result<Written, String> {
    let content = match (&item.field_ref, &item.resource_field_ref) {
        (Some(field), _) => fields::field(pod, &field.field_path)?,
        (None, Some(resource)) => {
            fields::resource(pod, &Container::default(), resource, allocatable)?
        }
        (None, None) => return Err(format!("{} refers to nothing", item.path)),
    };
    let mode = item.mode.unwrap_or(mode).unsigned_abs();
    Ok(Written { path: item.path.clone(), content: content.into_bytes(), mode })
}

/// A token of the Pod's ServiceAccount, bound to the Pod.
async fn token(
    client: &Client,
    pod: &Pod,
    wanted: &ServiceAccountTokenProjection,
) -> Result<Vec<u8>, String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref());
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = TokenRequest {
        spec: Some(TokenRequestSpec {
            audiences: wanted.audience.clone().map(|audience| vec![audience]),
            expiration_seconds: wanted.expiration_seconds,
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".into()),
                kind: Some("Pod".into()),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
            }),
        }),
        ..TokenRequest::default()
    };
    let account = account.filter(|name| !name.is_empty()).unwrap_or("default");
    let mut attempts = 0..20;
    loop {
        let token = accounts.create_token_request(account, &PostParams::default(), &request).await;
        match token {
            Ok(token) => {
                return Ok(token.status.and_then(|it| it.token).unwrap_or_default().into_bytes());
            }
            // That the Pod is on this Node is known to the authorizer a moment later than here.
            Err(kube::Error::Api(status)) if status.code == 403 && attempts.next().is_some() => {
                sleep(Duration::from_millis(100)).await;
            }
            Err(kube::Error::Api(status)) => {
                return Err(format!("failed to fetch token: {}", status.message));
            }
            Err(error) => return Err(format!("failed to fetch token: {error}")),
        }
    }
}

fn write(folder: &Path, files: Vec<Written>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for file in files {
        let path = within(folder, &file.path)?;
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        write_whole(&path, &file.content)?;
        // The owner can always read, whatever the mode leaves others.
        fs::set_permissions(&path, fs::Permissions::from_mode(file.mode & 0o777 | 0o400))?;
    }
    Ok(())
}

/// A path under `folder` that does not lead out of it.
pub(super) fn within(folder: &Path, path: &str) -> io::Result<PathBuf> {
    let relative = Path::new(path);
    if relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        Ok(folder.join(relative))
    } else {
        Err(io::Error::other(format!("{path:?} leads out of its volume")))
    }
}

/// Mount paths of a container and the folders that stand for them, the longest path first.
pub(super) fn mounts(
    container: &Container,
    volumes: &BTreeMap<String, PathBuf>,
    expand: impl Fn(&str) -> String,
) -> Result<Vec<(String, PathBuf)>, String> {
    let mut mounts = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        let volume = volumes.get(&mount.name);
        let volume = volume.ok_or_else(|| format!("volume {:?} not found", mount.name))?;
        let sub_path = mount.sub_path_expr.as_deref().map(&expand).or(mount.sub_path.clone());
        let place = match sub_path.filter(|path| !path.is_empty()) {
            None => volume.clone(),
            Some(path) => {
                let place = within(volume, &path).map_err(|error| error.to_string())?;
                if !place.exists() {
                    fs::create_dir_all(&place).map_err(|error| error.to_string())?;
                }
                place
            }
        };
        let path = mount.mount_path.trim_end_matches('/');
        if !path.is_empty() {
            mounts.push((path.to_owned(), place));
        }
    }
    mounts.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
    Ok(mounts)
}

/// Puts the folders in place of the mount paths that a text names.
pub(super) fn rewrite(text: &str, mounts: &[(String, PathBuf)]) -> String {
    let mut rewritten = String::with_capacity(text.len());
    let mut rest = text;
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    'text: while let Some(next) = rest.chars().next() {
        let begins = !rewritten.ends_with(in_name);
        for (path, place) in mounts.iter().filter(|_| begins && next == '/') {
            if let Some(after) = rest.strip_prefix(path.as_str())
                && (after.starts_with('/') || !after.starts_with(in_name))
            {
                rewritten.push_str(&place.to_string_lossy());
                rest = after;
                continue 'text;
            }
        }
        rewritten.push(next);
        rest = &rest[next.len_utf8()..];
    }
    rewritten
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_paths_are_rewritten_where_they_stand_alone() {
        let mounts =
            [("/data/in".to_owned(), PathBuf::from("/v/2")), ("/data".to_owned(), "/v/1".into())];
        for (text, expected) in [
            ("/data", "/v/1"),
            ("--out=/data/x", "--out=/v/1/x"),
            ("cat '/data/in/a' /data/inner", "cat '/v/2/a' /v/1/inner"),
            ("/database /my/data s3://data", "/database /my/data s3://data"),
        ] {
            assert_eq!(rewrite(text, &mounts), expected);
        }
    }

    #[test]
    fn no_path_leads_out_of_a_volume() {
        assert!(within(Path::new("/v"), "../x").is_err());
        assert!(within(Path::new("/v"), "/x").is_err());
        assert!(within(Path::new("/v"), "a/b").is_ok());
    }
}
