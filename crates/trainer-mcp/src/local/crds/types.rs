//! Reads the compact notation of Kubernetes' own types, and makes schemas of them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

/// What a definition writes where a type of the notation stands: `{$type: "[EnvVar]name"}`.
const REFERENCE: &str = "$type";

/// What Kubernetes accepts as a quantity.
const QUANTITY: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

pub(in crate::local) struct Types(HashMap<&'static str, Struct>);

struct Struct {
    /// Whether it is applied as a whole, as references and selectors are.
    atomic: bool,
    fields: Vec<Field>,
}

struct Field {
    name: &'static str,
    required: bool,
    fixed: bool,
    default: Option<&'static str>,
    expression: &'static str,
}

impl Types {
    pub(super) fn read(text: &'static str) -> Self {
        let mut structs: HashMap<&str, Struct> = HashMap::new();
        let mut current = "";
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut fields = line;
            if let Some((name, rest)) = line.split_once(": ") {
                current = name.trim_start_matches('@');
                let atomic = name.starts_with('@');
                structs.insert(current, Struct { atomic, fields: Vec::new() });
                fields = rest;
            }
            let fields = fields.split(", ").map(str::trim).filter(|it| !it.is_empty());
            let known = structs.get_mut(current).expect("the text begins with a name");
            known.fields.extend(fields.map(|field| Field::read(field.trim_end_matches(','))));
        }
        Self(structs)
    }

    /// Puts schemas in place of all references in a definition.
    pub(super) fn resolve(&self, definition: &mut Value) {
        match definition {
            Value::Object(fields) => match fields.get(REFERENCE).and_then(Value::as_str) {
                Some(expression) => *definition = self.schema(expression),
                None => fields.values_mut().for_each(|it| self.resolve(it)),
            },
            Value::Array(items) => items.iter_mut().for_each(|it| self.resolve(it)),
            _ => {}
        }
    }

    /// The object with its fields in the order in which Go writes those of the type.
    pub(in crate::local) fn in_order(&self, name: &str, object: &Value) -> String {
        let Some(known) = self.0.get(name) else { return object.to_string() };
        let Value::Object(given) = object else { return object.to_string() };
        let fields = known.fields.iter().filter_map(|field| {
            let value = given.get(field.name)?;
            let item = field.expression.trim_start_matches('[').split([']', '<', '(']).next();
            let of_item = |value| self.in_order(item.unwrap_or_default(), value);
            let text = match value {
                Value::Array(items) => {
                    format!("[{}]", items.iter().map(of_item).collect::<Vec<_>>().join(","))
                }
                value => of_item(value),
            };
            Some(format!("{:?}:{text}", field.name))
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    }

    fn schema(&self, expression: &str) -> Value {
        if let Some(list) = expression.strip_prefix('[') {
            return self.list(list);
        }
        if let Some(map) = expression.strip_prefix('@') {
            let mut schema = self.schema(map);
            schema["x-kubernetes-map-type"] = "atomic".into();
            return schema;
        }
        if let Some(item) = expression.strip_prefix('{') {
            let item = item.trim_end_matches('}');
            let mut schema = json!({"type": "object", "additionalProperties": self.schema(item)});
            if item == "quantity" {
                schema["title"] = "v1.ResourceList".into();
            }
            return schema;
        }
        let (name, bounds) = match expression.split_once('(') {
            Some((name, bounds)) => (name, bounds.trim_end_matches(')')),
            None => (expression, ""),
        };
        let mut schema = match name {
            "string" => json!({"type": "string"}),
            "bool" => json!({"type": "boolean"}),
            "int" => json!({"type": "integer"}),
            "time" => json!({"type": "string", "format": "date-time"}),
            "int32" | "int64" => json!({"type": "integer", "format": name}),
            "port" => {
                json!({"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true})
            }
            "quantity" => {
                json!({"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true, "pattern": QUANTITY})
            }
            name => match name.strip_prefix("string:") {
                Some(name) => json!({"type": "string", "title": format!("v1.{name}")}),
                None => self.object(name),
            },
        };
        if let Some((least, most)) = bounds.split_once("..") {
            let (lower, upper) =
                if name == "string" { ("minLength", "maxLength") } else { ("minimum", "maximum") };
            for (field, bound) in [(lower, least), (upper, most)] {
                match bound.parse::<i64>() {
                    Ok(0) if name == "string" => {}
                    Ok(bound) => schema[field] = bound.into(),
                    Err(_) => {}
                }
            }
        }
        schema
    }

    /// What stands behind the opening bracket of a list.
    fn list(&self, list: &str) -> Value {
        let (list, most) = match list.split_once("<=") {
            Some((list, most)) => (list, most.parse::<i64>().ok()),
            None => (list, None),
        };
        let (item, keys) = list.split_once(']').unwrap_or((list, ""));
        let mut schema = json!({"type": "array", "items": self.schema(item)});
        schema["x-kubernetes-list-type"] = match keys {
            "" => "atomic".into(),
            "set" => "set".into(),
            keys => {
                schema["x-kubernetes-list-map-keys"] = keys.split('+').collect();
                "map".into()
            }
        };
        if let Some(most) = most {
            schema["maxItems"] = most.into();
        }
        schema
    }

    fn object(&self, name: &str) -> Value {
        let known = self.0.get(name).unwrap_or_else(|| unreachable!("a test reads all: {name:?}"));
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in &known.fields {
            let mut schema = self.schema(field.expression);
            if let Some(default) = field.default {
                let text = || Value::from(default);
                schema["default"] = serde_json::from_str(default).unwrap_or_else(|_| text());
            }
            if field.fixed {
                schema["x-kubernetes-validations"] =
                    json!([{"rule": "self == oldSelf", "message": "field is immutable"}]);
            }
            if field.required {
                required.push(field.name);
            }
            properties.insert(field.name.to_owned(), schema);
        }
        let title = if name.contains('.') { name.to_owned() } else { format!("v1.{name}") };
        let mut schema = json!({"type": "object", "title": title, "properties": properties});
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        if known.atomic {
            schema["x-kubernetes-map-type"] = "atomic".into();
        }
        schema
    }
}

impl Field {
    /// Reads `name! expression=default`.
    fn read(text: &'static str) -> Self {
        let (name, expression) = text.split_once(' ').expect("a field has a name and a type");
        let (expression, default) = match expression.split_once('=') {
            Some((left, right)) if !left.ends_with('<') => (left, Some(right)),
            _ => (expression, None),
        };
        Self {
            name: name.trim_end_matches(['!', '~']),
            required: name.contains('!'),
            fixed: name.contains('~'),
            default,
            expression,
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    const TEXT: &str = "\
# A comment.
Pod: name! string(1..253), ports~ [Port]number+protocol<=2,
  limits {quantity}
@Port: number! int32, protocol string:Protocol=TCP, name string=, open bool=false";

    #[test]
    fn a_notation_becomes_a_schema() {
        let mut definition = json!({"spec": {"$type": "Port"}});
        Types::read(TEXT).resolve(&mut definition);
        expect![[r#"{"spec":{"properties":{"name":{"default":"","type":"string"},"number":{"format":"int32","type":"integer"},"open":{"default":false,"type":"boolean"},"protocol":{"default":"TCP","title":"v1.Protocol","type":"string"}},"required":["number"],"title":"v1.Port","type":"object","x-kubernetes-map-type":"atomic"}}"#]]
            .assert_eq(&definition.to_string());
        let pod = Types::read(TEXT).schema("Pod");
        assert_eq!(pod["required"], json!(["name"]));
        assert_eq!(
            (&pod["properties"]["name"]["minLength"], &pod["properties"]["ports"]["maxItems"]),
            (&json!(1), &json!(2))
        );
        assert_eq!(pod["properties"]["limits"]["title"], "v1.ResourceList");
    }

    #[test]
    fn fields_are_written_in_the_order_of_their_type() {
        let pod = json!({"ports": [{"open": true, "number": 1}], "name": "a"});
        assert_eq!(
            Types::read(TEXT).in_order("Pod", &pod),
            r#"{"name":"a","ports":[{"number":1,"open":true}]}"#
        );
    }
}
