//! What is served, in the old form (one answer a group and version) and the aggregated one.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::kinds::{Form, Kind, Kinds, events};

const STORED: &[&str] =
    &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// Of custom resources, in the order of the server that serves them.
const CUSTOM: &[&str] =
    &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

/// Namespaces are deleted one at a time.
const NAMESPACES: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];

/// `/api` and `/apis`, aggregated.
pub(crate) fn aggregated(kinds: &Kinds, core: bool) -> Value {
    let groups = kinds.groups().filter(|(group, _)| group.is_empty() == core);
    let items = groups.map(|(group, versions)| {
        let versions = versions.into_iter().map(|version| {
            let resources: Vec<Value> =
                kinds.of(group, version).map(|kind| aggregated_kind(kind)).collect();
            json!({"version": version, "freshness": "Current", "resources": resources})
        });
        let metadata = match group {
            "" => json!({"creationTimestamp": null}),
            name => json!({"name": name, "creationTimestamp": null}),
        };
        json!({"metadata": metadata, "versions": versions.collect::<Vec<_>>()})
    });
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {},
           "items": items.collect::<Vec<_>>()})
}

fn aggregated_kind(kind: &Kind) -> Value {
    let response_kind = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
    let subresources = subresources(kind).map(
        |(name, verbs)| json!({"subresource": name, "responseKind": response_kind, "verbs": verbs}),
    );
    let mut resource = json!({
        "resource": kind.plural, "responseKind": response_kind, "singularResource": kind.singular,
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" }, "verbs": verbs(kind),
    });
    let subresources: Vec<Value> = subresources.collect();
    if !subresources.is_empty() {
        resource["subresources"] = subresources.into();
    }
    names(kind, &mut resource);
    resource
}

/// `/api`.
pub(crate) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`.
pub(crate) fn groups(kinds: &Kinds) -> Value {
    let groups = kinds.groups().filter(|(group, _)| !group.is_empty());
    let groups: Vec<Value> = groups.map(|(group, versions)| one_group(group, &versions)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/GROUP`.
pub(crate) fn group(kinds: &Kinds, name: &str) -> Option<Value> {
    let (name, versions) = kinds.groups().find(|(group, _)| *group == name)?;
    let mut group = one_group(name, &versions);
    group["kind"] = "APIGroup".into();
    group["apiVersion"] = "v1".into();
    Some(group)
}

fn one_group(group: &str, versions: &[&str]) -> Value {
    let version = |it: &&str| json!({"groupVersion": format!("{group}/{it}"), "version": it});
    let versions: Vec<Value> = versions.iter().map(version).collect();
    json!({"name": group, "preferredVersion": versions.first(), "versions": versions})
}

/// `/api/v1` and `/apis/GROUP/VERSION`.
pub(crate) fn resources(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    for kind in kinds.of(group, version) {
        let base = |name: String, verbs: &[&str]| json!({"name": name, "singularName": "", "namespaced": kind.namespaced, "kind": kind.kind, "verbs": verbs});
        let mut resource = base(kind.plural.clone(), verbs(kind));
        resource["singularName"] = kind.singular.as_str().into();
        if kind.stored {
            resource["storageVersionHash"] = storage_version_hash(kind).into();
        }
        names(kind, &mut resource);
        resources.push(resource);
        for (name, verbs) in subresources(kind) {
            resources.push(base(format!("{}/{name}", kind.plural), verbs));
        }
    }
    let group_version = match group {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    };
    (!resources.is_empty()).then(|| {
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
    })
}

/// What tells clients that objects are stored in another version than before.
fn storage_version_hash(kind: &Kind) -> String {
    let (group, version) = match kind.group.as_str() {
        events::NEWER => ("", "v1"),
        // It is stored in the version before, which nobody serves any longer.
        "apiextensions.k8s.io" => (kind.group.as_str(), "v1beta1"),
        group => (group, kind.version.as_str()),
    };
    let digest = Sha256::digest(format!("{group}/{version}/{}", kind.kind));
    BASE64_STANDARD.encode(&digest[..8])
}

fn names(kind: &Kind, resource: &mut Value) {
    for (field, names) in [("shortNames", &kind.short_names), ("categories", &kind.categories)] {
        if !names.is_empty() {
            resource[field] = json!(names);
        }
    }
}

fn verbs(kind: &Kind) -> &'static [&'static str] {
    match kind.form {
        _ if !kind.stored => &["create"],
        Form::Custom(_) => CUSTOM,
        Form::BuiltIn { .. } if kind.resource == "namespaces" => NAMESPACES,
        Form::BuiltIn { .. } => STORED,
    }
}

fn subresources(kind: &Kind) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let status = kind.has_status.then_some(("status", ["get", "patch", "update"].as_slice()));
    let others = kind.subresources.iter().map(|name| match *name {
        "log" => ("log", ["get"].as_slice()),
        name => (name, ["create"].as_slice()),
    });
    status.into_iter().chain(others)
}
