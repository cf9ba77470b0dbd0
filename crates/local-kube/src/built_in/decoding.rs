//! What a server written in Go says of values that are not of their field's type.

use base64::{DecodeError, Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};

use crate::{kinds::SCHEMA_ROOT, patch::sort, quantity::Quantity};

const QUANTITY: &str = "resource.Quantity";

/// Why an object is not of its kind: the first value that its field cannot hold.
#[derive(Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The type that holds the field, the field's path, the field's type, and the value.
    Type { holder: String, path: String, wanted: String, given: Value },
    /// A text that is not in the form of its field.
    Form(String),
}

impl Mismatch {
    /// As told of an object that was sent as JSON.
    pub fn of_json(&self) -> String {
        match self {
            Self::Type { holder, path, wanted, given } => {
                let number = matches!(given, Value::Number(_)) && wanted.starts_with("int");
                let literal = if number { format!(" {given}") } else { String::new() };
                let sort = sort(given);
                format!(
                    "json: cannot unmarshal {sort}{literal} into Go struct field {holder}.{path} of type {wanted}"
                )
            }
            Self::Form(why) => why.clone(),
        }
    }

    /// As told of an object that a strategic merge patch made.
    pub fn of_patch(&self) -> String {
        let Self::Type { wanted, given, .. } = self else { return self.of_json() };
        let given = match given {
            Value::Null => "nil",
            Value::Bool(_) => "bool",
            Value::Number(number) if number.is_f64() => "float64",
            Value::Number(_) => "int64",
            Value::String(_) => "string",
            Value::Array(_) => "slice",
            Value::Object(_) => "map",
        };
        match wanted.as_str() {
            map if map.starts_with("map") => format!("cannot restore map from {given}"),
            list if list.starts_with("[]") => format!("cannot restore slice from {given}"),
            scalar @ ("string" | "bool" | "int32" | "int64" | "float64") => match given {
                "int64" | "float64" => format!("cannot convert {given} to {scalar}"),
                _ => format!("unrecognized type: {scalar}"),
            },
            _ => format!("cannot restore struct from: {given}"),
        }
    }
}

/// The first value of the object that the schema of this name does not allow.
pub fn mismatch(schemas: &Map<String, Value>, name: &str, object: &Value) -> Option<Mismatch> {
    let mut walk = Walk { schemas, holder: String::new(), path: Vec::new() };
    walk.value(schemas.get(name)?, short(name), object)
}

struct Walk<'s> {
    schemas: &'s Map<String, Value>,
    /// The type that has the field at `path`.
    holder: String,
    path: Vec<String>,
}

impl Walk<'_> {
    /// `named` is what Go calls the type of the schema, empty if it has no name of its own.
    fn value(&mut self, schema: &Value, named: &str, value: &Value) -> Option<Mismatch> {
        if let Some(name) = reference(schema) {
            return self.value(self.schemas.get(name)?, short(name), value);
        }
        if value.is_null() {
            return None;
        }
        if named == QUANTITY {
            let fits = value.as_str().is_none_or(|text| Quantity::parse(text).is_some());
            return (!fits).then(|| Mismatch::Form(QUANTITIES.to_owned()));
        }
        let fields = schema["properties"].as_object();
        match (schema["type"].as_str()?, value) {
            ("object", Value::Object(object)) => {
                object.iter().find_map(|(name, value)| {
                    match fields.map(|fields| fields.get(name)) {
                        Some(Some(field)) => self.field(named, name, field, value),
                        Some(None) => None,
                        None => self.value(&schema["additionalProperties"], "", value),
                    }
                })
            }
            ("array", Value::Array(list)) => {
                list.iter().find_map(|item| self.value(&schema["items"], "", item))
            }
            ("string", Value::String(text)) if schema["format"] == "byte" => not_base64(text),
            ("string", Value::String(_)) | ("boolean", Value::Bool(_)) => None,
            ("integer", Value::Number(number)) if !number.is_f64() => None,
            ("number", Value::Number(_)) => None,
            _ => Some(Mismatch::Type {
                holder: self.holder.clone(),
                path: self.path.join("."),
                wanted: if named.is_empty() { type_of(schema) } else { named.to_owned() },
                given: value.clone(),
            }),
        }
    }

    fn field(
        &mut self,
        holder: &str,
        name: &str,
        schema: &Value,
        value: &Value,
    ) -> Option<Mismatch> {
        let holder = holder.rsplit('.').next().unwrap_or_default().to_owned();
        let above = std::mem::replace(&mut self.holder, holder);
        self.path.push(name.to_owned());
        let found = self.value(schema, "", value);
        self.path.pop();
        self.holder = above;
        found
    }
}

const QUANTITIES: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

fn reference(schema: &Value) -> Option<&str> {
    let reference = schema.get("$ref").or_else(|| schema["allOf"][0].get("$ref"))?;
    reference.as_str()?.strip_prefix(SCHEMA_ROOT)
}

/// `v1.Pod` of `io.k8s.api.core.v1.Pod`.
fn short(name: &str) -> &str {
    name.rmatch_indices('.').nth(1).map_or(name, |(at, _)| &name[at + 1..])
}

fn type_of(schema: &Value) -> String {
    if let Some(name) = reference(schema) {
        return short(name).to_owned();
    }
    match (schema["type"].as_str().unwrap_or_default(), schema["format"].as_str()) {
        ("array", _) => format!("[]{}", type_of(&schema["items"])),
        ("object", _) => format!("map[string]{}", type_of(&schema["additionalProperties"])),
        ("boolean", _) => "bool".to_owned(),
        ("integer", format) => format.unwrap_or("int64").to_owned(),
        ("number", _) => "float64".to_owned(),
        ("string", Some("byte")) => "[]uint8".to_owned(),
        (other, _) => other.to_owned(),
    }
}

fn not_base64(text: &str) -> Option<Mismatch> {
    let at = match BASE64_STANDARD.decode(text) {
        Ok(_) => return None,
        Err(DecodeError::InvalidByte(at, _)) => at,
        Err(_) => text.len() - text.len() % 4,
    };
    Some(Mismatch::Form(format!("illegal base64 data at input byte {at}")))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;
    use crate::kinds::schemas;

    fn told(name: &str, object: Value, expected: Expect) {
        let found = mismatch(schemas(), name, &object).unwrap();
        expected.assert_eq(&format!("{}\n{}\n", found.of_json(), found.of_patch()));
    }

    fn pod(container: Value) -> Value {
        json!({"kind": "Pod", "spec": {"containers": [container]}})
    }

    #[test]
    fn the_first_value_of_a_wrong_type_is_told_with_its_field() {
        const POD: &str = "io.k8s.api.core.v1.Pod";
        told(
            POD,
            pod(json!({"env": [{"name": "A", "value": 1}], "name": 2})),
            expect![[r#"
                json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string
                cannot convert int64 to string
            "#]],
        );
        told(
            POD,
            json!({"spec": {"containers": {}}}),
            expect![[r#"
                json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container
                cannot restore slice from map
            "#]],
        );
        told(
            POD,
            pod(json!({"resources": {"requests": {"cpu": "lots"}}})),
            expect![[r#"
                quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'
                quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'
            "#]],
        );
        told(
            "io.k8s.api.batch.v1.Job",
            json!({"spec": {"completions": 1.5}}),
            expect![[r#"
                json: cannot unmarshal number 1.5 into Go struct field JobSpec.spec.completions of type int32
                cannot convert float64 to int32
            "#]],
        );
        told(
            "io.k8s.api.core.v1.ConfigMap",
            json!({"data": ["x"]}),
            expect![[r#"
                json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string
                cannot restore map from slice
            "#]],
        );
        told(
            "io.k8s.api.core.v1.Secret",
            json!({"data": {"a": "not base64!"}}),
            expect![[r#"
                illegal base64 data at input byte 3
                illegal base64 data at input byte 3
            "#]],
        );
    }

    #[test]
    fn what_fits_is_found_to_fit() {
        let fitting =
            pod(json!({"name": "a", "resources": {"limits": {"cpu": "1"}}, "stdin": true,
            "ports": [{"containerPort": 80}], "livenessProbe": {"httpGet": {"port": "http"}}}));
        assert_eq!(mismatch(schemas(), "io.k8s.api.core.v1.Pod", &fitting), None);
    }
}
