//! Events under two groups, which are one store: `v1`, as they are kept, and `events.k8s.io/v1`.

use std::borrow::Cow;

use bytes::Bytes;
use http::Method;
use kube::core::response::StatusCause;
use serde_json::{Map, Value};

use crate::status::{self, Qualified, Result, cause};

/// The group of the newer form.
pub(crate) const NEWER: &str = "events.k8s.io";

const NEWER_VERSION: &str = "events.k8s.io/v1";

/// What fields are called in `v1`, and under the newer group.
const NAMES: [(&str, &str); 7] = [
    ("message", "note"),
    ("involvedObject", "regarding"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// A stored event as the newer group has it.
pub(crate) fn newer(event: &Value) -> Value {
    let mut newer = renamed(event, |name| NAMES.iter().find(|it| it.0 == name).map(|it| it.1));
    newer["apiVersion"] = NEWER_VERSION.into();
    for may_be_empty in ["reportingController", "reportingInstance"] {
        if newer[may_be_empty] == "" {
            crate::metadata::remove(&mut newer, may_be_empty);
        }
    }
    newer
}

/// What is sent of an event of the newer group, as it is kept.
pub(crate) fn stored_body(method: &Method, body: &[u8]) -> Result<Bytes> {
    // An apply is YAML, of which JSON is a part; what is neither is refused where bodies are read.
    let Ok(event) = serde_saphyr::from_str::<Value>(&String::from_utf8_lossy(body)) else {
        return Ok(Bytes::copy_from_slice(body));
    };
    let stored = stored(&event);
    if *method == Method::POST {
        check_new(&stored)?;
    }
    Ok(stored.to_string().into())
}

/// An event of the newer group, or a patch of one, as it is stored.
fn stored(event: &Value) -> Value {
    match event {
        Value::Array(operations) => operations.iter().map(stored_operation).collect(),
        event => {
            let mut stored = renamed(event, of_stored);
            if stored["apiVersion"] == NEWER_VERSION {
                stored["apiVersion"] = "v1".into();
            } else if stored["apiVersion"].is_null() {
                crate::metadata::remove(&mut stored, "apiVersion");
            }
            stored
        }
    }
}

/// The field of a stored event that a field path of the newer group means.
pub(crate) fn stored_path(path: &str) -> Cow<'_, str> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    match of_stored(first) {
        None => path.into(),
        Some(name) if rest.is_empty() => name.into(),
        Some(name) => format!("{name}.{rest}").into(),
    }
}

/// What the newer group asks of a new event beyond what `v1` does.
fn check_new(event: &Value) -> Result<()> {
    let mut causes: Vec<StatusCause> = Vec::new();
    if event["eventTime"].is_null() {
        causes.push(cause::required("eventTime", ""));
    }
    let given = event["type"].as_str().unwrap_or_default();
    if !["Normal", "Warning"].contains(&given) {
        causes.push(cause::invalid("type", &"".into(), &format!("has invalid value: {given}")));
    }
    for field in ["firstTimestamp", "lastTimestamp", "count", "source"] {
        let set = match &event[field] {
            Value::Object(source) => !source.is_empty(),
            value => !value.is_null(),
        };
        if set {
            causes.push(cause::invalid(field, &"".into(), "needs to be unset"));
        }
    }
    let name = event["metadata"]["name"].as_str().unwrap_or_default();
    match causes.is_empty() {
        true => Ok(()),
        false => Err(status::invalid(Qualified { name: "Event", group: "" }, name, causes)),
    }
}

fn of_stored(name: &str) -> Option<&'static str> {
    NAMES.iter().find(|it| it.1 == name).map(|it| it.0)
}

fn renamed(event: &Value, name_of: impl Fn(&str) -> Option<&'static str>) -> Value {
    let Some(fields) = event.as_object() else { return event.clone() };
    let renamed = fields.iter().map(|(name, value)| {
        (name_of(name).map_or_else(|| name.clone(), str::to_owned), value.clone())
    });
    Value::Object(renamed.collect::<Map<_, _>>())
}

/// One operation of a JSON patch.
fn stored_operation(operation: &Value) -> Value {
    let mut operation = operation.clone();
    for place in ["path", "from"] {
        let Some((first, rest)) = operation[place].as_str().and_then(|it| {
            let path = it.strip_prefix('/')?;
            Some(path.split_once('/').unwrap_or((path, "")))
        }) else {
            continue;
        };
        if let Some(name) = of_stored(first) {
            let end = if rest.is_empty() { String::new() } else { format!("/{rest}") };
            operation[place] = format!("/{name}{end}").into();
        }
    }
    operation
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_the_same_in_both_forms() {
        let kept = json!({"apiVersion": "v1", "kind": "Event", "message": "m", "count": 2,
            "involvedObject": {"name": "p"}, "reportingComponent": "c", "source": {}, "reason": "R"});
        let newer = newer(&kept);
        assert_eq!(
            newer,
            json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "note": "m", "deprecatedCount": 2,
                "regarding": {"name": "p"}, "reportingController": "c", "deprecatedSource": {}, "reason": "R"})
        );
        assert_eq!(stored(&newer), kept);
        assert_eq!(stored_path("regarding.name"), "involvedObject.name");
        let patch = json!([{"op": "replace", "path": "/note", "value": "n"}]);
        assert_eq!(stored(&patch)[0]["path"], "/message");
    }
}
