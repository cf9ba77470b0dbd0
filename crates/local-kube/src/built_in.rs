//! What the API server knows of its own kinds beyond their types: defaults and validation.

mod containers;
mod decoding;
mod defaults;
mod jobs;
mod pods;
mod validation;

use serde_json::{Map, Value};

use crate::quantity::Quantity;

pub use self::{
    decoding::{Mismatch, mismatch},
    defaults::{default, generate, tolerate},
    validation::{check_change, validate},
};

/// The fields whose values are quantities by name.
const AMOUNTS: [&str; 6] = ["limits", "requests", "hard", "used", "capacity", "allocatable"];

/// Writes quantities as an API server does, also those that are plain numbers. Says whether all that
/// stands in their places can be one.
pub fn canonical_quantities(value: &mut Value) -> bool {
    let mut all = true;
    match value {
        Value::Object(object) => {
            for (name, value) in object.iter_mut() {
                match (name.as_str(), &mut *value) {
                    (name, Value::Object(amounts)) if AMOUNTS.contains(&name) => {
                        amounts.values_mut().for_each(|amount| all &= canonical(amount));
                    }
                    ("sizeLimit" | "divisor", amount) => all &= canonical(amount),
                    _ => all &= canonical_quantities(value),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|item| all &= canonical_quantities(item)),
        _ => {}
    }
    all
}

fn canonical(amount: &mut Value) -> bool {
    let text = match amount {
        Value::String(text) => std::mem::take(text),
        Value::Number(number) => number.to_string(),
        _ => return true,
    };
    let canonical = Quantity::canonical(&text);
    let readable = canonical.is_some();
    *amount = canonical.unwrap_or(text).into();
    readable
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
