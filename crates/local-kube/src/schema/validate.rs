//! Judges an object by its schema.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use kube::core::response::StatusCause;
use regex::Regex;
use serde_json::{Map, Value};

use super::{Schema, child, items, property};
use crate::status::cause;

/// Every way in which the object breaks its schema. `x-kubernetes-validations` are not evaluated.
pub fn validate(schema: &Schema, object: &Value) -> Vec<StatusCause> {
    let mut causes = Vec::new();
    walk(schema, object, "", &mut causes);
    causes
}

fn walk(schema: &Schema, value: &Value, path: &str, causes: &mut Vec<StatusCause>) {
    if value.is_null() && schema.nullable == Some(true) {
        return;
    }
    let expected = expected_type(schema);
    if !expected.is_empty() && !expected.split(',').any(|expected| is(expected, value)) {
        causes.push(wrong_type(path, expected, type_of(value)));
        if schema.any_of.is_some() && type_of(value) == "number" {
            // The alternatives are tried too, and the last of them is told with no field.
            let told = |why: String| {
                let message = format!("Invalid value: \"\": {why}");
                cause::cause("FieldValueInvalid", "<nil>", message)
            };
            causes.push(told(format!("{path:?} must validate at least one schema (anyOf)")));
            causes.push(wrong_type(path, "integer", "number"));
            let form = "Checked value must be of type integer (default format) in";
            causes.push(told(format!("{form} {path}")));
        }
        return;
    }
    check_enum(schema, value, path, causes);
    match value {
        Value::Object(object) => check_object(schema, object, path, causes),
        Value::Array(list) => check_list(schema, value, list, path, causes),
        Value::String(text) => check_text(schema, value, text, path, causes),
        Value::Number(_) => check_number(schema, value, path, causes),
        Value::Bool(_) | Value::Null => {}
    }
    check_alternatives(schema, value, path, causes);
}

fn expected_type(schema: &Schema) -> &str {
    if schema.x_kubernetes_int_or_string == Some(true) {
        return "integer,string";
    }
    schema.type_.as_deref().unwrap_or_default()
}

fn is(expected: &str, value: &Value) -> bool {
    let actual = type_of(value);
    expected == actual || (expected == "number" && actual == "integer")
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) => match number.as_f64() {
            Some(number) if number.fract() != 0.0 => "number",
            _ => "integer",
        },
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn check_enum(schema: &Schema, value: &Value, path: &str, causes: &mut Vec<StatusCause>) {
    let Some(allowed) = &schema.enum_ else { return };
    if !allowed.iter().any(|allowed| allowed.0 == *value) {
        let allowed: Vec<&str> = allowed.iter().filter_map(|allowed| allowed.0.as_str()).collect();
        causes.push(cause::unsupported(path, value, &allowed));
    }
}

fn check_object(
    schema: &Schema,
    object: &Map<String, Value>,
    path: &str,
    causes: &mut Vec<StatusCause>,
) {
    for name in schema.required.iter().flatten() {
        if !object.contains_key(name) {
            causes.push(cause::required(child(path, name), ""));
        }
    }
    if schema.x_kubernetes_embedded_resource == Some(true) {
        for name in ["apiVersion", "kind"] {
            if object.get(name).and_then(Value::as_str).is_none_or(str::is_empty) {
                causes.push(cause::required(child(path, name), "must not be empty"));
            }
        }
    }
    if let Some(most) = schema.max_properties.filter(|most| object.len() as i64 > *most) {
        causes.push(too_many(path, object.len(), most));
    }
    if let Some(least) = schema.min_properties.filter(|least| (object.len() as i64) < *least) {
        let detail = format!("{} should have at least {least} properties", in_body(path));
        causes.push(cause::invalid(path, &object.len().into(), &detail));
    }
    for (name, value) in object {
        // The API server's own types judge metadata.
        if path.is_empty() && name == "metadata" {
            continue;
        }
        if let Some(property) = property(schema, name) {
            walk(property, value, &child(path, name), causes);
        }
    }
}

fn check_list(
    schema: &Schema,
    value: &Value,
    list: &[Value],
    path: &str,
    causes: &mut Vec<StatusCause>,
) {
    if let Some(most) = schema.max_items.filter(|most| list.len() as i64 > *most) {
        causes.push(too_many(path, list.len(), most));
    }
    if let Some(least) = schema.min_items.filter(|least| (list.len() as i64) < *least) {
        let detail = format!("{} should have at least {least} items", in_body(path));
        causes.push(cause::invalid(path, &list.len().into(), &detail));
    }
    if schema.unique_items == Some(true) && repeated(list.iter()).next().is_some() {
        let detail = format!("{} shouldn't contain duplicates", in_body(path));
        causes.push(cause::invalid(path, value, &detail));
    }
    match schema.x_kubernetes_list_type.as_deref() {
        Some("set") => {
            for (index, item) in repeated(list.iter()) {
                causes.push(cause::duplicate(format!("{path}[{index}]"), item));
            }
        }
        Some("map") => {
            let keys: Vec<Value> = list.iter().map(|item| key_of(schema, item)).collect();
            for (index, key) in repeated(keys.iter()) {
                causes.push(cause::duplicate(format!("{path}[{index}]"), key));
            }
        }
        _ => {}
    }
    if let Some(items) = items(schema) {
        for (index, item) in list.iter().enumerate() {
            walk(items, item, &format!("{path}[{index}]"), causes);
        }
    }
}

/// The fields that tell an item of a list-map from its neighbours.
fn key_of(schema: &Schema, item: &Value) -> Value {
    let keys = schema.x_kubernetes_list_map_keys.iter().flatten();
    keys.filter_map(|key| Some((key.clone(), item.get(key)?.clone()))).collect::<Map<_, _>>().into()
}

/// The items that were there before, with their positions.
fn repeated<'v>(
    items: impl Iterator<Item = &'v Value>,
) -> impl Iterator<Item = (usize, &'v Value)> {
    let mut seen = std::collections::HashSet::new();
    items.enumerate().filter(move |(_, item)| !seen.insert(item.to_string()))
}

fn check_text(
    schema: &Schema,
    value: &Value,
    text: &str,
    path: &str,
    causes: &mut Vec<StatusCause>,
) {
    let length = text.chars().count() as i64;
    if let Some(most) = schema.max_length.filter(|most| length > *most) {
        causes.push(too_long(path, most));
    }
    if let Some(least) = schema.min_length.filter(|least| length < *least) {
        let detail = format!("{} should be at least {least} chars long", in_body(path));
        causes.push(cause::invalid(path, value, &detail));
    }
    if let Some(pattern) = &schema.pattern
        && !matches(pattern, text)
    {
        let detail = format!("{} should match '{pattern}'", in_body(path));
        causes.push(cause::invalid(path, value, &detail));
    }
    if schema.format.as_deref() == Some("date-time") && text.parse::<jiff::Timestamp>().is_err() {
        let detail = format!("{} must be of type date-time: {text:?}", in_body(path));
        causes.push(cause::invalid(path, value, &detail));
    }
}

/// A pattern is compiled once in the life of the process. One that does not compile matches nothing:
/// the API server would not have accepted its CRD.
fn matches(pattern: &str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<String, Option<Regex>>>> =
        LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if !compiled.contains_key(pattern) {
        compiled.insert(pattern.to_owned(), Regex::new(pattern).ok());
    }
    compiled[pattern].as_ref().is_some_and(|regex| regex.is_match(text))
}

fn check_number(schema: &Schema, value: &Value, path: &str, causes: &mut Vec<StatusCause>) {
    let number = value.as_f64().unwrap_or_default();
    let mut demand = |broken: bool, what: &str, limit: f64| {
        if broken {
            let detail = format!("{} should be {what} {limit}", in_body(path));
            causes.push(cause::invalid(path, value, &detail));
        }
    };
    if let Some(most) = schema.maximum {
        match schema.exclusive_maximum {
            Some(true) => demand(number >= most, "less than", most),
            _ => demand(number > most, "less than or equal to", most),
        }
    }
    if let Some(least) = schema.minimum {
        match schema.exclusive_minimum {
            Some(true) => demand(number <= least, "greater than", least),
            _ => demand(number < least, "greater than or equal to", least),
        }
    }
    if let Some(step) = schema.multiple_of {
        demand(number % step != 0.0, "a multiple of", step);
    }
    if schema.format.as_deref() == Some("int32") && i32::try_from(number as i64).is_err() {
        let detail = format!("Checked value must be of type integer with format int32 in {path}");
        causes.push(cause::invalid(path, value, &detail));
    }
}

fn check_alternatives(schema: &Schema, value: &Value, path: &str, causes: &mut Vec<StatusCause>) {
    for part in schema.all_of.iter().flatten() {
        walk(part, value, path, causes);
    }
    let holds = |part: &Schema| {
        let mut broken = Vec::new();
        walk(part, value, path, &mut broken);
        broken.is_empty()
    };
    if let Some(parts) = &schema.any_of
        && !parts.iter().any(holds)
    {
        let detail = format!("{path:?} must validate at least one schema (anyOf)");
        causes.push(cause::invalid(path, value, &detail));
    }
    if let Some(parts) = &schema.one_of {
        let found = parts.iter().filter(|part| holds(part)).count();
        if found != 1 {
            let found = if found == 0 { "none".into() } else { found.to_string() };
            let detail = format!(
                "{path:?} must validate one and only one schema (oneOf). Found {found} valid"
            );
            causes.push(cause::invalid(path, value, &detail));
        }
    }
    if let Some(part) = &schema.not
        && holds(part)
    {
        causes.push(cause::invalid(
            path,
            value,
            &format!("{path:?} must not validate the schema (not)"),
        ));
    }
}

fn wrong_type(path: &str, expected: &str, actual: &str) -> StatusCause {
    let detail = format!("{} must be of type {expected}: {actual:?}", in_body(path));
    cause::cause("FieldValueTypeInvalid", path, format!("Invalid value: {actual:?}: {detail}"))
}

fn too_long(path: &str, most: i64) -> StatusCause {
    let message = format!("Too long: may not be more than {most} bytes");
    cause::cause("FieldValueTooLong", path, message)
}

fn too_many(path: &str, actual: usize, most: i64) -> StatusCause {
    let message = format!("Too many: {actual}: must have at most {most} items");
    cause::cause("FieldValueTooMany", path, message)
}

/// The field as messages about the request's body name it.
fn in_body(path: &str) -> String {
    if path.is_empty() { "body".into() } else { format!("{path} in body") }
}
