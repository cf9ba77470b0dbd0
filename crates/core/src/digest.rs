//! What identifies a call: its tool and arguments, with the namespace that is meant.

use rmcp::model::JsonObject;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{Caller, schema::Schemas};

/// Equal for equal calls, in whatever order their arguments come.
pub(crate) fn of(tool: &str, schemas: &Schemas, arguments: &JsonObject, caller: &Caller) -> String {
    let mut arguments = arguments.clone();
    if schemas.takes_namespace() {
        let given = arguments.get("namespace").and_then(Value::as_str);
        let namespace = caller.namespace(given).to_owned();
        arguments.insert("namespace".to_owned(), namespace.into());
    }
    let mut canonical = String::from(tool);
    write_canonical(&mut canonical, &Value::Object(arguments));
    Sha256::digest(canonical).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON with sorted keys, so that equal values are equal text whatever order they came in.
fn write_canonical(text: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            text.push('{');
            for (key, value) in sorted {
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write_canonical(text, value);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(items) => {
            text.push('[');
            for item in items {
                write_canonical(text, item);
                text.push(',');
            }
            text.push(']');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}
