//! What one object counts against a quota.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::quantity::Quantity;

/// Amounts by the names that quotas have for them.
pub(super) type Usage = BTreeMap<String, Quantity>;

/// Resources that are also counted by their plain name.
const PLAIN: [&str; 6] =
    ["configmaps", "persistentvolumeclaims", "pods", "resourcequotas", "secrets", "services"];

/// What Pods ask for that a quota may demand of every container.
const DEMANDED: [&str; 8] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
];

/// Everything that an object counts; nothing for `Null`.
pub(super) fn counts(resource: &str, object: &Value) -> Usage {
    let mut usage = Usage::new();
    if object.is_null() {
        return usage;
    }
    let one = Quantity::whole(1);
    usage.insert(format!("count/{resource}"), one);
    match resource {
        "pods" if has_ended(object) => {}
        "pods" => {
            usage.insert("pods".into(), one);
            compute(&object["spec"], &mut usage);
        }
        "persistentvolumeclaims" => {
            usage.insert(resource.into(), one);
            if let Some(storage) =
                object.pointer("/spec/resources/requests/storage").and_then(Quantity::of)
            {
                usage.insert("requests.storage".into(), storage);
            }
        }
        plain if PLAIN.contains(&plain) => drop(usage.insert(plain.into(), one)),
        _ => {}
    }
    usage
}

/// Whether any of the quota's keys is about this resource.
pub(super) fn concerns<'k>(mut keys: impl Iterator<Item = &'k str>, resource: &str) -> bool {
    let counted = |key: &str| key.strip_prefix("count/") == Some(resource);
    keys.any(|key| match resource {
        "pods" => {
            counted(key)
                || (!key.starts_with("count/") && !key.contains("storage")
                    || key.contains("ephemeral"))
        }
        "persistentvolumeclaims" => counted(key) || key == resource || key == "requests.storage",
        plain => counted(key) || key == plain,
    })
}

fn has_ended(pod: &Value) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

fn containers<'v>(spec: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    spec[field].as_array().into_iter().flatten()
}

/// A Pod needs the sum of its containers, or the most of any that runs before them.
fn compute(spec: &Value, usage: &mut Usage) {
    for kind in ["requests", "limits"] {
        let mut total = Usage::new();
        for container in containers(spec, "containers") {
            for (name, amount) in amounts(container, kind) {
                let sum = total.entry(name).or_default();
                *sum = *sum + amount;
            }
        }
        for container in containers(spec, "initContainers") {
            for (name, amount) in amounts(container, kind) {
                let most = total.entry(name).or_default();
                *most = amount.max(*most);
            }
        }
        for (name, amount) in total {
            if kind == "requests" && DEMANDED.contains(&name.as_str()) {
                usage.insert(name.clone(), amount);
            }
            usage.insert(format!("{kind}.{name}"), amount);
        }
    }
}

fn amounts(container: &Value, kind: &str) -> impl Iterator<Item = (String, Quantity)> {
    let amounts = container["resources"][kind].as_object().into_iter().flatten();
    amounts.filter_map(|(name, amount)| Some((name.clone(), Quantity::of(amount)?)))
}

/// What the quota counts and containers of a new Pod do not say: `limits.cpu for: a,b; …`.
pub(super) fn unspecified<'k>(keys: impl Iterator<Item = &'k str>, pod: &Value) -> String {
    let demanded = keys.filter(|key| DEMANDED.contains(key));
    let missing = demanded.filter_map(|key| {
        let (kind, name) = key.split_once('.').unwrap_or(("requests", key));
        let without: Vec<&str> = containers(&pod["spec"], "initContainers")
            .chain(containers(&pod["spec"], "containers"))
            .filter(|container| container["resources"][kind][name].is_null())
            .filter_map(|container| container["name"].as_str())
            .collect();
        (!without.is_empty()).then(|| format!("{key} for: {}", without.join(",")))
    });
    missing.collect::<Vec<_>>().join("; ")
}

/// Whether an object falls under the scopes of a quota, which speak of Pods alone.
pub(super) fn matches_scopes(quota: &Value, resource: &str, object: &Value) -> bool {
    let spec = &quota["spec"];
    let plain = spec["scopes"].as_array().into_iter().flatten();
    let selected = spec["scopeSelector"]["matchExpressions"].as_array().into_iter().flatten();
    let holds = |scope: &Value, expression: &Value| {
        if resource != "pods" || object.is_null() {
            return false;
        }
        let pod = &object["spec"];
        let bounded = !pod["activeDeadlineSeconds"].is_null();
        let best_effort = object["status"]["qosClass"] == "BestEffort";
        match scope.as_str().unwrap_or_default() {
            "Terminating" => bounded,
            "NotTerminating" => !bounded,
            "BestEffort" => best_effort,
            "NotBestEffort" => !best_effort,
            "PriorityClass" => chosen(&pod["priorityClassName"], expression),
            _ => false,
        }
    };
    plain.into_iter().all(|scope| holds(scope, &Value::Null))
        && selected.into_iter().all(|expression| holds(&expression["scopeName"], expression))
}

fn chosen(class: &Value, expression: &Value) -> bool {
    let among = || expression["values"].as_array().is_some_and(|values| values.contains(class));
    match expression["operator"].as_str().unwrap_or("Exists") {
        "In" => among(),
        "NotIn" => !among(),
        "DoesNotExist" => class.is_null(),
        _ => !class.is_null(),
    }
}
