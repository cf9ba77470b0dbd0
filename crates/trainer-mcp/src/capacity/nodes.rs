//! Nodes, in groups of one kind: hundreds of them are a few rows.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, Taint};
use kube::ResourceExt as _;
use kubeflow_mcp_core::Sign;
use local_kube::quantity::Quantity;
use schemars::JsonSchema;
use serde::Serialize;
use workloads::train_job::runtime::is_device;

use super::usage::{Amounts, add, amounts, show};

/// What is concluded from of nodes.
pub(crate) const SIGNS: [Sign; 4] = [READY, PRODUCT[0], PRODUCT[1], PRODUCT[2]];

const READY: Sign = Sign::seen("Ready");
/// Where vendors say which model a node's devices are.
const PRODUCT: [Sign; 3] = [
    Sign::documented(
        "nvidia.com/gpu.product",
        "NVIDIA/k8s-device-plugin docs/gpu-feature-discovery/README.md",
    ),
    Sign::documented(
        "amd.com/gpu.product-name",
        "ROCm/k8s-device-plugin cmd/k8s-node-labeller/README.md",
    ),
    Sign::documented(
        "cloud.google.com/gke-accelerator",
        "cloud.google.com/kubernetes-engine/docs/how-to/gpus",
    ),
];
const INSTANCE: &str = "node.kubernetes.io/instance-type";

/// Nodes with the same hardware that take the same Pods.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Group {
    count: usize,
    /// The first few.
    names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_model: Option<String>,
    /// What Pods must tolerate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    taints: Vec<String>,
    /// Why they take no Pods at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<&'static str>,
    /// What one of them offers to Pods.
    each: BTreeMap<String, String>,
    /// What is free on all of them together.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    free: BTreeMap<String, String>,
    /// What is free on the emptiest: a rank must fit on one node.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    most_free_on_one: BTreeMap<String, String>,
    #[serde(skip)]
    allocatable_sum: Amounts,
    #[serde(skip)]
    free_sum: Option<Amounts>,
}

/// One resource, of all nodes that take Pods.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Total {
    allocatable: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    free: Option<String>,
}

impl Group {
    /// How many of them take Pods.
    pub(super) fn taking(&self) -> usize {
        if self.closed.is_none() { self.count } else { 0 }
    }
}

/// What nodes of one group have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    closed: Option<&'static str>,
    instance_type: Option<String>,
    device_model: Option<String>,
    taints: Vec<String>,
    /// Rounded as they are shown, since no two nodes keep exactly the same memory to themselves.
    each: BTreeMap<String, String>,
}

/// `used` is what Pods take of each node, where that can be seen.
pub(super) fn groups(nodes: &[Node], used: Option<&BTreeMap<String, Amounts>>) -> Vec<Group> {
    let mut kinds: BTreeMap<Kind, Vec<(&Node, Amounts)>> = BTreeMap::new();
    for node in nodes {
        let allocatable = allocatable(node);
        kinds.entry(Kind::of(node, &allocatable)).or_default().push((node, allocatable));
    }
    let mut groups: Vec<Group> =
        kinds.into_iter().map(|(kind, nodes)| group(kind, &nodes, used)).collect();
    let has_devices = |it: &Group| it.each.keys().any(|it| is_device(it));
    groups.sort_by_key(|it| (it.closed.is_some(), !has_devices(it), std::cmp::Reverse(it.count)));
    groups
}

fn group(
    kind: Kind,
    nodes: &[(&Node, Amounts)],
    used: Option<&BTreeMap<String, Amounts>>,
) -> Group {
    let mut allocatable_sum = Amounts::new();
    let mut free_sum = used.map(|_| Amounts::new());
    let mut most = Amounts::new();
    for (node, allocatable) in nodes {
        add(&mut allocatable_sum, allocatable);
        if let (Some(used), Some(sum)) = (used, &mut free_sum) {
            let free = free(allocatable, used.get(&node.name_any()));
            add(sum, &free);
            // The emptiest by what is scarcest: devices before CPUs.
            let rank = |it: &Amounts| {
                let devices =
                    it.iter().filter(|(name, _)| is_device(name)).map(|(_, it)| *it).max();
                (devices, it.get("cpu").copied(), it.get("memory").copied())
            };
            if rank(&free) > rank(&most) {
                most = free;
            }
        }
    }
    let mut names: Vec<String> = nodes.iter().take(3).map(|(node, _)| node.name_any()).collect();
    names.sort_unstable();
    Group {
        count: nodes.len(),
        names,
        instance_type: kind.instance_type,
        device_model: kind.device_model,
        taints: kind.taints,
        closed: kind.closed,
        each: kind.each,
        free: shown(free_sum.as_ref()),
        most_free_on_one: if nodes.len() > 1 { shown(Some(&most)) } else { BTreeMap::new() },
        allocatable_sum,
        free_sum,
    }
}

pub(super) fn total(groups: &[Group]) -> BTreeMap<String, Total> {
    let open = || groups.iter().filter(|it| it.closed.is_none());
    let mut allocatable = Amounts::new();
    open().for_each(|it| add(&mut allocatable, &it.allocatable_sum));
    let mut free = Amounts::new();
    open().filter_map(|it| it.free_sum.as_ref()).for_each(|it| add(&mut free, it));
    let total = |(resource, amount): (String, Quantity)| {
        let free = free.get(&resource).map(|it| show(&resource, *it));
        let total = Total { allocatable: show(&resource, amount), free };
        (resource, total)
    };
    allocatable.into_iter().map(total).collect()
}

impl Kind {
    fn of(node: &Node, allocatable: &Amounts) -> Self {
        let label = |name: &str| node.labels().get(name).cloned();
        let spec = node.spec.clone().unwrap_or_default();
        let taints = spec.taints.iter().flatten().filter(|it| keeps_away(it));
        // Kubernetes' own taints say again what `closed` says.
        let taints = taints.filter(|it| !it.key.starts_with("node.kubernetes.io/"));
        let mut taints: Vec<String> = taints
            .map(|it| match it.value.as_deref().filter(|it| !it.is_empty()) {
                Some(value) => format!("{}={value}:{}", it.key, it.effect),
                None => format!("{}:{}", it.key, it.effect),
            })
            .collect();
        taints.sort_unstable();
        Self {
            closed: closed(node),
            instance_type: label(INSTANCE),
            device_model: PRODUCT.iter().find_map(|it| label(it.name)),
            taints,
            each: allocatable.iter().map(|(name, it)| (name.clone(), rounded(name, *it))).collect(),
        }
    }
}

/// Why a node takes no Pods at all.
pub(super) fn closed(node: &Node) -> Option<&'static str> {
    let mut conditions = node.status.iter().flat_map(|it| it.conditions.iter().flatten());
    let ready = conditions.any(|it| it.type_ == READY.name && it.status == "True");
    let cordoned = node.spec.as_ref().is_some_and(|it| it.unschedulable == Some(true));
    match (ready, cordoned) {
        (false, _) => Some("not ready"),
        (true, true) => Some("cordoned"),
        (true, false) => None,
    }
}

/// Whether a taint is more than advice.
pub(super) fn keeps_away(taint: &Taint) -> bool {
    taint.effect == "NoSchedule" || taint.effect == "NoExecute"
}

/// Memory to whole GiB, where there are several.
fn rounded(resource: &str, amount: Quantity) -> String {
    const GIB: i64 = 1 << 30;
    let memory = amount.units();
    if resource == "memory" && memory >= 8 * GIB {
        return format!("{}Gi", (memory + GIB / 2) / GIB);
    }
    show(resource, amount)
}

pub(super) fn allocatable(node: &Node) -> Amounts {
    let status = node.status.as_ref();
    let allocatable = status.and_then(|it| it.allocatable.as_ref().or(it.capacity.as_ref()));
    amounts(allocatable.into_iter().flatten().map(|(name, it)| (name, it.0.clone().into())))
}

/// What Pods ask for beyond what there is, as after a resource was taken away, is nothing free.
pub(super) fn free(allocatable: &Amounts, used: Option<&Amounts>) -> Amounts {
    let left = |(resource, amount): (&String, &Quantity)| {
        let used = used.and_then(|it| it.get(resource)).copied().unwrap_or_default();
        (resource.clone(), (*amount - used).max(Quantity::ZERO))
    };
    allocatable.iter().map(left).collect()
}

fn shown(amounts: Option<&Amounts>) -> BTreeMap<String, String> {
    let amounts = amounts.into_iter().flatten();
    amounts.map(|(resource, it)| (resource.clone(), show(resource, *it))).collect()
}
