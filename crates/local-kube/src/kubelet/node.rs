//! The Node that this machine is, and its Lease: both kept true until the kubelet ends.

use std::{collections::BTreeMap, path::Path, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        coordination::v1::Lease,
        core::v1::{Node as Object, NodeCondition, ObjectReference},
    },
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
use crate::events::{Kind, Recorder};

const LEASES: &str = "kube-node-lease";
const LEASE_SECONDS: u64 = 40;
const PODS: &str = "110";
/// Type, status, reason and message of what a healthy kubelet says of its machine.
const CONDITIONS: [(&str, &str, &str, &str); 4] = [
    (
        "MemoryPressure",
        "False",
        "KubeletHasSufficientMemory",
        "kubelet has sufficient memory available",
    ),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
];

/// What Pods may use of this machine; `dir` tells which disk they write to.
pub(super) fn allocatable(dir: &Path) -> BTreeMap<String, Quantity> {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let bytes = System::new_with_specifics(memory).map_or(0, |system| {
        let limit = system.cgroup_limits().map(|limits| limits.total_memory);
        limit.filter(|limit| *limit > 0).unwrap_or(u64::MAX).min(system.total_memory())
    });
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let disk = rustix::fs::statvfs(dir).map_or(0, |disk| disk.f_blocks * disk.f_frsize);
    let amounts = [
        ("cpu", cpus.to_string()),
        ("ephemeral-storage", format!("{}Ki", disk / 1024)),
        ("memory", format!("{}Ki", bytes / 1024)),
        ("pods", PODS.into()),
    ];
    amounts.into_iter().map(|(name, amount)| (name.to_owned(), Quantity(amount))).collect()
}

pub(super) struct Node {
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) allocatable: BTreeMap<String, Quantity>,
    /// Of the kubelet's own API, if it serves one.
    pub(super) port: Option<u16>,
    pub(super) recorder: Recorder,
}

impl Node {
    /// Creates the Node or brings it up to date, and says that it is ready.
    pub(super) async fn register(&self) -> kube::Result<()> {
        let nodes = self.api();
        let labels = json!({
            "beta.kubernetes.io/arch": arch(),
            "beta.kubernetes.io/os": os(),
            "kubernetes.io/arch": arch(),
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": os(),
        });
        if nodes.get_opt(&self.name).await?.is_none() {
            let node = json!({ "metadata": { "name": self.name, "labels": labels } });
            let node: Object = serde_json::from_value(node).map_err(kube::Error::SerdeError)?;
            match nodes.create(&PostParams::default(), &node).await {
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                result => drop(result?),
            }
        }
        let labels = Patch::Merge(json!({ "metadata": { "labels": labels } }));
        let node = nodes.patch(&self.name, &PatchParams::default(), &labels).await?;
        self.say("Starting", "Starting kubelet.");
        self.write_status(&node).await
    }

    /// Keeps the Lease renewed and the status true, until dropped.
    /// An API server that serves no Leases needs none.
    pub(super) async fn keep_alive(self) {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), LEASES);
        loop {
            if let Err(error) = self.renew(&leases).await {
                if matches!(&error, kube::Error::Api(status) if status.code == 404) {
                    tracing::debug!(%error, "the API server keeps no Lease of the Node");
                } else {
                    tracing::warn!(%error, "the Node's Lease could not be renewed");
                }
            }
            // The node controller calls a Node unknown that was silent for too long.
            if let Err(error) = self.correct().await {
                tracing::warn!(%error, "the Node's status could not be kept");
            }
            tokio::time::sleep(Duration::from_secs(LEASE_SECONDS / 4)).await;
        }
    }

    async fn correct(&self) -> kube::Result<()> {
        let node = self.api().get(&self.name).await?;
        if holds(&node) { Ok(()) } else { self.write_status(&node).await }
    }

    async fn write_status(&self, node: &Object) -> kube::Result<()> {
        let now = Time(Timestamp::now());
        let conditions = CONDITIONS.map(|(type_, status, reason, message)| {
            let before = known(node, type_).filter(|known| known.status == status);
            let since = before.and_then(|known| known.last_transition_time.clone());
            json!({
                "type": type_, "status": status, "reason": reason, "message": message,
                "lastHeartbeatTime": now, "lastTransitionTime": since.unwrap_or_else(|| now.clone()),
            })
        });
        let mut status = json!({
            "capacity": self.allocatable,
            "allocatable": self.allocatable,
            "conditions": conditions,
            // No host name: an API server would prefer it, and nothing resolves the Node's name.
            "addresses": [{ "type": "InternalIP", "address": ADDRESS }],
            "nodeInfo": machine(),
        });
        if let Some(port) = self.port {
            status["daemonEndpoints"] = json!({ "kubeletEndpoint": { "Port": port } });
        }
        let patch = Patch::Strategic(json!({ "status": status }));
        self.api().patch_status(&self.name, &PatchParams::default(), &patch).await?;
        if !holds(node) {
            let message = format!("Node {} status is now: NodeReady", self.name);
            self.say("NodeReady", &message);
        }
        Ok(())
    }

    async fn renew(&self, leases: &Api<Lease>) -> kube::Result<()> {
        let spec = json!({
            "holderIdentity": self.name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": MicroTime(Timestamp::now()),
        });
        let patch = Patch::Merge(json!({ "spec": spec }));
        match leases.patch(&self.name, &PatchParams::default(), &patch).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let node = self.api().get(&self.name).await?;
                let owner = json!({
                    "apiVersion": "v1", "kind": "Node", "name": self.name, "uid": node.metadata.uid,
                });
                let metadata =
                    json!({ "name": self.name, "namespace": LEASES, "ownerReferences": [owner] });
                let lease = json!({ "metadata": metadata, "spec": spec });
                let lease: Lease =
                    serde_json::from_value(lease).map_err(kube::Error::SerdeError)?;
                leases.create(&PostParams::default(), &lease).await.map(drop)
            }
            result => result.map(drop),
        }
    }

    fn say(&self, reason: &'static str, message: &str) {
        let about = ObjectReference {
            kind: Some("Node".into()),
            name: Some(self.name.clone()),
            // As kubelets write it, and as `kubectl describe node` looks for it.
            uid: Some(self.name.clone()),
            ..ObjectReference::default()
        };
        self.recorder.say(&about, Kind::Normal, reason, message);
    }

    fn api(&self) -> Api<Object> {
        Api::all(self.client.clone())
    }
}

/// Whether the Node says of itself what a healthy kubelet says.
fn holds(node: &Object) -> bool {
    CONDITIONS
        .iter()
        .all(|(type_, status, ..)| known(node, type_).is_some_and(|known| known.status == *status))
}

fn known<'a>(node: &'a Object, type_: &str) -> Option<&'a NodeCondition> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|condition| condition.type_ == type_)
}

fn machine() -> Value {
    json!({
        "architecture": arch(),
        "operatingSystem": os(),
        "osImage": System::long_os_version().unwrap_or_default(),
        "kernelVersion": System::kernel_version().unwrap_or_default(),
        "containerRuntimeVersion": concat!("process://", env!("CARGO_PKG_VERSION")),
        "kubeletVersion": concat!("v", env!("CARGO_PKG_VERSION"), "+local-kube"),
        "kubeProxyVersion": "",
        "machineID": "", "systemUUID": "", "bootID": "",
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
