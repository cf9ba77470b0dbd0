//! Bringing an object into the form of its kind: unknown fields, defaults, validation.

use serde_json::Value;

use super::Request;
use crate::{
    kinds::{Form, Kind},
    query::FieldValidation,
    status::{self, Result},
};

/// Drops what the kind does not know (or refuses it, as the client wishes) and fills in defaults.
pub(super) fn shape(request: &mut Request, object: Value) -> Result<Value> {
    let kind = request.kind.clone();
    let (shaped, unknown) = shaped(&kind, object)?;
    let mut unknown = unknown.into_iter().map(|path| format!("unknown field {path:?}"));
    match request.query.field_validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => request.warnings.extend(unknown),
        FieldValidation::Strict => {
            if let Some(first) = unknown.next() {
                let all = unknown.fold(first, |all, one| all + ", " + &one);
                return Err(status::bad_request(format!("strict decoding error: {all}")));
            }
        }
    }
    Ok(shaped)
}

/// The object in the form of its kind, and the paths of what was dropped.
pub(super) fn shaped(kind: &Kind, object: Value) -> Result<(Value, Vec<String>)> {
    match &kind.form {
        Form::Custom { .. } => Ok((object, Vec::new())),
        Form::BuiltIn(typed) => {
            let typed = typed(object.clone()).map_err(|error| {
                status::bad_request(format!(
                    "{} in version {:?} cannot be handled as a {}: {error}",
                    kind.kind, kind.version, kind.kind
                ))
            })?;
            let mut unknown = Vec::new();
            missing(&object, &typed, &mut String::new(), &mut unknown);
            Ok((typed, unknown))
        }
    }
}

/// Refuses what the schema of the kind does not allow.
pub(super) fn check(kind: &Kind, object: &Value) -> Result<()> {
    crate::metadata::check(kind, object)
}

/// The paths of what `given` has and `kept` lacks.
fn missing(given: &Value, kept: &Value, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (name, value) in given {
                path.push_str(if length == 0 { "" } else { "." });
                path.push_str(name);
                match kept.get(name) {
                    Some(kept) => missing(value, kept, path, found),
                    None if is_empty(value) => {}
                    None => found.push(path.clone()),
                }
                path.truncate(length);
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (index, (value, kept)) in given.iter().zip(kept).enumerate() {
                path.push_str(&format!("[{index}]"));
                missing(value, kept, path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

/// Whether a typed object would not write the value even if it knows its field.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
