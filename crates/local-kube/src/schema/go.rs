//! How a program in Go, as every real webhook is, reads an object: what it says of a value that does
//! not fit its types, and what it writes for a field that is left out.
//!
//! The types are told by the schema; `title` is a type's own name, with its package: `v1.EnvVar`.

use serde_json::Value;

use super::{Schema, items, property};
use crate::{built_in::Mismatch, patch::sort, quantity::Quantity};

/// What Go's quantities say of anything else.
const NO_QUANTITY: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// Reads an object of a type, as `encoding/json` does: the first misfit is the error.
pub fn read(schema: &Schema, object: &Value) -> Result<(), String> {
    let root = schema.title.as_deref().map(unqualified).unwrap_or_default();
    walk(schema, object, root, &mut String::new())
}

fn walk(schema: &Schema, value: &Value, within: &str, path: &mut String) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    if schema.x_kubernetes_int_or_string == Some(true) {
        return match (&schema.pattern, value) {
            (Some(_), Value::Number(_)) | (None, Value::Number(_) | Value::String(_)) => Ok(()),
            (Some(_), Value::String(text)) if Quantity::parse(text).is_some() => Ok(()),
            (Some(_), _) => Err(NO_QUANTITY.to_owned()),
            (None, value) => {
                Err(format!("json: cannot unmarshal {} into Go value of type int32", sort(value)))
            }
        };
    }
    let misfit = |given: &Value| {
        let (holder, path, wanted) = (within.to_owned(), path.to_owned(), type_name(schema));
        Err(Mismatch::Type { holder, path, wanted, given: given.clone() }.of_json())
    };
    match (schema.type_.as_deref().unwrap_or_default(), value) {
        ("object", Value::Object(fields)) => {
            let own = schema.title.as_deref().map(unqualified);
            for (name, value) in fields {
                let Some(property) = property(schema, name) else { continue };
                let length = path.len();
                let is_map = schema.properties.is_none();
                if !is_map {
                    path.push_str(if length == 0 { "" } else { "." });
                    path.push_str(name);
                }
                walk(property, value, if is_map { within } else { own.unwrap_or(within) }, path)?;
                path.truncate(length);
            }
            Ok(())
        }
        ("array", Value::Array(list)) => {
            let Some(items) = items(schema) else { return Ok(()) };
            list.iter().try_for_each(|item| walk(items, item, within, path))
        }
        ("string", Value::String(text)) => match schema.format.as_deref() {
            Some("date-time") if text.parse::<jiff::Timestamp>().is_err() => {
                let layout = "2006-01-02T15:04:05Z07:00";
                Err(format!(
                    "parsing time {text:?} as {layout:?}: cannot parse {text:?} as \"2006\""
                ))
            }
            _ => Ok(()),
        },
        ("boolean", Value::Bool(_)) | ("number", Value::Number(_)) => Ok(()),
        ("integer", Value::Number(number)) => {
            let fits = match number.as_f64() {
                Some(number) if number.fract() != 0.0 => false,
                Some(number) if schema.format.as_deref() == Some("int32") => {
                    i32::try_from(number as i64).is_ok()
                }
                _ => true,
            };
            if fits { Ok(()) } else { misfit(value) }
        }
        ("", _) => Ok(()),
        (_, value) => misfit(value),
    }
}

fn type_name(schema: &Schema) -> String {
    if let Some(title) = &schema.title {
        return title.clone();
    }
    match schema.type_.as_deref().unwrap_or_default() {
        "array" => format!("[]{}", items(schema).map(type_name).unwrap_or_default()),
        "object" => "map[string]string".to_owned(),
        "boolean" => "bool".to_owned(),
        "integer" => schema.format.clone().unwrap_or_else(|| "int".to_owned()),
        other => other.to_owned(),
    }
}

fn unqualified(title: &str) -> &str {
    title.rsplit('.').next().unwrap_or(title)
}

/// Writes what a Go program writes of the object when it has changed anything in it: the fields that
/// Kubernetes' own types always have, empty where they were left out.
pub fn complete(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let always = schema.title.as_deref().is_some_and(|title| title.starts_with("v1."));
            for name in schema.required.iter().flatten().filter(|_| always) {
                if let Some(property) = property(schema, name) {
                    fields.entry(name).or_insert_with(|| zero(property));
                }
            }
            for (name, value) in fields.iter_mut() {
                if let Some(property) = property(schema, name) {
                    complete(property, value);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = items(schema) {
                list.iter_mut().for_each(|item| complete(items, item));
            }
        }
        // A quantity is written as a text, however it was given.
        Value::Number(number) if schema.pattern.is_some() => *value = number.to_string().into(),
        _ => {}
    }
}

fn zero(schema: &Schema) -> Value {
    match schema.type_.as_deref().unwrap_or_default() {
        "string" => "".into(),
        "integer" | "number" => 0.into(),
        "boolean" => false.into(),
        "object" if schema.title.is_some() => Value::Object(serde_json::Map::new()),
        _ if schema.x_kubernetes_int_or_string == Some(true) => 0.into(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        serde_json::from_value(json!({"type": "object", "title": "v1.Pod", "required": ["name"], "properties": {
            "name": {"type": "string"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "steps": {"type": "array", "items": {"type": "object", "title": "v1.Step", "required": ["port"], "properties": {
                "port": {"type": "integer", "format": "int32"}, "command": {"type": "array", "items": {"type": "string"}}}}},
            "memory": {"x-kubernetes-int-or-string": true, "pattern": "^.*$"},
            "time": {"type": "string", "format": "date-time"},
        }}))
        .unwrap()
    }

    fn check(object: Value, expected: &str) {
        assert_eq!(read(&schema(), &object).unwrap_err(), expected);
    }

    #[test]
    fn a_misfit_is_told_with_its_place() {
        let of = "json: cannot unmarshal";
        check(
            json!({"name": 1}),
            &format!("{of} number into Go struct field Pod.name of type string"),
        );
        check(
            json!({"labels": {"a": {}}}),
            &format!("{of} object into Go struct field Pod.labels of type string"),
        );
        check(
            json!({"labels": []}),
            &format!("{of} array into Go struct field Pod.labels of type map[string]string"),
        );
        check(
            json!({"steps": {}}),
            &format!("{of} object into Go struct field Pod.steps of type []v1.Step"),
        );
        check(
            json!({"steps": [{"port": 1.5}]}),
            &format!("{of} number 1.5 into Go struct field Step.steps.port of type int32"),
        );
        check(
            json!({"steps": [{"command": [true]}]}),
            &format!("{of} bool into Go struct field Step.steps.command of type string"),
        );
        check(json!({"memory": "1GB"}), NO_QUANTITY);
        check(
            json!({"time": "now"}),
            r#"parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006""#,
        );
        assert_eq!(
            read(
                &schema(),
                &json!({"name": null, "steps": [{"port": 2.0}], "memory": "1Gi", "more": 1})
            ),
            Ok(())
        );
    }

    #[test]
    fn what_is_always_there_is_written() {
        let mut object = json!({"steps": [{}]});
        complete(&schema(), &mut object);
        assert_eq!(object, json!({"name": "", "steps": [{"port": 0}]}));
    }
}
