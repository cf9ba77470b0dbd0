//! What a `PATCH` makes of an object: JSON patch, merge patch, strategic merge patch.

mod strategic;

use json_patch::{AddOperation, Patch, PatchOperation, ReplaceOperation};
use kube::core::Status;
use serde_json::Value;

pub use self::strategic::strategic_merge;
use crate::status::{self, Result, bad_request};

/// More operations than this are refused, as the API server does.
const MOST_OPERATIONS: usize = 10_000;

/// RFC 6902.
pub fn json_patch(object: &mut Value, patch: &[u8]) -> Result<()> {
    let patch = read(patch).map_err(|why| undecodable(&why))?;
    let Some(operations) = patch.as_array() else {
        return Err(undecodable(&unreadable(&patch, "[]handlers.jsonPatchOp")));
    };
    if operations.len() > MOST_OPERATIONS {
        let message = format!(
            "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {}",
            operations.len()
        );
        return Err(status::too_large(message));
    }
    // What is no operation cannot be carried out either.
    let Patch(operations) = serde_json::from_value(patch).map_err(|_| status::unprocessable())?;
    let mut patched = object.clone();
    for operation in operations {
        let operation = Patch(vec![as_carried_out(&patched, operation)]);
        json_patch::patch_unsafe(&mut patched, &operation).map_err(|_| status::unprocessable())?;
    }
    *object = patched;
    Ok(())
}

/// An API server adds what is to be replaced and not there.
fn as_carried_out(object: &Value, operation: PatchOperation) -> PatchOperation {
    let PatchOperation::Replace(ReplaceOperation { path, value }) = operation else {
        return operation;
    };
    let parent = path.split_back().and_then(|(parent, _)| object.pointer(parent.as_str()));
    match parent {
        Some(Value::Object(_)) => PatchOperation::Add(AddOperation { path, value }),
        _ => PatchOperation::Replace(ReplaceOperation { path, value }),
    }
}

/// RFC 7396.
pub fn merge_patch(object: &mut Value, patch: &[u8]) -> Result<()> {
    let patch = read_object(patch).map_err(|why| undecodable(&why))?;
    json_patch::merge(object, &patch);
    Ok(())
}

/// A patch that says what becomes of fields.
pub fn read_object(patch: &[u8]) -> Result<Value, String> {
    let patch = read(patch)?;
    match patch.is_object() {
        true => Ok(patch),
        false => Err(unreadable(&patch, "map[string]interface {}")),
    }
}

fn read(patch: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(patch).map_err(|error| match error.is_eof() {
        true => "unexpected end of JSON input".to_owned(),
        false => error.to_string(),
    })
}

fn undecodable(why: &str) -> Box<Status> {
    bad_request(format!("error decoding patch: {why}"))
}

fn unreadable(value: &Value, wanted: &str) -> String {
    format!("json: cannot unmarshal {} into Go value of type {wanted}", sort(value))
}

/// A value as Go prints it.
pub fn as_go_shows(value: &Value) -> String {
    let spaced = |parts: Vec<String>| parts.join(" ");
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => format!("[{}]", spaced(list.iter().map(as_go_shows).collect())),
        Value::Object(object) => {
            let entries = object.iter().map(|(key, it)| format!("{key}:{}", as_go_shows(it)));
            format!("map[{}]", spaced(entries.collect()))
        }
        scalar => scalar.to_string(),
    }
}

/// What Go calls a value of JSON.
pub(crate) fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn json_patch(object: &mut Value, patch: &Value) -> Result<()> {
        super::json_patch(object, patch.to_string().as_bytes())
    }

    fn merge_patch(object: &mut Value, patch: &Value) -> Result<()> {
        super::merge_patch(object, patch.to_string().as_bytes())
    }

    fn code(result: Result<()>) -> (u16, String) {
        let status = result.unwrap_err();
        (status.code, status.message)
    }

    #[test]
    fn operations_apply_in_order_and_all_or_none() {
        let mut object = json!({"spec": {"a": 1, "list": [1, 2]}});
        let patch = json!([
            {"op": "test", "path": "/spec/a", "value": 1},
            {"op": "replace", "path": "/spec/a", "value": 2},
            {"op": "add", "path": "/spec/list/-", "value": 3},
            {"op": "remove", "path": "/spec/list/0"},
        ]);
        json_patch(&mut object, &patch).unwrap();
        assert_eq!(object, json!({"spec": {"a": 2, "list": [2, 3]}}));

        let patch = json!([{"op": "remove", "path": "/spec/a"}, {"op": "test", "path": "/spec/list", "value": []}]);
        assert_eq!(code(json_patch(&mut object, &patch)).0, 422);
        assert_eq!(object, json!({"spec": {"a": 2, "list": [2, 3]}}));
    }

    #[test]
    fn what_is_no_patch_is_a_bad_request() {
        let mut object = json!({});
        assert_eq!(code(json_patch(&mut object, &json!({"op": "add"}))).0, 400);
        assert_eq!(code(json_patch(&mut object, &json!([{"op": "fly", "path": "/a"}]))).0, 422);
        assert_eq!(code(merge_patch(&mut object, &json!([]))).0, 400);
        let missing = code(json_patch(&mut object, &json!([{"op": "remove", "path": "/gone"}])));
        assert_eq!(missing.0, 422);
    }

    #[test]
    fn a_merge_patch_removes_what_it_sets_to_null() {
        let mut object = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "list": [1, 2]});
        merge_patch(&mut object, &json!({"metadata": {"labels": {"a": null}}, "list": [3]}))
            .unwrap();
        assert_eq!(object, json!({"metadata": {"labels": {"b": "2"}}, "list": [3]}));
    }
}
