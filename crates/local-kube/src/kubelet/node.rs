//! The Node that this machine is, and its Lease.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Node},
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{MicroTime, Time},
    },
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::fields::ADDRESS;

const LEASES: &str = "kube-node-lease";
const LEASE_SECONDS: u64 = 40;
const PODS: &str = "110";

/// What Pods may use of this machine.
pub(super) fn allocatable() -> BTreeMap<String, Quantity> {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let bytes = System::new_with_specifics(memory).map_or(0, |system| {
        let limit = system.cgroup_limits().map(|limits| limits.total_memory);
        limit.filter(|limit| *limit > 0).unwrap_or(u64::MAX).min(system.total_memory())
    });
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let amounts = [
        ("cpu", cpus.to_string()),
        ("memory", format!("{}Ki", bytes / 1024)),
        ("pods", PODS.into()),
    ];
    amounts.into_iter().map(|(name, amount)| (name.to_owned(), Quantity(amount))).collect()
}

/// Creates the Node or brings it up to date, and says that it is ready.
pub(super) async fn register(
    client: &Client,
    name: &str,
    allocatable: &BTreeMap<String, Quantity>,
) -> kube::Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    let labels = json!({
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": os(),
        "kubernetes.io/arch": arch(),
    });
    if nodes.get_opt(name).await?.is_none() {
        let node = json!({ "metadata": { "name": name, "labels": labels } });
        let node: Node = serde_json::from_value(node).map_err(kube::Error::SerdeError)?;
        match nodes.create(&PostParams::default(), &node).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            result => drop(result?),
        }
    }
    let labels = json!({ "metadata": { "labels": labels } });
    nodes.patch(name, &PatchParams::default(), &Patch::Merge(labels)).await?;
    let status = json!({ "status": status(name, allocatable) });
    nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
}

fn status(name: &str, allocatable: &BTreeMap<String, Quantity>) -> Value {
    let now = Time(Timestamp::now());
    let condition = |type_: &str, holds: &str, reason: &str, message: &str| {
        json!({
            "type": type_, "status": holds, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": now,
        })
    };
    json!({
        "capacity": allocatable,
        "allocatable": allocatable,
        "conditions": [condition("Ready", "True", "KubeletReady", "kubelet is posting ready status")],
        "addresses": [
            { "type": "InternalIP", "address": ADDRESS },
            { "type": "Hostname", "address": name },
        ],
        "nodeInfo": {
            "architecture": arch(),
            "operatingSystem": os(),
            "osImage": System::long_os_version().unwrap_or_default(),
            "kernelVersion": System::kernel_version().unwrap_or_default(),
            "containerRuntimeVersion": concat!("process://", env!("CARGO_PKG_VERSION")),
            "kubeletVersion": concat!("v", env!("CARGO_PKG_VERSION"), "+local-kube"),
            "kubeProxyVersion": "",
            "machineID": "", "systemUUID": "", "bootID": "",
        },
    })
}

fn os() -> &'static str {
    if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS }
}

fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Keeps the Node's Lease renewed, until dropped. An API server that serves no Leases needs none.
pub(super) async fn keep_alive(client: Client, name: String) {
    let leases: Api<Lease> = Api::namespaced(client, LEASES);
    loop {
        if let Err(error) = renew(&leases, &name).await {
            if matches!(&error, kube::Error::Api(status) if status.code == 404) {
                tracing::debug!(%error, "the API server keeps no Lease of the Node");
            } else {
                tracing::warn!(%error, "the Node's Lease could not be renewed");
            }
        }
        tokio::time::sleep(Duration::from_secs(LEASE_SECONDS / 4)).await;
    }
}

async fn renew(leases: &Api<Lease>, name: &str) -> kube::Result<()> {
    let spec = json!({
        "holderIdentity": name,
        "leaseDurationSeconds": LEASE_SECONDS,
        "renewTime": MicroTime(Timestamp::now()),
    });
    let patch = Patch::Merge(json!({ "spec": spec }));
    match leases.patch(name, &PatchParams::default(), &patch).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {
            let lease = json!({ "metadata": { "name": name, "namespace": LEASES }, "spec": spec });
            let lease: Lease = serde_json::from_value(lease).map_err(kube::Error::SerdeError)?;
            leases.create(&PostParams::default(), &lease).await.map(drop)
        }
        result => result.map(drop),
    }
}
