//! Validation of Pods and Jobs.

use std::collections::HashSet;

use kube::core::response::StatusCause;
use serde_json::{Value, json};

use super::{list, object, text};
use crate::{jobs::JOB_CONTROLLER, quantity::Quantity, status::cause};

/// What a Job may ask for and would not get.
const UNSUPPORTED: [&str; 5] = [
    "podFailurePolicy",
    "successPolicy",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
    "manualSelector",
];

const ADVICE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

pub(super) fn pod_spec(spec: &Value, path: &str, causes: &mut Vec<StatusCause>) {
    let mut volumes = HashSet::new();
    for (index, volume) in list(spec, "volumes").iter().enumerate() {
        let path = format!("{path}.volumes[{index}]");
        named(volume, &path, &mut volumes, causes);
    }
    if list(spec, "containers").is_empty() {
        causes.push(cause::required(format!("{path}.containers"), ""));
    }
    let mut names = HashSet::new();
    for field in ["initContainers", "containers"] {
        for (index, one) in list(spec, field).iter().enumerate() {
            let path = format!("{path}.{field}[{index}]");
            named(one, &path, &mut names, causes);
            container(one, &path, &volumes, causes);
        }
    }
    choice(spec, path, "restartPolicy", &["Always", "OnFailure", "Never"], causes);
    choice(
        spec,
        path,
        "dnsPolicy",
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
        causes,
    );
    at_least(spec, path, "terminationGracePeriodSeconds", 0, causes);
    if spec["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds < 1) {
        let why = "must be between 1 and 2147483647, inclusive";
        causes.push(cause::invalid(
            format!("{path}.activeDeadlineSeconds"),
            &spec["activeDeadlineSeconds"],
            why,
        ));
    }
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
        name if !is_label(name) => causes.push(cause::invalid(field, &json!(name), ADVICE)),
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

fn container(
    container: &Value,
    path: &str,
    volumes: &HashSet<&str>,
    causes: &mut Vec<StatusCause>,
) {
    if text(container, "image").is_empty() {
        causes.push(cause::required(format!("{path}.image"), ""));
    }
    choice(container, path, "imagePullPolicy", &["Always", "IfNotPresent", "Never"], causes);
    for (index, variable) in list(container, "env").iter().enumerate() {
        if text(variable, "name").is_empty() {
            causes.push(cause::required(format!("{path}.env[{index}].name"), ""));
        }
        if !text(variable, "value").is_empty() && variable["valueFrom"].is_object() {
            let why = "may not be specified when `value` is not empty";
            let field = format!("{path}.env[{index}].valueFrom");
            causes.push(cause::invalid(field, &json!(""), why));
        }
    }
    for (index, port) in list(container, "ports").iter().enumerate() {
        port_number(&port["containerPort"], format!("{path}.ports[{index}].containerPort"), causes);
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
        match text(mount, "mountPath") {
            "" => causes.push(cause::required(format!("{path}.mountPath"), "")),
            at if !mounts.insert(at) => {
                causes.push(cause::invalid(
                    format!("{path}.mountPath"),
                    &json!(at),
                    "must be unique",
                ));
            }
            _ => {}
        }
    }
    resources(&container["resources"], &format!("{path}.resources"), causes);
}

fn resources(resources: &Value, path: &str, causes: &mut Vec<StatusCause>) {
    for field in ["limits", "requests"] {
        for (name, amount) in object(resources, field).into_iter().flatten() {
            let field = format!("{path}.{field}[{name}]");
            quantity(amount, field, causes);
        }
    }
    for (name, request) in object(resources, "requests").into_iter().flatten() {
        let limit = &resources["limits"][name];
        let extended = name.contains('/') && !name.starts_with("kubernetes.io/");
        match (Quantity::of(request), Quantity::of(limit)) {
            (Some(request), Some(limit)) if extended && request != limit => {
                let why = format!("must be equal to {name} limit of {limit}");
                causes.push(cause::invalid(
                    format!("{path}.requests"),
                    &json!(request.to_string()),
                    &why,
                ));
            }
            (Some(request), Some(limit)) if request > limit => {
                let why = format!("must be less than or equal to {name} limit of {limit}");
                causes.push(cause::invalid(
                    format!("{path}.requests"),
                    &json!(request.to_string()),
                    &why,
                ));
            }
            (Some(_), None) if extended => {
                let why = "Limit must be set for non overcommitable resources";
                causes.push(cause::required(format!("{path}.limits"), why));
            }
            _ => {}
        }
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
    match port.as_i64() {
        None | Some(0) => causes.push(cause::required(field, "")),
        Some(1..=65535) => {}
        Some(_) => {
            causes.push(cause::invalid(field, port, "must be between 1 and 65535, inclusive"))
        }
    }
}

fn choice(
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

fn at_least(value: &Value, path: &str, field: &str, least: i64, causes: &mut Vec<StatusCause>) {
    if value[field].as_i64().is_some_and(|number| number < least) {
        let why = format!("must be greater than or equal to {least}");
        causes.push(cause::invalid(format!("{path}.{field}"), &value[field], &why));
    }
}

pub(super) fn job_spec(spec: &Value, causes: &mut Vec<StatusCause>) {
    for field in [
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
    ] {
        at_least(spec, "spec", field, 0, causes);
    }
    choice(spec, "spec", "completionMode", &["NonIndexed", "Indexed"], causes);
    if spec["completionMode"] == "Indexed" && spec["completions"].is_null() {
        let mode = r#"when completion mode is Indexed"#;
        causes.push(cause::required("spec.completions", mode));
    }
    // Another controller may do what the one here does not.
    if ["", JOB_CONTROLLER].contains(&text(spec, "managedBy")) {
        let is_asked_for = |field: &&&str| !spec[**field].is_null() && spec[**field] != false;
        for field in UNSUPPORTED.iter().filter(is_asked_for) {
            let why = format!("the local cluster's Job controller does not support {field}");
            causes.push(cause::forbidden(format!("spec.{field}"), &why));
        }
    }
    let template = &spec["template"]["spec"];
    pod_spec(template, "spec.template.spec", causes);
    if !["OnFailure", "Never"].contains(&text(template, "restartPolicy")) {
        let why = r#"valid values: "OnFailure", "Never""#;
        causes.push(cause::required("spec.template.spec.restartPolicy", why));
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
    if fixed(&old["spec"]) != fixed(&new["spec"]) {
        let why = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        causes.push(cause::forbidden("spec", why));
    }
}

/// A Job's template is fixed, but for where its Pods go while it is suspended.
pub(super) fn job_change(old: &Value, new: &Value, causes: &mut Vec<StatusCause>) {
    let (old, new) = (&old["spec"], &new["spec"]);
    let suspended = old["suspend"] == true;
    let template = |spec: &Value| {
        let mut template = spec["template"].clone();
        if suspended {
            template["metadata"] = Value::Null;
            for field in ["nodeSelector", "affinity", "tolerations", "schedulingGates"] {
                template["spec"][field] = Value::Null;
            }
        }
        template
    };
    if template(old) != template(new) {
        let field = if suspended { "spec.template.spec" } else { "spec.template" };
        causes.push(cause::invalid(field, &new["template"], "field is immutable"));
    }
    let elastic = new["completionMode"] == "Indexed" && new["completions"] == new["parallelism"];
    for field in [
        "selector",
        "completionMode",
        "manualSelector",
        "completions",
        "podFailurePolicy",
        "backoffLimitPerIndex",
    ] {
        if old[field] != new[field] && !(field == "completions" && elastic) {
            causes.push(cause::invalid(format!("spec.{field}"), &new[field], "field is immutable"));
        }
    }
}
