//! An applied configuration merged into the live object, and fields taken out of it again.

use serde_json::Value;

use super::fields::{Fields, edge};
use crate::lists::{ListKind, Shape};

pub(super) fn merge<'v>(
    live: &mut Value,
    wanted: &'v Value,
    shape: Shape<'_>,
    path: &mut Vec<&'v str>,
) {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) if !shape.is_atomic_map(path) => {
            for (name, wanted) in wanted {
                match live.get_mut(name) {
                    Some(live) => {
                        path.push(name);
                        merge(live, wanted, shape.field(name), path);
                        path.pop();
                    }
                    None => drop(live.insert(name.clone(), wanted.clone())),
                }
            }
        }
        (Value::Array(live), Value::Array(wanted)) if shape.list(path) != ListKind::Atomic => {
            let kind = shape.list(path);
            for item in wanted {
                let own = edge(item, &kind, shape);
                match live.iter_mut().find(|live| edge(live, &kind, shape) == own) {
                    Some(live) => merge(live, item, shape.item(), path),
                    None => live.push(item.clone()),
                }
            }
        }
        (live, wanted) => *live = wanted.clone(),
    }
}

/// Removes the fields that are `gone`, but nothing that is `kept`. What is left empty goes as well:
/// then the answer is true.
pub(super) fn remove<'v>(
    value: &mut Value,
    gone: &'v Fields,
    kept: &Fields,
    shape: Shape<'_>,
    path: &mut Vec<&'v str>,
) -> bool {
    if gone.owns() && kept.is_empty() {
        return true;
    }
    match value {
        Value::Object(object) if !object.is_empty() => {
            for (edge, gone) in gone.below() {
                let Some(name) = edge.strip_prefix("f:") else { continue };
                let Some(value) = object.get_mut(name) else { continue };
                path.push(name);
                let emptied = remove(value, gone, &kept.at(edge), shape.field(name), path);
                path.pop();
                if emptied {
                    object.remove(name);
                }
            }
            object.is_empty() && !kept.owns()
        }
        Value::Array(list) if !list.is_empty() => {
            let kind = shape.list(path);
            if kind == ListKind::Atomic {
                return false;
            }
            list.retain_mut(|item| {
                let Some(own) = edge(item, &kind, shape) else { return true };
                match gone.below().find(|(edge, _)| *edge == own) {
                    Some((_, gone)) => !remove(item, gone, &kept.at(&own), shape.item(), path),
                    None => true,
                }
            });
            list.is_empty() && !kept.owns()
        }
        _ => false,
    }
}
