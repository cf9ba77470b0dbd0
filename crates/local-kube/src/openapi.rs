//! The OpenAPI documents, by which `kubectl apply` learns that the server validates, and `kubectl
//! explain` what custom resources are made of.

use serde_json::{Map, Value, json};

use crate::kinds::{Form, Kind, Kinds};

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
        let reference = json!({"$ref": format!("#/components/schemas/{}", schema_name(kind))});
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
    let group = if kind.group.is_empty() { "core" } else { &kind.group };
    let mut name: Vec<&str> = group.split('.').rev().collect();
    name.extend([kind.version.as_str(), &kind.kind]);
    name.join(".")
}

/// Built-in kinds are known to every client; their fields are left open here.
fn schema(kind: &Kind) -> Value {
    let mut schema = match &kind.form {
        Form::Custom { version, .. } => version["schema"]["openAPIV3Schema"].clone(),
        Form::BuiltIn(_) => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
    };
    if !schema.is_object() {
        schema = json!({"type": "object"});
    }
    for (name, form) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
        if schema["properties"][name].is_null() {
            schema["properties"][name] = json!({"type": form});
        }
    }
    schema["x-kubernetes-group-version-kind"] = json!([gvk(kind)]);
    schema
}

fn gvk(kind: &Kind) -> Value {
    json!({"group": kind.group, "version": kind.version, "kind": kind.kind})
}
