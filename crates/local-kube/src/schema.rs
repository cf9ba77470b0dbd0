//! Structural schemas of custom resources: pruning, defaults, validation.

pub mod go;
mod prune;
mod validate;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

pub use self::{prune::prune, validate::validate};

pub type Schema = JSONSchemaProps;

/// Fills in what the object leaves out.
pub fn default(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (name, property) in schema.properties.iter().flatten() {
                let Some(default) = &property.default else { continue };
                let nullable = property.nullable == Some(true);
                let set = object.get(name).is_some_and(|value| nullable || !value.is_null());
                if !set {
                    object.insert(name.clone(), default.0.clone());
                }
            }
            for (name, value) in object.iter_mut() {
                if let Some(property) = property(schema, name) {
                    default_or_leave(property, value);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = items(schema) {
                list.iter_mut().for_each(|item| default_or_leave(items, item));
            }
        }
        _ => {}
    }
}

/// To say nothing of a field is to leave it out, unless nothing is a value of it.
pub fn drop_nulls(schema: &Schema, value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|name, value| {
                let may_be_null = |it: &Schema| it.nullable == Some(true) || it.default.is_some();
                !value.is_null() || property(schema, name).is_none_or(may_be_null)
            });
            for (name, value) in object.iter_mut() {
                if let Some(property) = property(schema, name) {
                    drop_nulls(property, value);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = items(schema) {
                list.iter_mut().for_each(|item| drop_nulls(items, item));
            }
        }
        _ => {}
    }
}

fn default_or_leave(schema: &Schema, value: &mut Value) {
    if !value.is_null() {
        default(schema, value);
    }
}

/// The schema of one field of an object, declared by name or for all fields alike.
pub fn property<'s>(schema: &'s Schema, name: &str) -> Option<&'s Schema> {
    let declared = schema.properties.as_ref().and_then(|properties| properties.get(name));
    declared.or(match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(schema)) => Some(schema),
        _ => None,
    })
}

/// The schema of a list's items.
pub fn items(schema: &Schema) -> Option<&Schema> {
    match schema.items.as_ref()? {
        JSONSchemaPropsOrArray::Schema(schema) => Some(schema),
        // A structural schema has one schema for all items.
        JSONSchemaPropsOrArray::Schemas(_) => None,
    }
}

/// Whether any part of the schema has `x-kubernetes-validations`.
pub fn has_rules(schema: &Schema) -> bool {
    let additional = match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(schema)) => Some(&**schema),
        _ => None,
    };
    schema.x_kubernetes_validations.iter().flatten().next().is_some()
        || schema.properties.iter().flatten().any(|(_, property)| has_rules(property))
        || items(schema).is_some_and(has_rules)
        || additional.is_some_and(has_rules)
}

/// Joins a field's name to the path of its object.
pub fn child(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn check(schema: Value, object: Value, expected: Expect) {
        let schema: Schema = serde_json::from_value(schema).unwrap();
        let mut object = object;
        let unknown = prune(&schema, &mut object);
        default(&schema, &mut object);
        let causes: Vec<String> = validate(&schema, &object)
            .into_iter()
            .map(|cause| format!("{}: {} ({})", cause.field, cause.message, cause.reason))
            .collect();
        let seen = format!("{object}\nunknown: {unknown:?}\n{}", causes.join("\n"));
        expected.assert_eq(&seen);
    }

    fn spec(properties: Value) -> Value {
        json!({"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}})
    }

    #[test]
    fn unknown_fields_are_pruned_unless_preserved() {
        check(
            spec(json!({
                "known": {"type": "string"},
                "template": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                    "properties": {"inner": {"type": "object", "properties": {}}}},
                "any": {"type": "object", "additionalProperties": {"type": "string"}},
                "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
            })),
            json!({"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "n"}, "top": 1, "spec": {
                "known": "k", "unknown": 1, "template": {"free": {"x": 1}, "inner": {"y": 1}},
                "any": {"p": "q"}, "list": [{"a": "1", "b": "2"}]}}),
            expect![[r#"
                {"apiVersion":"a/v1","kind":"K","metadata":{"name":"n"},"spec":{"any":{"p":"q"},"known":"k","list":[{"a":"1"}],"template":{"free":{"x":1},"inner":{}}}}
                unknown: ["spec.list[0].b", "spec.template.inner.y", "spec.unknown", "top"]
            "#]],
        );
    }

    #[test]
    fn defaults_reach_into_lists_and_into_defaulted_objects() {
        check(
            spec(json!({
                "suspend": {"type": "boolean", "default": false},
                "outer": {"type": "object", "default": {}, "properties": {"n": {"type": "integer", "default": 3}}},
                "list": {"type": "array", "items": {"type": "object", "properties": {"p": {"type": "string", "default": "TCP"}}}},
                "nullable": {"type": "string", "nullable": true, "default": "x"},
            })),
            json!({"spec": {"suspend": null, "list": [{}], "nullable": null}}),
            expect![[r#"
                {"spec":{"list":[{"p":"TCP"}],"nullable":null,"outer":{"n":3},"suspend":false}}
                unknown: []
            "#]],
        );
    }

    #[test]
    fn wrong_values_are_told_as_the_api_server_tells_them() {
        check(
            json!({"type": "object", "properties": {"spec": {"type": "object", "required": ["needed"], "properties": {
                "needed": {"type": "string"},
                "count": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 10},
                "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 3},
                "short": {"type": "string", "minLength": 1},
                "policy": {"type": "string", "enum": ["Always", "Never"]},
                "flag": {"type": "boolean"},
                "port": {"x-kubernetes-int-or-string": true},
                "few": {"type": "array", "maxItems": 1, "items": {"type": "string"}},
                "some": {"type": "array", "minItems": 1, "items": {"type": "string"}},
                "map": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "integer"}},
                "steps": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
                "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "one": {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                    "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            }}}}),
            json!({"spec": {"count": 11, "name": "ABCD", "short": "", "policy": "Maybe", "flag": "yes", "port": true, "few": ["a", "b"],
                "some": [], "map": {}, "steps": [{"name": "a"}, {"name": "a"}, {}], "set": ["x", "x"], "one": {}}}),
            expect![[r#"
                {"spec":{"count":11,"few":["a","b"],"flag":"yes","map":{},"name":"ABCD","one":{},"policy":"Maybe","port":true,"set":["x","x"],"short":"","some":[],"steps":[{"name":"a"},{"name":"a"},{}]}}
                unknown: []
                spec.needed: Required value (FieldValueRequired)
                spec.count: Invalid value: 11: spec.count in body should be less than or equal to 10 (FieldValueInvalid)
                spec.few: Too many: 2: must have at most 1 items (FieldValueTooMany)
                spec.flag: Invalid value: "string": spec.flag in body must be of type boolean: "string" (FieldValueTypeInvalid)
                spec.map: Invalid value: 0: spec.map in body should have at least 1 properties (FieldValueInvalid)
                spec.name: Too long: may not be more than 3 bytes (FieldValueTooLong)
                spec.name: Invalid value: "ABCD": spec.name in body should match '^[a-z]+$' (FieldValueInvalid)
                spec.one: Invalid value: {}: "spec.one" must validate one and only one schema (oneOf). Found none valid (FieldValueInvalid)
                spec.policy: Unsupported value: "Maybe": supported values: "Always", "Never" (FieldValueNotSupported)
                spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean" (FieldValueTypeInvalid)
                spec.set[1]: Duplicate value: "x" (FieldValueDuplicate)
                spec.short: Invalid value: "": spec.short in body should be at least 1 chars long (FieldValueInvalid)
                spec.some: Invalid value: 0: spec.some in body should have at least 1 items (FieldValueInvalid)
                spec.steps[1]: Duplicate value: {"name":"a"} (FieldValueDuplicate)
                spec.steps[2].name: Required value (FieldValueRequired)"#]],
        );
    }
}
