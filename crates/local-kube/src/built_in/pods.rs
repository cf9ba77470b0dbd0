//! Validation of Pods and of the templates they are made of.

use std::collections::HashSet;

use kube::core::response::StatusCause;
use serde_json::{Value, json};

use super::{containers::container, list, object, text};
use crate::{
    metadata::{LABEL, QUALIFIED, is_qualified},
    status::cause,
};

pub(super) fn pod_spec(spec: &Value, path: &str, causes: &mut Vec<StatusCause>) {
    let mut volumes = HashSet::new();
    for (index, one) in list(spec, "volumes").iter().enumerate() {
        let path = format!("{path}.volumes[{index}]");
        let before = causes.len();
        sources(one, &path, causes);
        // The name of a volume that is wrong otherwise is not taken.
        match causes.len() == before {
            true => named(one, &path, &mut volumes, causes),
            false => named(one, &path, &mut HashSet::new(), causes),
        }
    }
    if list(spec, "containers").is_empty() {
        causes.push(cause::required(format!("{path}.containers"), ""));
    }
    let mut names = HashSet::new();
    for field in ["containers", "initContainers"] {
        for (index, one) in list(spec, field).iter().enumerate() {
            let path = format!("{path}.{field}[{index}]");
            named(one, &path, &mut names, causes);
            container(one, &path, &volumes, causes);
        }
    }
    choice(spec, path, "restartPolicy", &["Always", "OnFailure", "Never"], causes);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    choice(spec, path, "dnsPolicy", &policies, causes);
    for key in object(spec, "nodeSelector").into_iter().flatten().map(|(key, _)| key) {
        if !is_qualified(key) {
            causes.push(cause::invalid(format!("{path}.nodeSelector"), &json!(key), QUALIFIED));
        }
    }
    let deadline = &spec["activeDeadlineSeconds"];
    if deadline.as_i64().is_some_and(|seconds| !(1..=i64::from(i32::MAX)).contains(&seconds)) {
        let why = "must be between 1 and 2147483647, inclusive";
        causes.push(cause::invalid(format!("{path}.activeDeadlineSeconds"), deadline, why));
    }
    for field in ["hostname", "subdomain"] {
        let name = text(spec, field);
        if !name.is_empty() && !is_label(name) {
            causes.push(cause::invalid(format!("{path}.{field}"), &json!(name), LABEL));
        }
    }
    for (index, toleration) in list(spec, "tolerations").iter().enumerate() {
        tolerates(toleration, &format!("{path}.tolerations[{index}]"), causes);
    }
}

/// What only a Pod itself is asked, not a template.
pub(super) fn pod(spec: &Value, causes: &mut Vec<StatusCause>) {
    pod_spec(spec, "spec", causes);
    for field in ["containers", "initContainers"] {
        for (index, one) in list(spec, field).iter().enumerate() {
            let image = text(one, "image");
            if image.trim() != image {
                let why = "must not have leading or trailing whitespace";
                let field = format!("spec.{field}[{index}].image");
                causes.push(cause::invalid(field, &json!(image), why));
            }
        }
    }
}

/// A volume is of one sort.
fn sources(volume: &Value, path: &str, causes: &mut Vec<StatusCause>) {
    const ORDER: [&str; 9] = [
        "emptyDir",
        "hostPath",
        "secret",
        "nfs",
        "persistentVolumeClaim",
        "configMap",
        "downwardAPI",
        "projected",
        "ephemeral",
    ];
    let given = volume.as_object().into_iter().flatten();
    let mut given: Vec<&String> = given.map(|it| it.0).filter(|it| *it != "name").collect();
    given.sort_by_key(|name| ORDER.iter().position(|it| it == name).unwrap_or(ORDER.len()));
    for name in given.into_iter().skip(1) {
        let why = "may not specify more than 1 volume type";
        causes.push(cause::forbidden(format!("{path}.{name}"), why));
    }
}

fn tolerates(toleration: &Value, path: &str, causes: &mut Vec<StatusCause>) {
    let [key, operator, effect] = ["key", "operator", "effect"].map(|it| text(toleration, it));
    if !key.is_empty() && !is_qualified(key) {
        causes.push(cause::invalid(format!("{path}.key"), &json!(key), QUALIFIED));
    }
    if key.is_empty() && operator != "Exists" {
        let why = r#"operator must be Exists when `key` is empty, which means "match all values and all keys""#;
        causes.push(cause::invalid(format!("{path}.operator"), &json!(operator), why));
    }
    if !toleration["tolerationSeconds"].is_null() && effect != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        causes.push(cause::invalid(format!("{path}.effect"), &json!(effect), why));
    }
    choice(toleration, path, "operator", &["Equal", "Exists"], causes);
    choice(toleration, path, "effect", &["NoSchedule", "PreferNoSchedule", "NoExecute"], causes);
}

/// A name that is given, a label, and not that of a neighbour.
fn named<'v>(
    item: &'v Value,
    path: &str,
    seen: &mut HashSet<&'v str>,
    causes: &mut Vec<StatusCause>,
) {
    let field = format!("{path}.name");
    match text(item, "name") {
        "" => causes.push(cause::required(field, "")),
        name if !is_label(name) => causes.push(cause::invalid(field, &json!(name), LABEL)),
        name if !seen.insert(name) => causes.push(cause::duplicate(field, &json!(name))),
        _ => {}
    }
}

fn is_label(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 63
        && name.chars().all(|c| alphanumeric(c) || c == '-')
        && name.starts_with(alphanumeric)
        && name.ends_with(alphanumeric)
}

pub(super) fn choice(
    value: &Value,
    path: &str,
    field: &str,
    supported: &[&str],
    causes: &mut Vec<StatusCause>,
) {
    let chosen = text(value, field);
    if !chosen.is_empty() && !supported.contains(&chosen) {
        causes.push(cause::unsupported(format!("{path}.{field}"), &json!(chosen), supported));
    }
}

pub(super) fn at_least(
    value: &Value,
    path: &str,
    field: &str,
    least: i64,
    causes: &mut Vec<StatusCause>,
) {
    if value[field].as_i64().is_some_and(|number| number < least) {
        let why = format!("must be greater than or equal to {least}");
        causes.push(cause::invalid(format!("{path}.{field}"), &value[field], &why));
    }
}

/// What of a running Pod may change is little.
pub(super) fn pod_change(old: &Value, new: &Value, causes: &mut Vec<StatusCause>) {
    let fixed = |spec: &Value| {
        let mut spec = spec.clone();
        for field in [
            "activeDeadlineSeconds",
            "tolerations",
            "terminationGracePeriodSeconds",
            "schedulingGates",
        ] {
            spec[field] = Value::Null;
        }
        for field in ["containers", "initContainers"] {
            for container in spec[field].as_array_mut().into_iter().flatten() {
                container["image"] = Value::Null;
            }
        }
        spec
    };
    for field in ["containers", "initContainers"] {
        if list(&old["spec"], field).len() != list(&new["spec"], field).len() {
            let why = "pod updates may not add or remove containers";
            causes.push(cause::forbidden(format!("spec.{field}"), why));
            return;
        }
    }
    if fixed(&old["spec"]) != fixed(&new["spec"]) {
        let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        causes.push(cause::forbidden("spec", why));
    }
}
