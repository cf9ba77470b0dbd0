//! Amounts of resources, and what Pods take of them.

use std::collections::BTreeMap;

use local_kube::quantity::Quantity;
use serde::Deserialize;
use serde_json::Value;

use super::matters;

/// By resource.
pub(crate) type Amounts = BTreeMap<String, Quantity>;

/// A Pod, as far as it takes up room: thousands of them are read at once.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodUsage {
    spec: Spec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: Option<String>,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
    overhead: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    resources: Resources,
    restart_policy: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Resources {
    requests: BTreeMap<String, Value>,
}

/// What is requested on each node.
pub(crate) type ByNode = BTreeMap<String, Amounts>;

/// Counts more Pods.
pub(super) fn count(nodes: &mut ByNode, pods: Vec<PodUsage>) {
    for pod in pods {
        let Some(node) = &pod.spec.node_name else { continue };
        let used = nodes.entry(node.clone()).or_default();
        add(used, &pod.requests());
    }
}

pub(super) fn add(sum: &mut Amounts, more: &Amounts) {
    for (resource, amount) in more {
        let entry = sum.entry(resource.clone()).or_default();
        *entry = *entry + *amount;
    }
}

/// Those that matter here.
pub(super) fn amounts<'a>(given: impl IntoIterator<Item = (&'a String, Value)>) -> Amounts {
    let known = given.into_iter().filter(|(resource, _)| matters(resource));
    known.filter_map(|(resource, value)| Some((resource.clone(), Quantity::of(&value)?))).collect()
}

/// As people say it: `3.9` CPUs, `15.6Gi` of memory, `2` devices.
pub(super) fn show(resource: &str, amount: Quantity) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
    let (number, unit) = match resource {
        "memory" => (amount.units() as f64 / f64::from(1 << 30), "Gi"),
        _ => (amount.millis() as f64 / 1000.0, ""),
    };
    let text = format!("{number:.1}");
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

impl PodUsage {
    /// The scheduler's sum: init containers run before the others, one by one, except for those that
    /// stay.
    pub(super) fn requests(&self) -> Amounts {
        let of = |it: &Container| {
            amounts(it.resources.requests.iter().map(|(name, it)| (name, it.clone())))
        };
        let (mut sum, mut highest) = (Amounts::new(), Amounts::new());
        for container in &self.spec.init_containers {
            let own = of(container);
            if container.restart_policy.as_deref() == Some("Always") {
                add(&mut sum, &own);
                raise(&mut highest, &sum);
            } else {
                let mut at_once = sum.clone();
                add(&mut at_once, &own);
                raise(&mut highest, &at_once);
            }
        }
        for container in &self.spec.containers {
            add(&mut sum, &of(container));
        }
        raise(&mut sum, &highest);
        add(&mut sum, &amounts(self.spec.overhead.iter().map(|(name, it)| (name, it.clone()))));
        sum
    }
}

fn raise(amounts: &mut Amounts, others: &Amounts) {
    for (resource, amount) in others {
        let entry = amounts.entry(resource.clone()).or_default();
        *entry = (*entry).max(*amount);
    }
}
