//! Nodes that nothing runs on: Pods can be bound to them and stay as they are.

use std::time::Duration;

use super::objects::MILLICPUS;
use anyhow::Context as _;
use futures::future::try_join_all;
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Node},
    jiff::Timestamp,
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::interval};

const COUNT: usize = 20;
pub(super) const KIND: &str = "hollow";
const CPUS: usize = 256;
/// The controller manager gives up a node that is silent for 40 s.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// The nodes, and what keeps them alive.
pub(super) struct Nodes(JoinHandle<()>);

/// The node of a job's Pods.
pub(super) fn name(number: usize) -> String {
    format!("hollow-{}", number % COUNT)
}

/// What of all their CPUs is free when so many Pods are on them.
pub(super) fn free_cpus(pods: usize) -> String {
    let tenths = COUNT * CPUS * 10 - pods * MILLICPUS / 100;
    let text = format!("{}.{}", tenths / 10, tenths % 10);
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

impl Nodes {
    pub(super) async fn register(client: &Client) -> anyhow::Result<Self> {
        let nodes: Api<Node> = Api::all(client.clone());
        let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
        for number in 0..COUNT {
            let node = serde_json::from_value(node(&name(number)))?;
            nodes.create(&PostParams::default(), &node).await.context("a node")?;
        }
        renew(&leases).await?;
        let renewing = tokio::spawn(async move {
            let mut ticks = interval(SIGN_OF_LIFE);
            loop {
                ticks.tick().await;
                // The next one may succeed; a node that is lost shows in what is measured.
                let _ = renew(&leases).await;
            }
        });
        Ok(Self(renewing))
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A node that says it is ready, and that no other Pods are put on.
fn node(name: &str) -> Value {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let room =
        json!({"cpu": CPUS.to_string(), "memory": "512Gi", "pods": "2000", "nvidia.com/gpu": "8"});
    json!({
        "metadata": {"name": name, "labels": {"node.kubernetes.io/instance-type": KIND}},
        "spec": {"taints": [{"key": "example.com/hollow", "effect": "NoSchedule"}]},
        "status": {
            "capacity": room, "allocatable": room,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}, // where nobody listens
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "",
                "lastHeartbeatTime": now, "lastTransitionTime": now,
            }],
        },
    })
}

async fn renew(leases: &Api<Lease>) -> anyhow::Result<()> {
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    let renewal = |number| {
        let name = name(number);
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": name},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now},
        });
        async move {
            leases.patch(&name, &PatchParams::apply("bench").force(), &Patch::Apply(lease)).await
        }
    };
    try_join_all((0..COUNT).map(renewal)).await?;
    Ok(())
}
