//! ResourceQuotas: what a namespace uses, and the refusal of what would exceed it.

mod usage;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use self::usage::{Usage, counts, matches_scopes, unspecified};
use crate::{
    LocalKube,
    kinds::Kind,
    quantity::Quantity,
    status::{self, Result},
    store::{Expect, Key, View},
};

pub(crate) const QUOTAS: &str = "resourcequotas";

/// Refuses a write that would break a quota of its namespace. `old` is `Null` for a creation; `view`
/// is the store before the write.
pub(crate) fn check(
    view: &View<'_>,
    kind: &Kind,
    key: &Key,
    old: &Value,
    new: &Value,
) -> Result<()> {
    match refusal(view, &kind.resource, &key.namespace, old, new) {
        None => Ok(()),
        Some(why) => Err(status::forbidden(kind.by_resource(), &key.name, &why)),
    }
}

fn refusal(
    view: &View<'_>,
    resource: &str,
    namespace: &str,
    old: &Value,
    new: &Value,
) -> Option<String> {
    for quota in view.objects(QUOTAS, namespace) {
        if !matches_scopes(quota, resource, new) {
            continue;
        }
        let hard = hard(quota);
        let name = quota["metadata"]["name"].as_str().unwrap_or_default();
        if old.is_null() && resource == "pods" {
            let missing = unspecified(hard.keys().map(String::as_str), new);
            if !missing.is_empty() {
                return Some(format!("failed quota: {name}: must specify {missing}"));
            }
        }
        let before = match matches_scopes(quota, resource, old) {
            true => counts(resource, old),
            false => Usage::new(),
        };
        let asked: BTreeMap<String, Quantity> = counts(resource, new)
            .into_iter()
            .map(|(key, after)| {
                let before = before.get(&key).copied().unwrap_or_default();
                (key, after - before)
            })
            .filter(|(key, more)| *more > Quantity::ZERO && hard.contains_key(key))
            .collect();
        if asked.is_empty() {
            continue;
        }
        let used =
            used(quota, |other, each| view.objects(other, namespace).for_each(each), resource);
        let now = |key: &str| used.get(key).copied().unwrap_or_default();
        let broken: Vec<(&String, &Quantity)> =
            asked.iter().filter(|(key, more)| now(key) + **more > hard[*key]).collect();
        if !broken.is_empty() {
            let list = |of: &dyn Fn(&str, Quantity) -> Quantity| {
                let parts = broken.iter().map(|(key, more)| format!("{key}={}", of(key, **more)));
                parts.collect::<Vec<_>>().join(",")
            };
            return Some(format!(
                "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
                list(&|_, more| more),
                list(&|key, _| now(key)),
                list(&|key, _| hard[key]),
            ));
        }
    }
    None
}

/// Keeps the status of every quota true until dropped.
pub(crate) async fn keep_status(kube: &LocalKube) {
    let mut writes = kube.store().any_write();
    loop {
        writes.borrow_and_update();
        for quota in kube.store().all(QUOTAS, None) {
            let mut value = quota.value.clone();
            let status = status(kube, &value);
            if value["status"] == status {
                continue;
            }
            value["status"] = status;
            let text = |field: &str| value["metadata"][field].as_str().unwrap_or_default();
            let key = Key { namespace: text("namespace").into(), name: text("name").into() };
            // Whoever wrote it meanwhile wakes us again.
            if kube.store().put(QUOTAS, &key, value, Expect::Version(quota.version)).is_err() {
                tracing::debug!(name = &*key.name, "a quota changed while its use was counted");
            }
        }
        if writes.changed().await.is_err() {
            return;
        }
    }
}

fn status(kube: &LocalKube, quota: &Value) -> Value {
    let namespace = quota["metadata"]["namespace"].as_str();
    let mut used_of = Usage::new();
    for resource in kube.kinds().resources().map(|kind| kind.resource.clone()) {
        let objects = |other: &str, each: &mut dyn FnMut(&Value)| {
            kube.store().all(other, namespace).iter().for_each(|object| each(&object.value));
        };
        used_of.extend(used(quota, objects, &resource));
    }
    let used: Map<String, Value> = hard(quota)
        .keys()
        .map(|key| {
            let amount = used_of.get(key).copied().unwrap_or_default();
            (key.clone(), json!(amount.to_string()))
        })
        .collect();
    json!({"hard": quota["spec"]["hard"], "used": used})
}

/// What the objects of one resource use of a quota.
fn used(quota: &Value, objects: impl Fn(&str, &mut dyn FnMut(&Value)), resource: &str) -> Usage {
    let hard = hard(quota);
    let mut used = Usage::new();
    if !usage::concerns(hard.keys().map(String::as_str), resource) {
        return used;
    }
    objects(resource, &mut |object| {
        if matches_scopes(quota, resource, object) {
            for (key, amount) in counts(resource, object) {
                let sum = used.entry(key).or_default();
                *sum = *sum + amount;
            }
        }
    });
    used
}

fn hard(quota: &Value) -> Usage {
    let hard = quota["spec"]["hard"].as_object().into_iter().flatten();
    hard.filter_map(|(key, amount)| Some((key.clone(), Quantity::of(amount)?))).collect()
}

#[cfg(test)]
mod tests;
