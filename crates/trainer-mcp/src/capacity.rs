//! What the cluster has for training jobs, and how much of it is free.

mod nodes;
pub(crate) mod queues;
mod room;
mod usage;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Node, ResourceQuota},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::{
    api::ListParams,
    core::{ObjectList, Request},
};
use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::{
    diagnosis::{MOST_NODES, NODES, QUOTAS},
    pods::PODS,
    train_job::runtime::is_device,
};

use crate::capacity::{
    nodes::{Group, Total},
    queues::{LOCAL_QUEUES, Queue},
    usage::{Amounts, ByNode, PodUsage},
};

pub(crate) use self::{
    nodes::SIGNS,
    room::{Room, requests, shown},
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<GetClusterResources>()];

/// Pods are read in pages, and of a page only the sums are kept: memory stays the same.
const PAGE: u32 = 500;
const PAGES: u32 = 40;
/// Pods that take up room.
const LIVING: &str = "status.phase!=Succeeded,status.phase!=Failed";
const MOST_GROUPS: usize = 12;
const MOST_QUOTAS: usize = 10;

/// Shows nodes by kind, with CPUs, memory and devices of any vendor, what is free of them, and the
/// namespace's quotas and queues. Call it before choosing a job's size.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetClusterResources {
    /// Whose; default: yours.
    namespace: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct ClusterResources {
    /// How many nodes take Pods, of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    schedulable_nodes: Option<String>,
    /// Over all nodes that take Pods.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    total: BTreeMap<String, Total>,
    /// Nodes of one kind each, those with devices first.
    nodes: Vec<Group>,
    /// How many more kinds of nodes there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    kinds_not_shown: Option<usize>,
    /// What the namespace may use.
    quotas: Vec<Quota>,
    /// Kueue's, of the namespace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queues: Vec<Queue>,
    /// What the namespace's own Pods ask for, where not all Pods can be seen.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    own_pods: BTreeMap<String, String>,
    /// What could not be seen, and what that means for the numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unseen: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Quota {
    name: String,
    /// `used of hard`, by resource.
    limits: BTreeMap<String, String>,
}

impl Tool for GetClusterResources {
    type Output = ClusterResources;
    const NAME: &str = "get_cluster_resources";
    const TITLE: &str = "Show what the cluster has free";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[
        Need::perhaps(&["list"], NODES),
        Need::perhaps(&["list"], PODS),
        Need::perhaps(&["list"], QUOTAS),
        Need::borrowed(&["list"], LOCAL_QUEUES),
    ];

    async fn call(self, caller: &Caller) -> Result<ClusterResources> {
        let (nodes, quotas) =
            (caller.cluster_api::<Node>(), caller.api::<ResourceQuota>(self.namespace.as_deref()));
        let (few, all) = (ListParams::default().limit(MOST_NODES), ListParams::default());
        let namespace = caller.namespace(self.namespace.as_deref());
        let (nodes, taken, quotas, queues) = futures::join!(
            seen(nodes.list(&few)),
            seen(taken(caller, PAGE, PAGES)),
            seen(quotas.list(&all)),
            seen(queues::of(caller, namespace))
        );
        let (nodes, taken, quotas, queues) = (nodes?, taken?, quotas?, queues?);
        let mut unseen = Vec::new();
        if nodes.is_none() {
            unseen.push(
                "nodes: you may not list them, so only what the namespace has is known".to_owned(),
            );
        } else if taken.is_none() {
            unseen.push(
                "other people's Pods: you may not list all, so what is free is unknown".to_owned(),
            );
        } else if let Some(beyond) = taken.as_ref().and_then(|it| it.beyond) {
            unseen.push(format!("Pods beyond {beyond}: less is free than is said"));
        }
        if quotas.is_none() {
            unseen.push("quotas: you may not list them".to_owned());
        }
        if queues.is_none() {
            unseen.push("Kueue's queues: you may not list them".to_owned());
        }
        let own_pods = match (&nodes, &taken) {
            (Some(_), Some(_)) => BTreeMap::new(),
            _ => match seen(own_pods(caller, namespace)).await? {
                Some(own) => own,
                None => {
                    unseen.push("your own Pods: you may not list them".to_owned());
                    BTreeMap::new()
                }
            },
        };
        let used = taken.map(|it| it.by_node);
        let nodes: Option<Vec<Node>> = nodes.map(|it| it.items);
        let groups = nodes::groups(nodes.as_deref().unwrap_or_default(), used.as_ref());
        let (taking, all) =
            (groups.iter().map(|it| it.taking()).sum::<usize>(), nodes.as_ref().map(Vec::len));
        let mut quotas: Vec<Quota> =
            quotas.into_iter().flat_map(|it| it.items).map(Quota::of).collect();
        quotas.truncate(MOST_QUOTAS);
        Ok(ClusterResources {
            schedulable_nodes: all.map(|all| format!("{taking} of {all}")),
            total: nodes::total(&groups),
            kinds_not_shown: groups.len().checked_sub(MOST_GROUPS).filter(|it| *it > 0),
            nodes: groups.into_iter().take(MOST_GROUPS).collect(),
            quotas,
            queues: queues.unwrap_or_default(),
            own_pods,
            unseen,
        })
    }
}

/// How many living Pods the namespace has, and what they ask for together.
async fn own_pods(caller: &Caller, namespace: &str) -> kube::Result<BTreeMap<String, String>> {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let request = Request::new(path).list(&ListParams::default().fields(LIVING).limit(PAGE));
    let request = request.map_err(kube::Error::BuildRequest)?;
    let found: ObjectList<PodUsage> = caller.client().request(request).await?;
    let mut sum = Amounts::new();
    found.items.iter().for_each(|it| usage::add(&mut sum, &it.requests()));
    let mut own: BTreeMap<String, String> = sum
        .into_iter()
        .map(|(resource, it)| (resource.clone(), usage::show(&resource, it)))
        .collect();
    let more =
        if found.metadata.continue_.is_some_and(|it| !it.is_empty()) { " and more" } else { "" };
    own.insert("pods".to_owned(), format!("{}{more}", found.items.len()));
    Ok(own)
}

/// Without the right, or where the policy keeps to some namespaces, there is nothing to see.
async fn seen<T>(request: impl Future<Output = kube::Result<T>>) -> Result<Option<T>> {
    match request.await {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if [403, 404].contains(&status.code) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What Pods take.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) by_node: ByNode,
    /// How many Pods were looked at, where there are more.
    pub(crate) beyond: Option<usize>,
}

/// Of all Pods that take up room, in so many requests at most.
pub(crate) async fn taken(caller: &Caller, page: u32, pages: u32) -> kube::Result<Taken> {
    let mut params = ListParams::default().fields(LIVING).limit(page);
    let (mut taken, mut seen) = (Taken::default(), 0);
    for _ in 0..pages {
        let request = Request::new("/api/v1/pods").list(&params);
        let request = request.map_err(kube::Error::BuildRequest)?;
        let page: ObjectList<PodUsage> = match caller.client().request(request).await {
            Ok(page) => page,
            // The token of the next page has expired: what is known is better than nothing.
            Err(kube::Error::Api(status)) if status.code == 410 && seen > 0 => break,
            Err(error) => return Err(error),
        };
        seen += page.items.len();
        usage::count(&mut taken.by_node, page.items);
        params.continue_token = page.metadata.continue_.filter(|it| !it.is_empty());
        if params.continue_token.is_none() {
            return Ok(taken);
        }
    }
    taken.beyond = Some(seen);
    Ok(taken)
}

impl Quota {
    fn of(quota: ResourceQuota) -> Self {
        let name = quota.metadata.name.unwrap_or_default();
        let status = quota.status.unwrap_or_default();
        let hard = status.hard.or(quota.spec.and_then(|it| it.hard)).unwrap_or_default();
        let used = status.used.unwrap_or_default();
        let limit = |(resource, hard): (String, Quantity)| {
            let used = used.get(&resource).map_or("0", |it| &it.0);
            let text = format!("{used} of {}", hard.0);
            (resource, text)
        };
        Self { name, limits: hard.into_iter().map(limit).collect() }
    }
}

/// Whether a resource is worth a word when a job's size is chosen.
fn matters(resource: &str) -> bool {
    ["cpu", "memory"].contains(&resource) || is_device(resource)
}

#[cfg(test)]
mod tests;
