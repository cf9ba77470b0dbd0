//! Validation of a Pod's containers.

use std::collections::HashSet;

use kube::core::response::StatusCause;
use serde_json::{Value, json};

use super::{list, object, pods::choice, text};
use crate::{quantity::Quantity, status::cause};

/// The resources that a container can ask for by a short name.
const STANDARD: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

pub(super) fn container(
    container: &Value,
    path: &str,
    volumes: &HashSet<&str>,
    causes: &mut Vec<StatusCause>,
) {
    if text(container, "image").is_empty() {
        causes.push(cause::required(format!("{path}.image"), ""));
    }
    for (index, port) in list(container, "ports").iter().enumerate() {
        let field = format!("{path}.ports[{index}].containerPort");
        match port["containerPort"].as_i64() {
            None | Some(0) => causes.push(cause::required(field, "")),
            Some(_) => port_number(&port["containerPort"], field, causes),
        }
    }
    for (index, one) in list(container, "env").iter().enumerate() {
        variable(one, &format!("{path}.env[{index}]"), causes);
    }
    let mut mounts = HashSet::new();
    for (index, mount) in list(container, "volumeMounts").iter().enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        let name = text(mount, "name");
        if name.is_empty() {
            causes.push(cause::required(format!("{path}.name"), ""));
        } else if !volumes.contains(name) {
            let message = format!("Not found: {name:?}");
            causes.push(cause::cause("FieldValueNotFound", format!("{path}.name"), message));
        }
        let field = format!("{path}.mountPath");
        match text(mount, "mountPath") {
            "" => causes.push(cause::required(field, "")),
            at if !mounts.insert(at) => {
                causes.push(cause::invalid(field, &json!(at), "must be unique"));
            }
            _ => {}
        }
    }
    choice(container, path, "imagePullPolicy", &["Always", "IfNotPresent", "Never"], causes);
    resources(&container["resources"], &format!("{path}.resources"), causes);
}

fn variable(variable: &Value, path: &str, causes: &mut Vec<StatusCause>) {
    let printable = |c: char| (' '..='~').contains(&c) && c != '=';
    match text(variable, "name") {
        "" => causes.push(cause::required(format!("{path}.name"), "")),
        name if !name.chars().all(printable) => {
            let why = "a valid environment variable name must consist only of printable ASCII characters other than '='";
            causes.push(cause::invalid(format!("{path}.name"), &json!(name), why));
        }
        _ => {}
    }
    let field = variable.pointer("/valueFrom/fieldRef/fieldPath").and_then(Value::as_str);
    if let Some(field) = field.filter(|it| !is_field_of_pod(it)) {
        let why = format!("error converting fieldPath: field label not supported: {field}");
        let path = format!("{path}.valueFrom.fieldRef.fieldPath");
        causes.push(cause::invalid(path, &json!(field), &why));
    }
    if !text(variable, "value").is_empty() && variable["valueFrom"].is_object() {
        let why = "may not be specified when `value` is not empty";
        causes.push(cause::invalid(format!("{path}.valueFrom"), &json!(""), why));
    }
}

/// Whether a Pod can tell its containers this of itself.
fn is_field_of_pod(path: &str) -> bool {
    const FIELDS: [&str; 10] = [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.serviceAccountName",
        "spec.schedulerName",
        "spec.hostNetwork",
        "status.phase",
        "status.nominatedNodeName",
    ];
    let entry = ["metadata.labels", "metadata.annotations"]
        .iter()
        .filter_map(|map| path.strip_prefix(map))
        .any(|rest| rest.is_empty() || (rest.starts_with("['") && rest.ends_with("']")));
    entry
        || FIELDS.contains(&path)
        || path.starts_with("status.hostIP")
        || path.starts_with("status.podIP")
}

fn resources(resources: &Value, path: &str, causes: &mut Vec<StatusCause>) {
    for (name, amount) in object(resources, "limits").into_iter().flatten() {
        let field = format!("{path}.limits[{name}]");
        of_container(name, &field, causes);
        quantity(amount, field, causes);
    }
    for (name, amount) in object(resources, "requests").into_iter().flatten() {
        let field = format!("{path}.requests[{name}]");
        of_container(name, &field, causes);
        quantity(amount, field, causes);
        let requests = format!("{path}.requests");
        // What is not the cluster's own cannot be promised twice.
        let extended = name.contains('/') && !name.contains("kubernetes.io/");
        match (Quantity::of(amount), Quantity::of(&resources["limits"][name])) {
            (Some(request), Some(limit)) if extended && request != limit => {
                let why = format!("must be equal to {name} limit of {limit}");
                causes.push(cause::invalid(requests, &json!(request.to_string()), &why));
            }
            (Some(request), Some(limit)) if request > limit => {
                let why = format!("must be less than or equal to {name} limit of {limit}");
                causes.push(cause::invalid(requests, &json!(request.to_string()), &why));
            }
            (Some(_), None) if extended => {
                let why = "Limit must be set for non overcommitable resources";
                causes.push(cause::required(format!("{path}.limits"), why));
            }
            _ => {}
        }
    }
}

fn of_container(name: &str, field: &str, causes: &mut Vec<StatusCause>) {
    if name.contains('/') || STANDARD.contains(&name) || name.starts_with("hugepages-") {
        return;
    }
    for why in [
        "must be a standard resource type or fully qualified",
        "must be a standard resource for containers",
    ] {
        causes.push(cause::invalid(field, &json!(name), why));
    }
}

pub(super) fn quantity(amount: &Value, field: String, causes: &mut Vec<StatusCause>) {
    match Quantity::of(amount) {
        None => {
            let why = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
            causes.push(cause::invalid(field, amount, why));
        }
        Some(parsed) if parsed.is_negative() => {
            causes.push(cause::invalid(field, amount, "must be greater than or equal to 0"));
        }
        Some(_) => {}
    }
}

pub(super) fn port_number(port: &Value, field: String, causes: &mut Vec<StatusCause>) {
    if !port.as_i64().is_some_and(|it| (1..=65535).contains(&it)) {
        causes.push(cause::invalid(field, port, "must be between 1 and 65535, inclusive"));
    }
}
