//! Bringing an object into the form of its kind: unknown fields, defaults, validation.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{Status, response::StatusCause};
use serde_json::Value;

use super::{Patching, Request};
use crate::{
    built_in,
    kinds::{CRDS, Form, Kind, schemas},
    metadata,
    query::FieldValidation,
    schema,
    status::{self, Result},
};

/// Drops what the kind does not know (or refuses it, as the client wishes) and fills in defaults.
pub(super) fn shape(request: &mut Request, object: Value) -> Result<Value> {
    let kind = request.kind.clone();
    let (mut shaped, unknown) = shaped(&kind, request.patching.as_ref(), object)?;
    // What webhooks make null stays so, and is refused.
    if let Form::Custom(defined) = &kind.form
        && let Some(schema) = defined.schema()
    {
        schema::drop_nulls(schema, &mut shaped);
    }
    let mut unknown = unknown.into_iter().map(|path| format!("unknown field {path:?}"));
    match request.query.field_validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => request.warnings.extend(unknown),
        FieldValidation::Strict => {
            if let Some(first) = unknown.next() {
                let all = unknown.fold(first, |all, one| all + ", " + &one);
                let why = format!("strict decoding error: {all}");
                return Err(undecodable(&kind, request.patching.as_ref(), &why));
            }
        }
    }
    Ok(shaped)
}

/// The object in the form of its kind with its defaults, and the paths of what was dropped.
pub(super) fn shaped(
    kind: &Kind,
    patching: Option<&Patching>,
    mut object: Value,
) -> Result<(Value, Vec<String>)> {
    let mut unknown;
    match &kind.form {
        Form::Custom(defined) => {
            let given = object["metadata"].take();
            let typed = serde_json::from_value::<ObjectMeta>(given.clone())
                .and_then(serde_json::to_value)
                .map_err(|error| {
                    let schema = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
                    unfit(kind, patching, schema, &given, &error)
                })?;
            unknown = Vec::new();
            missing(&given, &typed, &mut "metadata".to_owned(), &mut unknown);
            object["metadata"] = typed;
            whole_numbers(&mut object);
            if let Some(schema) = defined.schema() {
                unknown.extend(schema::prune(schema, &mut object));
                schema::default(schema, &mut object);
            }
        }
        Form::BuiltIn { typed, schema_name, .. } => {
            // A definition speaks of quantities and has none.
            let readable = kind.resource == CRDS || built_in::canonical_quantities(&mut object);
            let given = object;
            object = typed(&given)
                .map_err(|error| unfit(kind, patching, schema_name, &given, &error))?;
            // What only looks like an amount by its field's name is none.
            if !readable && let Some(it) = built_in::mismatch(schemas(), schema_name, &given) {
                return Err(undecodable(kind, patching, &it.of_json()));
            }
            unknown = Vec::new();
            missing(&given, &object, &mut String::new(), &mut unknown);
            built_in::default(&kind.resource, &mut object);
        }
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|_, value| !is_empty(value));
    }
    Ok((object, unknown))
}

/// The refusal of an object that cannot be read as what the schema describes.
fn unfit(
    kind: &Kind,
    patching: Option<&Patching>,
    schema: &str,
    object: &Value,
    error: &serde_json::Error,
) -> Box<Status> {
    let mismatch = built_in::mismatch(schemas(), schema, object);
    let why = mismatch.map_or_else(
        || error.to_string(),
        |it| if patching.is_some_and(|it| it.strategic) { it.of_patch() } else { it.of_json() },
    );
    undecodable(kind, patching, &why)
}

fn undecodable(kind: &Kind, patching: Option<&Patching>, why: &str) -> Box<Status> {
    let Kind { kind, version, .. } = kind;
    match patching {
        Some(patching) => status::invalid_patch(&patching.shown, why),
        None => status::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {kind}: {why}"
        )),
    }
}

/// What the kind does not allow of an object, or of a change from `old`.
pub(super) fn problems(kind: &Kind, object: &Value, old: &Value) -> Vec<StatusCause> {
    let mut causes = metadata::problems(kind, object);
    causes.extend(match &kind.form {
        Form::Custom(defined) => {
            defined.schema().map(|it| schema::validate(it, object)).unwrap_or_default()
        }
        Form::BuiltIn { .. } => built_in::validate(&kind.resource, object),
    });
    if causes.is_empty() && !old.is_null() {
        causes = built_in::check_change(&kind.resource, old, object);
    }
    causes
}

/// Whether the rules of a schema can be asked. Where the object is too wrong for that, it is told,
/// as a real API server tells it.
pub(super) fn allows_rules(kind: &Kind, causes: &mut Vec<StatusCause>) -> bool {
    const BLOCKING: [&str; 5] = [
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    ];
    let blocked = causes.iter().any(|cause| BLOCKING.contains(&cause.reason.as_str()));
    if blocked
        && let Form::Custom(defined) = &kind.form
        && defined.schema().is_some_and(schema::has_rules)
    {
        let why = "Invalid value: null: some validation rules were not checked because the object \
                   was invalid; correct the existing errors to complete validation";
        causes.push(status::cause::cause("FieldValueInvalid", "<nil>", why.to_owned()));
    }
    !blocked
}

pub(super) fn refuse(kind: &Kind, object: &Value, causes: Vec<StatusCause>) -> Result<()> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    match causes.is_empty() {
        true => Ok(()),
        false => Err(status::invalid(kind.by_kind(), name, causes)),
    }
}

/// A number without a fraction is a whole one, however it was written.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|it| number.is_f64() && it.fract() == 0.0);
            // Beyond this, neighbouring numbers can no longer be told apart.
            if let Some(whole) = whole.filter(|it| it.abs() < 9e15) {
                *value = (whole as i64).into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        _ => {}
    }
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
