//! What the API server knows of its own kinds beyond their types: defaults and validation.

mod decoding;
mod defaults;
mod validation;
mod workloads;

use serde_json::{Map, Value};

pub use self::{
    decoding::{Mismatch, mismatch},
    defaults::{default, generate},
    validation::{check_change, validate},
};

/// The fields whose values are quantities by name.
const AMOUNTS: [&str; 6] = ["limits", "requests", "hard", "used", "capacity", "allocatable"];

/// Writes quantities that are plain numbers as strings, as which alone the types know them.
pub fn quantities_as_strings(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, value) in object.iter_mut() {
                match (name.as_str(), &mut *value) {
                    (name, Value::Object(amounts)) if AMOUNTS.contains(&name) => {
                        amounts.values_mut().for_each(number_as_string);
                    }
                    ("sizeLimit" | "divisor", amount) => number_as_string(amount),
                    _ => quantities_as_strings(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(quantities_as_strings),
        _ => {}
    }
}

fn number_as_string(value: &mut Value) {
    if let Value::Number(number) = value {
        *value = Value::String(number.to_string());
    }
}

/// The object in a field; an empty one if there is none.
fn object<'v>(value: &'v Value, field: &str) -> Option<&'v Map<String, Value>> {
    value.get(field).and_then(Value::as_object)
}

/// The items of a list; none if there is no list.
fn list<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests;
