//! What a Node offers, what Pods take of it, and what speaks against one more.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, Node, Pod},
    apimachinery::pkg::api::resource::Quantity as Written,
};

use super::selection;
use crate::quantity::Quantity;

/// By the resource's name.
pub(super) type Amounts = BTreeMap<String, Quantity>;

pub(super) struct Machine {
    node: Node,
    allocatable: Amounts,
    taken: Amounts,
}

impl Machine {
    pub(super) fn new(node: Node) -> Self {
        let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
        Self { allocatable: read(allocatable), taken: Amounts::new(), node }
    }

    pub(super) fn clear(&mut self) {
        self.taken.clear();
    }

    pub(super) fn take(&mut self, amounts: &Amounts) {
        for (name, amount) in amounts {
            let taken = self.taken.entry(name.clone()).or_default();
            *taken = *taken + *amount;
        }
    }

    pub(super) fn give_back(&mut self, amounts: &Amounts) {
        for (name, amount) in amounts {
            if let Some(taken) = self.taken.get_mut(name) {
                *taken = *taken - *amount;
            }
        }
    }

    pub(super) fn free(&self, resource: &str) -> Quantity {
        let of = |amounts: &Amounts| amounts.get(resource).copied().unwrap_or(Quantity::ZERO);
        of(&self.allocatable) - of(&self.taken)
    }

    /// Whether a Pod fares no better on `other` than here.
    pub(super) fn offers(&self, other: &Self) -> bool {
        self.allocatable == other.allocatable
            && self.node.metadata.labels == other.node.metadata.labels
            && self.node.spec == other.node.spec
            && selection::ready(&self.node) == selection::ready(&other.node)
    }

    /// Everything that keeps the Pod from this Node, in the scheduler's words.
    pub(super) fn against(&self, pod: &Pod, wanted: &Amounts) -> Vec<String> {
        if let Some(reason) = selection::against(&self.node, pod) {
            return vec![reason];
        }
        wanted
            .iter()
            .filter(|(name, amount)| **amount > Quantity::ZERO && **amount > self.free(name))
            .map(|(name, _)| match name.as_str() {
                "pods" => "Too many pods".to_owned(),
                name => format!("Insufficient {name}"),
            })
            .collect()
    }
}

/// What a Pod takes of its Node: its containers together, or its hungriest init container if that is more.
pub(super) fn requests(pod: &Pod) -> Amounts {
    let mut amounts = Amounts::new();
    let Some(spec) = &pod.spec else { return amounts };
    for container in &spec.containers {
        for (name, amount) in of_container(container) {
            let sum = amounts.entry(name).or_default();
            *sum = *sum + amount;
        }
    }
    for container in spec.init_containers.iter().flatten() {
        for (name, amount) in of_container(container) {
            let most = amounts.entry(name).or_default();
            *most = amount.max(*most);
        }
    }
    for (name, amount) in read(spec.overhead.as_ref()) {
        let sum = amounts.entry(name).or_default();
        *sum = *sum + amount;
    }
    amounts.insert("pods".into(), Quantity::whole(1));
    amounts
}

/// A resource with only a limit is requested as far as the limit.
fn of_container(container: &Container) -> Amounts {
    let resources = container.resources.as_ref();
    let mut amounts = read(resources.and_then(|resources| resources.limits.as_ref()));
    amounts.extend(read(resources.and_then(|resources| resources.requests.as_ref())));
    amounts
}

fn read(written: Option<&BTreeMap<String, Written>>) -> Amounts {
    let amounts = written.into_iter().flatten();
    amounts.filter_map(|(name, amount)| Some((name.clone(), Quantity::parse(&amount.0)?))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn machine() -> Machine {
        let node = json!({
            "metadata": { "name": "machine", "labels": { "disk": "ssd", "cores": "8" } },
            "spec": { "taints": [{ "key": "gpu", "value": "only", "effect": "NoSchedule" }] },
            "status": {
                "allocatable": { "cpu": "2", "memory": "1Gi", "pods": "2" },
                "conditions": [{ "type": "Ready", "status": "True" }],
            },
        });
        Machine::new(serde_json::from_value(node).unwrap())
    }

    fn pod(mut spec: serde_json::Value) -> Pod {
        spec["tolerations"] = json!([{ "key": "gpu", "operator": "Exists" }]);
        serde_json::from_value(json!({ "metadata": {}, "spec": spec })).unwrap()
    }

    fn asking(cpu: &str, memory: &str) -> Pod {
        let requests = json!({ "requests": { "cpu": cpu }, "limits": { "memory": memory } });
        pod(json!({ "containers": [{ "name": "main", "resources": requests }] }))
    }

    fn against(machine: &Machine, pod: &Pod) -> String {
        machine.against(pod, &requests(pod)).join(", ")
    }

    #[test]
    fn a_node_takes_pods_until_something_runs_out() {
        let mut machine = machine();
        let small = asking("1", "512Mi");
        assert_eq!(against(&machine, &small), "");
        machine.take(&requests(&small));
        assert_eq!(
            against(&machine, &asking("1500m", "600Mi")),
            "Insufficient cpu, Insufficient memory"
        );
        machine.take(&requests(&small));
        assert_eq!(
            against(&machine, &small),
            "Insufficient cpu, Insufficient memory, Too many pods"
        );
        machine.give_back(&requests(&small));
        assert_eq!(against(&machine, &small), "");
        let mut gpu = asking("1", "1Mi");
        let resources = gpu.spec.as_mut().unwrap().containers[0].resources.as_mut().unwrap();
        resources.limits = Some([("nvidia.com/gpu".to_owned(), Written("1".into()))].into());
        assert_eq!(against(&machine, &gpu), "Insufficient nvidia.com/gpu");
    }

    #[test]
    fn init_containers_count_one_at_a_time() {
        let step = |cpu: &str| json!({ "name": "s", "resources": { "requests": { "cpu": cpu } } });
        let pod =
            pod(json!({ "containers": [step("1")], "initContainers": [step("3"), step("2")] }));
        assert_eq!(requests(&pod)["cpu"], Quantity::whole(3));
    }

    #[test]
    fn labels_and_taints_decide() {
        let machine = machine();
        let selecting = |spec: serde_json::Value| {
            let mut spec = spec;
            spec["containers"] = json!([]);
            against(&machine, &pod(spec))
        };
        const NO_MATCH: &str = "node(s) didn't match Pod's node affinity/selector";
        let term = |key: &str, operator: &str, values: &[&str]| {
            let terms = json!([{ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] }]);
            json!({ "affinity": { "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } } } })
        };
        for (spec, expected) in [
            (json!({ "nodeSelector": { "disk": "ssd" } }), ""),
            (json!({ "nodeSelector": { "disk": "hdd" } }), NO_MATCH),
            (term("disk", "In", &["ssd", "nvme"]), ""),
            (term("disk", "NotIn", &["ssd"]), NO_MATCH),
            (term("zone", "Exists", &[]), NO_MATCH),
            (term("zone", "DoesNotExist", &[]), ""),
            (term("cores", "Gt", &["4"]), ""),
            (term("cores", "Lt", &["4"]), NO_MATCH),
        ] {
            assert_eq!(selecting(spec.clone()), expected, "{spec}");
        }
        let untolerating: Pod =
            serde_json::from_value(json!({ "metadata": {}, "spec": { "containers": [] } }))
                .unwrap();
        assert_eq!(against(&machine, &untolerating), "node(s) had untolerated taint {gpu: only}");
    }
}
