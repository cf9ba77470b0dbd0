//! Which Nodes a Pod may go to: selectors, affinity, taints.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, Taint, Toleration,
};

/// The first thing that keeps the Pod from the Node, whatever room there is.
pub(super) fn against(node: &Node, pod: &Pod) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let node_spec = node.spec.as_ref();
    if node_spec.is_some_and(|spec| spec.unschedulable == Some(true)) {
        return Some("node(s) were unschedulable".into());
    }
    if !ready(node) {
        return Some("node(s) were not ready".into());
    }
    let tolerations = spec.tolerations.as_deref().unwrap_or_default();
    let mut taints = node_spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    if let Some(taint) = taints.find(|taint| repels(taint, tolerations)) {
        let value = taint.value.as_deref().unwrap_or_default();
        return Some(format!("node(s) had untolerated taint {{{}: {value}}}", taint.key));
    }
    if !selected(node, spec) {
        return Some("node(s) didn't match Pod's node affinity/selector".into());
    }
    let affinity = spec.affinity.as_ref();
    let among_pods = affinity.is_some_and(|affinity| {
        let required = affinity
            .pod_affinity
            .as_ref()
            .and_then(|it| it.required_during_scheduling_ignored_during_execution.as_ref());
        let forbidden = affinity
            .pod_anti_affinity
            .as_ref()
            .and_then(|it| it.required_during_scheduling_ignored_during_execution.as_ref());
        [required, forbidden].into_iter().flatten().any(|terms| !terms.is_empty())
    });
    among_pods.then(|| {
        "node(s) could not be judged by required pod affinity, which the local cluster's scheduler does not know"
            .into()
    })
}

pub(super) fn ready(node: &Node) -> bool {
    let mut conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn repels(taint: &Taint, tolerations: &[Toleration]) -> bool {
    let strict = matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute");
    strict
        && !tolerations.iter().any(|toleration| {
            let effect = toleration.effect.as_deref().unwrap_or_default();
            let key = toleration.key.as_deref().unwrap_or_default();
            let exists = toleration.operator.as_deref() == Some("Exists");
            (effect.is_empty() || effect == taint.effect)
                && (key == taint.key || (key.is_empty() && exists))
                && (exists
                    || toleration.value.as_deref().unwrap_or_default()
                        == taint.value.as_deref().unwrap_or_default())
        })
}

fn selected(node: &Node, spec: &PodSpec) -> bool {
    let empty = BTreeMap::new();
    let labels = node.metadata.labels.as_ref().unwrap_or(&empty);
    let mut selector = spec.node_selector.iter().flatten();
    if !selector.all(|(key, value)| labels.get(key) == Some(value)) {
        return false;
    }
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity
        .and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    required.is_none_or(|required| {
        required.node_selector_terms.iter().any(|term| matches(term, node, labels))
    })
}

/// A term without requirements matches nothing.
fn matches(term: &NodeSelectorTerm, node: &Node, labels: &BTreeMap<String, String>) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let named =
        |key: &str| (key == "metadata.name").then_some(node.metadata.name.as_ref()).flatten();
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|requirement| holds(requirement, labels.get(&requirement.key)))
        && fields.iter().all(|requirement| holds(requirement, named(&requirement.key)))
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&String>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let numbers = || Some((value?.parse::<i64>().ok()?, values.first()?.parse::<i64>().ok()?));
    match requirement.operator.as_str() {
        "In" => value.is_some_and(|value| values.contains(value)),
        "NotIn" => value.is_none_or(|value| !values.contains(value)),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(value, bound)| value > bound),
        "Lt" => numbers().is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}
