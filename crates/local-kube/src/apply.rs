//! Server-side apply, and the record of which manager set which field.

mod fields;
mod managers;
mod merge;

use kube::core::{Status, response::StatusDetails};
use serde_json::Value;

pub use self::managers::Manager;
use self::{
    fields::{Fields, compare},
    managers::Managers,
};
use crate::{
    lists::Shape,
    status::{self, Result, bad_request, cause},
};

/// The object that the manager's configuration makes of the live one (`Null` if there is none yet),
/// with `managedFields` that say so. Not yet defaulted or validated.
pub fn apply(
    live: &Value,
    configuration: &Value,
    manager: &Manager<'_>,
    force: bool,
    shape: Shape<'_>,
    now: &str,
) -> Result<Value> {
    if configuration["metadata"].get("managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(bad_request("metadata.managedFields must be nil"));
    }
    let mut configuration = configuration.clone();
    drop_nulls(&mut configuration);
    let mut wanted = Fields::of(&configuration, shape, &mut Vec::new())
        .map_err(|why| untypable(&configuration, &why))?;
    wanted.strip_identity();
    let mut managers = Managers::of(live);
    let before = managers.take(manager);

    let mut merged = live.clone();
    merge::merge(&mut merged, &configuration, shape, &mut Vec::new());
    let (changed, _) = compare(live, &merged, shape);
    let conflicts = managers.owning(&changed);
    if !conflicts.is_empty() && !force {
        return Err(conflict(&conflicts));
    }
    for (_, fields) in &conflicts {
        managers.disown_all(fields);
    }
    let kept = managers.all().union(&wanted);
    let gone = before.without(&kept);
    merge::remove(&mut merged, &gone, &kept, shape, &mut Vec::new());

    managers.put(manager, wanted, now);
    managers.write(&mut merged);
    Ok(merged)
}

/// Records an ordinary write: what it changed belongs to its manager alone, what it removed to nobody.
/// `old` is `Null` for a creation.
pub fn record(old: &Value, new: &mut Value, manager: &Manager<'_>, shape: Shape<'_>, now: &str) {
    // A client that sends an empty list wants the record forgotten.
    let reset = new["metadata"]["managedFields"].as_array().is_some_and(|entries| {
        entries.iter().all(|entry| entry.as_object().is_some_and(serde_json::Map::is_empty))
    });
    let mut managers = if reset { Managers::default() } else { Managers::of(old) };
    let (mut changed, mut removed) = compare(old, new, shape);
    changed.strip_identity();
    removed.strip_identity();
    if !changed.is_empty() || !removed.is_empty() {
        let mut own = managers.take(manager);
        managers.disown_all(&changed);
        managers.disown_all(&removed);
        own = own.without(&removed).union(&changed);
        managers.put(manager, own, now);
    }
    managers.write(new);
}

/// The refusal of a configuration that names fields which the kind does not have.
pub fn undeclared(object: &Value, unknown: &[String]) -> Box<Status> {
    let all: Vec<String> =
        unknown.iter().map(|path| format!(".{path}: field not declared in schema")).collect();
    match all.as_slice() {
        [one] => untypable(object, one),
        many => untypable(object, &format!("errors:\n  {}", many.join("\n  "))),
    }
}

fn untypable(object: &Value, why: &str) -> Box<Status> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    let (version, kind) = (text("/apiVersion"), text("/kind"));
    // The core group is named by nothing.
    let group = if version.contains('/') { "" } else { "/" };
    let what = format!("{namespace}/{name}; {group}{version}, Kind={kind}");
    status::plain(500, "", format!("failed to create typed patch object ({what}): {why}"))
}

fn conflict(conflicts: &[(managers::Entry, Fields)]) -> Box<Status> {
    let mut causes = Vec::new();
    let mut parts = Vec::new();
    for (entry, fields) in conflicts {
        let who = entry.named();
        let paths = fields.paths();
        for path in &paths {
            let message = format!("conflict with {who}");
            causes.push(cause::cause("FieldManagerConflict", path.as_str(), message));
        }
        let paths: Vec<String> = paths.iter().map(|path| format!("- {path}")).collect();
        parts.push(format!("conflicts with {who}:\n{}", paths.join("\n")));
    }
    let all = match causes.as_slice() {
        [one] => format!("1 conflict: {}: {}", one.message, one.field),
        many => format!("{} conflicts: {}", many.len(), parts.join("\n")),
    };
    let mut status = status::plain(409, "Conflict", format!("Apply failed with {all}"));
    status.details = Some(StatusDetails {
        name: String::new(),
        group: String::new(),
        kind: String::new(),
        uid: String::new(),
        causes,
        retry_after_seconds: 0,
    });
    status
}

/// To apply nothing to a field is to leave it out.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
