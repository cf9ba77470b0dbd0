//! Drops the fields that a schema does not declare, and names them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaPropsOrBool;
use serde_json::Value;

use super::{Schema, child, items, property};

/// What every object has, whatever its schema says.
const OBJECT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Removes unknown fields and returns their paths.
pub fn prune(schema: &Schema, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    walk(schema, object, "", true, &mut unknown);
    unknown
}

fn walk(schema: &Schema, value: &mut Value, path: &str, whole: bool, unknown: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            let whole = whole || schema.x_kubernetes_embedded_resource == Some(true);
            let preserve = schema.x_kubernetes_preserve_unknown_fields == Some(true)
                || schema.additional_properties == Some(JSONSchemaPropsOrBool::Bool(true));
            object.retain(|name, value| {
                if whole && OBJECT_FIELDS.contains(&name.as_str()) {
                    return true;
                }
                let path = child(path, name);
                match property(schema, name) {
                    Some(property) => walk(property, value, &path, false, unknown),
                    None if preserve => {}
                    None => {
                        unknown.push(path);
                        return false;
                    }
                }
                true
            });
        }
        Value::Array(list) => {
            if let Some(items) = items(schema) {
                for (index, item) in list.iter_mut().enumerate() {
                    walk(items, item, &format!("{path}[{index}]"), false, unknown);
                }
            }
        }
        _ => {}
    }
}
