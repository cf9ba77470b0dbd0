//! The OpenAPI documents, by which `kubectl apply` learns that the server validates, and `kubectl
//! explain` what objects are made of.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::kinds::{Form, Kind, Kinds, SCHEMA_ROOT, schemas};

/// The second version of the documents, in the one form that clients take it in. It says nothing of
/// what is served: kubectl looks there for kinds that the third version lacks.
pub(crate) const V2: (&str, &[u8]) = (
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    b"\x0a\x032.0\x12\x19\x0a\x0aKubernetes\x12\x0bunversioned",
);

/// `/openapi/v3`: a document for each group and version.
pub(crate) fn index(kinds: &Kinds) -> Value {
    let mut paths = Map::new();
    for (group, versions) in kinds.groups() {
        for version in versions {
            let path = root(group, version);
            paths.insert(path.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{path}")}));
        }
    }
    json!({"paths": paths})
}

/// The document of one group and version.
pub(crate) fn document(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for kind in kinds.of(group, version) {
        let scope = if kind.namespaced { "/namespaces/{namespace}" } else { "" };
        let collection = format!("/{}{scope}/{}", root(group, version), kind.plural);
        if kind.stored {
            let verbs = ["get", "put", "patch", "delete"];
            paths.insert(format!("{collection}/{{name}}"), operations(kind, &verbs));
        }
        let verbs: &[&str] = if kind.stored { &["get", "post", "delete"] } else { &["post"] };
        paths.insert(collection, operations(kind, verbs));
        schemas.insert(schema_name(kind), schema(kind));
    }
    add_parts(&mut schemas);
    (!paths.is_empty()).then(|| {
        json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "unversioned"},
               "paths": paths, "components": {"schemas": schemas}})
    })
}

fn root(group: &str, version: &str) -> String {
    match group {
        "" => format!("api/{version}"),
        group => format!("apis/{group}/{version}"),
    }
}

fn operations(kind: &Kind, verbs: &[&str]) -> Value {
    let operation = |verb: &str| {
        let parameters: &[&str] = match verb {
            "get" => &["labelSelector", "fieldSelector", "limit", "continue", "watch"],
            "delete" => &["dryRun", "propagationPolicy"],
            _ => &["dryRun", "fieldManager", "fieldValidation"],
        };
        let parameters: Vec<Value> = parameters
            .iter()
            .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
            .collect();
        let reference = json!({"$ref": format!("{SCHEMA_ROOT}{}", schema_name(kind))});
        let content = json!({"application/json": {"schema": reference}});
        json!({
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": content}},
            "x-kubernetes-group-version-kind": gvk(kind),
        })
    };
    verbs.iter().map(|verb| ((*verb).to_owned(), operation(verb))).collect::<Map<_, _>>().into()
}

/// `com.example.v1.Widget` of `example.com`.
fn schema_name(kind: &Kind) -> String {
    if let Form::BuiltIn { schema_name, .. } = &kind.form {
        return schema_name.to_string();
    }
    let mut name: Vec<&str> = kind.group.split('.').rev().collect();
    name.extend([kind.version.as_str(), &kind.kind]);
    name.join(".")
}

fn schema(kind: &Kind) -> Value {
    let mut schema = match &kind.form {
        Form::Custom(defined) => custom(defined.written()),
        Form::BuiltIn { schema_name, .. } => schemas()[schema_name.as_ref()].clone(),
    };
    schema["x-kubernetes-group-version-kind"] = json!([gvk(kind)]);
    schema
}

/// The schema of a custom resource, with what all objects have.
fn custom(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if !schema.is_object() {
        schema = json!({"type": "object"});
    }
    let all = &schemas()["io.k8s.api.core.v1.ConfigMap"]["properties"];
    for name in ["apiVersion", "kind", "metadata"] {
        schema["properties"][name] = all[name].clone();
    }
    schema
}

/// Adds the built-in schemas that the given ones refer to.
fn add_parts(named: &mut Map<String, Value>) {
    let mut missing = BTreeSet::new();
    named.values().for_each(|schema| references(schema, &mut missing));
    while let Some(name) = missing.pop_first() {
        if !named.contains_key(&name)
            && let Some(schema) = schemas().get(&name)
        {
            references(schema, &mut missing);
            named.insert(name, schema.clone());
        }
    }
}

fn references(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            let name = object.get("$ref").and_then(|it| it.as_str()?.strip_prefix(SCHEMA_ROOT));
            found.extend(name.map(str::to_owned));
            object.values().for_each(|it| references(it, found));
        }
        Value::Array(list) => list.iter().for_each(|it| references(it, found)),
        _ => {}
    }
}

fn gvk(kind: &Kind) -> Value {
    json!({"group": kind.group, "version": kind.version, "kind": kind.kind})
}
