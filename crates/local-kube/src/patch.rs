//! What a `PATCH` makes of an object: JSON patch, merge patch, strategic merge patch.

mod strategic;

use json_patch::{Patch, PatchErrorKind};
use serde_json::Value;

pub use self::strategic::strategic_merge;
use crate::status::{self, Result, bad_request};

/// More operations than this are refused, as the API server does.
const MOST_OPERATIONS: usize = 10_000;

/// RFC 6902.
pub fn json_patch(object: &mut Value, patch: &Value) -> Result<()> {
    let undecodable =
        |why: &dyn std::fmt::Display| bad_request(format!("error decoding patch: {why}"));
    let operations =
        patch.as_array().ok_or_else(|| undecodable(&"it is not a list of operations"))?;
    if operations.len() > MOST_OPERATIONS {
        let message = format!(
            "The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {}",
            operations.len()
        );
        return Err(status::too_large(message));
    }
    let patch: Patch =
        serde_json::from_value(patch.clone()).map_err(|error| undecodable(&error))?;
    json_patch::patch(object, &patch).map_err(|error| {
        let what = match error.kind {
            PatchErrorKind::TestFailed => "testing value",
            _ => "applying operation on",
        };
        status::plain(
            422,
            "Invalid",
            format!(
                "the server rejected our request due to an error in our request: {what} {}: {}",
                error.path, error.kind
            ),
        )
    })
}

/// RFC 7396.
pub fn merge_patch(object: &mut Value, patch: &Value) -> Result<()> {
    if !patch.is_object() {
        return Err(bad_request("error decoding patch: a merge patch is an object"));
    }
    json_patch::merge(object, patch);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
        assert_eq!(code(json_patch(&mut object, &json!([{"op": "fly", "path": "/a"}]))).0, 400);
        assert_eq!(code(merge_patch(&mut object, &json!([]))).0, 400);
        let missing = code(json_patch(&mut object, &json!([{"op": "remove", "path": "/gone"}])));
        assert_eq!(missing.0, 422);
        assert!(missing.1.contains("/gone"), "{}", missing.1);
    }

    #[test]
    fn a_merge_patch_removes_what_it_sets_to_null() {
        let mut object = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "list": [1, 2]});
        merge_patch(&mut object, &json!({"metadata": {"labels": {"a": null}}, "list": [3]}))
            .unwrap();
        assert_eq!(object, json!({"metadata": {"labels": {"b": "2"}}, "list": [3]}));
    }
}
