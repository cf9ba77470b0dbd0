//! Room for Pods of one shape: on how many nodes they fit, and what keeps them off the others.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Node, PodSpec, Taint, Toleration};
use kube::ResourceExt as _;
use local_kube::quantity::Quantity;
use serde_json::{Value, json};

use super::{
    nodes::{allocatable, closed, free, keeps_away},
    usage::{Amounts, ByNode, PodUsage, show},
};

/// How many Pods there is room for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// If nothing else ran.
    pub(crate) ever: u64,
    /// Beside what runs, where that can be seen.
    pub(crate) now: Option<u64>,
    /// Why nodes are out of the question, and how many of them.
    pub(crate) out: BTreeMap<String, usize>,
}

impl Room {
    pub(crate) fn of(nodes: &[Node], used: Option<&ByNode>, pod: &PodSpec) -> Self {
        let wanted = requests(pod);
        let mut room = Self { now: used.map(|_| 0), ..Self::default() };
        for node in nodes {
            let amounts = allocatable(node);
            let fit = fitting(&amounts, &wanted);
            let out = away(node, pod).or_else(|| (fit == 0).then(|| lacks(&amounts, &wanted)));
            if let Some(reason) = out {
                *room.out.entry(reason).or_default() += 1;
                continue;
            }
            room.ever += fit;
            if let (Some(used), Some(now)) = (used, &mut room.now) {
                *now += fitting(&free(&amounts, used.get(&node.name_any())), &wanted);
            }
        }
        room
    }
}

/// What the scheduler sets aside for a Pod.
pub(crate) fn requests(pod: &PodSpec) -> Amounts {
    let mut pod = json!({"spec": pod});
    // The API server takes a limit for a request where there is none.
    for kind in ["/spec/containers", "/spec/initContainers"] {
        let containers = pod.pointer_mut(kind).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let of = |kind: &str| container["resources"][kind].as_object().cloned();
            let mut requests = of("limits").unwrap_or_default();
            requests.extend(of("requests").unwrap_or_default());
            container["resources"] = json!({"requests": requests});
        }
    }
    let usage: PodUsage = serde_json::from_value(pod)
        .expect("a Pod has what is read of it in the form in which it is read");
    let mut requests = usage.requests();
    requests.retain(|_, amount| *amount > Quantity::ZERO);
    requests
}

/// As many as the scarcest resource allows.
fn fitting(free: &Amounts, wanted: &Amounts) -> u64 {
    /// What a node's kubelet takes, whatever Pods ask for.
    const MOST: u64 = 110;
    let of = |(resource, amount): (&String, &Quantity)| {
        let free = free.get(resource).copied().unwrap_or_default().millis();
        u64::try_from(free / amount.millis().max(1)).unwrap_or(0)
    };
    wanted.iter().map(of).min().unwrap_or(MOST).min(MOST)
}

/// What of a node is too little, the rarest first.
fn lacks(amounts: &Amounts, wanted: &Amounts) -> String {
    let missing = wanted.keys().find(|it| !amounts.contains_key(*it));
    if let Some(missing) = missing {
        return format!("have no {missing}");
    }
    let small = wanted.iter().find(|(resource, amount)| amounts[*resource] < **amount);
    small.map_or_else(
        || "are too small".to_owned(),
        |(resource, amount)| {
            format!("have less than the {} {resource} that each Pod needs", show(resource, *amount))
        },
    )
}

/// Why no Pod of the kind comes to the node, however empty it is.
fn away(node: &Node, pod: &PodSpec) -> Option<String> {
    if let Some(closed) = closed(node) {
        return Some(format!("are {closed}"));
    }
    let selected = pod.node_selector.iter().flatten();
    let wrong = selected.clone().find(|(name, value)| node.labels().get(*name) != Some(value));
    if let Some((name, value)) = wrong {
        return Some(format!("lack the label {name}={value}"));
    }
    let taints = node.spec.iter().flat_map(|it| it.taints.iter().flatten());
    let tolerations = pod.tolerations.as_deref().unwrap_or_default();
    let taint = taints
        .filter(|it| keeps_away(it))
        .find(|taint| !tolerations.iter().any(|it| tolerates(it, taint)))?;
    let value = taint.value.as_deref().unwrap_or_default();
    Some(format!("have the taint {}={value}:{}, which is not tolerated", taint.key, taint.effect))
}

/// As the scheduler reads it: no key means all, no effect means any.
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let empty = |it: &Option<String>| it.as_deref().is_none_or(str::is_empty);
    let effect = empty(&toleration.effect) || toleration.effect.as_ref() == Some(&taint.effect);
    let key = empty(&toleration.key) || toleration.key.as_ref() == Some(&taint.key);
    let value = toleration.operator.as_deref() == Some("Exists")
        || toleration.value.as_deref().unwrap_or_default()
            == taint.value.as_deref().unwrap_or_default();
    effect && key && value
}

/// What a Pod asks for, as people say it.
pub(crate) fn shown(amounts: &Amounts) -> String {
    let each: Vec<String> = amounts
        .iter()
        .map(|(resource, it)| format!("{} {resource}", show(resource, *it)))
        .collect();
    if each.is_empty() { "nothing".to_owned() } else { each.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, allocatable: Value, spec: Value, labels: Value) -> Node {
        serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}, "spec": spec,
            "status": {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]}}))
        .unwrap()
    }

    fn pod(more: Value) -> PodSpec {
        let mut pod = json!({"containers": [{"name": "node", "resources": {"limits": {"nvidia.com/gpu": "2"}, "requests": {"cpu": "2"}}}]});
        pod.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn what_runs_is_counted_and_what_keeps_pods_off_is_told() {
        let gpus = json!({"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "4"});
        let taint = json!({"taints": [{"key": "gpu", "value": "a", "effect": "NoSchedule"}]});
        let nodes = [
            node("free", gpus.clone(), json!({}), json!({"zone": "a"})),
            node("busy", gpus.clone(), json!({}), json!({"zone": "a"})),
            node("tainted", gpus.clone(), taint, json!({"zone": "a"})),
            node("elsewhere", gpus.clone(), json!({}), json!({"zone": "b"})),
            node("cordoned", gpus, json!({"unschedulable": true}), json!({"zone": "a"})),
            node("cpus", json!({"cpu": "64"}), json!({}), json!({"zone": "a"})),
            node(
                "small",
                json!({"cpu": "1", "nvidia.com/gpu": "8"}),
                json!({}),
                json!({"zone": "a"}),
            ),
        ];
        let used = ByNode::from([("busy".to_owned(), requests(&pod(json!({}))))]);
        let wish = pod(json!({"nodeSelector": {"zone": "a"}}));
        let room = Room::of(&nodes, Some(&used), &wish);
        assert_eq!((room.ever, room.now), (4, Some(3)));
        let out: Vec<&str> = room.out.keys().map(String::as_str).collect();
        assert_eq!(
            out,
            [
                "are cordoned",
                "have less than the 2 cpu that each Pod needs",
                "have no nvidia.com/gpu",
                "have the taint gpu=a:NoSchedule, which is not tolerated",
                "lack the label zone=a",
            ]
        );
        let tolerant = pod(json!({"tolerations": [{"key": "gpu", "operator": "Exists"}]}));
        assert_eq!(Room::of(&nodes, None, &tolerant).ever, 8);
        assert_eq!(Room::of(&nodes, None, &tolerant).now, None);
    }
}
