//! Free ports of this machine that stand for the ports of Services: kept on the Service, so that all its Pods use the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, TcpListener},
    time::Duration,
};

use k8s_openapi::api::core::v1::Service;
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::peers::{Ports, Wanted};

/// The Service's annotation: `{"29500": 21017}`.
const ANNOTATION: &str = "local-kube/ports";
/// Below the ports that systems hand out to outgoing connections.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
/// How long a Service that a Pod names may come after the Pod.
const PATIENCE: Duration = Duration::from_secs(2);

/// Finds or chooses what stands for the wanted ports. A Service that does not exist has no answer.
pub(super) async fn allocate(
    client: &Client,
    namespace: &str,
    wanted: Wanted,
) -> Result<Ports, String> {
    let services: Api<Service> = Api::namespaced(client.clone(), namespace);
    let mut ports = Ports::new();
    for (name, wanted) in wanted {
        if let Some(found) = of_service(client, &services, &name, &wanted).await? {
            ports.insert(name, found);
        }
    }
    Ok(ports)
}

async fn of_service(
    client: &Client,
    services: &Api<Service>,
    name: &str,
    wanted: &BTreeSet<u16>,
) -> Result<Option<BTreeMap<u16, u16>>, String> {
    let failed = |error: kube::Error| format!("service {name:?}: {error}");
    loop {
        let Some(service) = existing(services, name).await.map_err(failed)? else {
            return Ok(None);
        };
        let mut ports = chosen(&service);
        let missing: Vec<u16> =
            wanted.iter().copied().filter(|port| !ports.contains_key(port)).collect();
        if missing.is_empty() {
            return Ok(Some(ports));
        }
        let all: Api<Service> = Api::all(client.clone());
        let all = all.list_metadata(&ListParams::default()).await.map_err(failed)?;
        let mut taken: BTreeSet<u16> = all
            .items
            .iter()
            .flat_map(|s| read(s.metadata.annotations.as_ref()))
            .map(|p| p.1)
            .collect();
        for port in missing {
            let free = free(service.metadata.uid.as_deref().unwrap_or(name), port, &taken);
            let free = free.ok_or("no port of this machine is free")?;
            taken.insert(free);
            ports.insert(port, free);
        }
        let value = serde_json::to_string(&ports).map_err(|error| error.to_string())?;
        let patch = json!({ "metadata": {
            "resourceVersion": service.metadata.resource_version,
            "annotations": { ANNOTATION: value },
        }});
        match services.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => return Ok(Some(ports)),
            // Another Pod of the Service was faster: its choice holds.
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {}
            Err(error) => return Err(failed(error)),
        }
    }
}

async fn existing(services: &Api<Service>, name: &str) -> kube::Result<Option<Service>> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match services.get_opt(name).await? {
            None if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(PATIENCE / 20).await;
            }
            found => return Ok(found),
        }
    }
}

fn chosen(service: &Service) -> BTreeMap<u16, u16> {
    read(service.metadata.annotations.as_ref())
}

fn read(annotations: Option<&BTreeMap<String, String>>) -> BTreeMap<u16, u16> {
    let text = annotations.and_then(|annotations| annotations.get(ANNOTATION));
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// The first free port from a place in the range that the Service and port decide.
fn free(uid: &str, port: u16, taken: &BTreeSet<u16>) -> Option<u16> {
    let hash = Sha256::digest(format!("{uid}/{port}"));
    let size = RANGE.end - RANGE.start;
    let start = u16::from_be_bytes([hash[0], hash[1]]) % size;
    (0..size)
        .map(|step| RANGE.start + (start + step) % size)
        .filter(|candidate| !taken.contains(candidate))
        .find(|candidate| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *candidate)).is_ok())
}
