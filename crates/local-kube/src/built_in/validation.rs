//! Validation of the API server's own kinds.

use kube::core::response::StatusCause;
use serde_json::{Value, json};

use super::{
    containers::{port_number, quantity},
    jobs, list, object,
    pods::{self, choice},
    text,
};
use crate::{quantity::Quantity, status::cause};

/// As much as a ConfigMap or Secret holds.
const MOST_DATA: usize = 1024 * 1024;

/// What is wrong with an object after its defaults. `resource` is the plural with its group.
pub fn validate(resource: &str, object: &Value) -> Vec<StatusCause> {
    let mut causes = Vec::new();
    let spec = &object["spec"];
    match resource {
        "pods" => pods::pod(spec, &mut causes),
        "jobs.batch" => jobs::job(object, &mut causes),
        "events" => event(object, &mut causes),
        "services" => service(spec, &mut causes),
        "configmaps" | "secrets" => data(object, &mut causes),
        "persistentvolumeclaims" => claim(spec, &mut causes),
        "limitranges" => {
            let why = "the local cluster does not keep the limits of a LimitRange";
            causes.push(cause::forbidden("spec", why));
        }
        "resourcequotas" => hard_limits(spec, &mut causes),
        "roles.rbac.authorization.k8s.io" => rules(object, true, &mut causes),
        "clusterroles.rbac.authorization.k8s.io" => rules(object, false, &mut causes),
        "rolebindings.rbac.authorization.k8s.io" => binding(object, true, &mut causes),
        "clusterrolebindings.rbac.authorization.k8s.io" => binding(object, false, &mut causes),
        "customresourcedefinitions.apiextensions.k8s.io" => definition(object, &mut causes),
        _ => {}
    }
    causes
}

/// What of an existing object may not change.
pub fn check_change(resource: &str, old: &Value, new: &Value) -> Vec<StatusCause> {
    let mut causes = Vec::new();
    let mut fixed = |field: &str, pointer: &str, why: &str| {
        let (old, new) = (old.pointer(pointer), new.pointer(pointer));
        if old != new {
            causes.push(cause::invalid(field, new.unwrap_or(&Value::Null), why));
        }
    };
    match resource {
        "pods" => pods::pod_change(old, new, &mut causes),
        "jobs.batch" => jobs::job_change(old, new, &mut causes),
        "secrets" => {
            fixed("type", "/type", "field is immutable");
            frozen(old, new, &mut causes);
        }
        "configmaps" => frozen(old, new, &mut causes),
        "persistentvolumeclaims" => {
            let rest = |claim: &Value| {
                let mut spec = claim["spec"].clone();
                spec["resources"]["requests"] = Value::Null;
                // Bound by the cluster, after the claim was made.
                spec["volumeName"] = Value::Null;
                spec["volumeAttributesClassName"] = Value::Null;
                spec
            };
            if rest(old) != rest(new) {
                let why = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
                causes.push(cause::forbidden("spec", why));
            }
        }
        "rolebindings.rbac.authorization.k8s.io"
        | "clusterrolebindings.rbac.authorization.k8s.io" => {
            role_reference(&old["roleRef"], &new["roleRef"], &mut causes);
        }
        "customresourcedefinitions.apiextensions.k8s.io" => {
            for field in ["group", "scope"] {
                fixed(&format!("spec.{field}"), &format!("/spec/{field}"), "field is immutable");
            }
            for field in ["plural", "kind"] {
                let pointer = format!("/spec/names/{field}");
                fixed(&format!("spec.names.{field}"), &pointer, "field is immutable");
            }
        }
        _ => {}
    }
    causes
}

/// A binding stays with its role.
fn role_reference(old: &Value, new: &Value, causes: &mut Vec<StatusCause>) {
    if old != new {
        let [group, kind, name] = ["apiGroup", "kind", "name"].map(|field| &new[field]);
        let shown = format!(r#"{{"APIGroup":{group},"Kind":{kind},"Name":{name}}}"#);
        let message = format!("Invalid value: {shown}: cannot change roleRef");
        causes.push(cause::cause("FieldValueInvalid", "roleRef", message));
    }
}

/// An immutable ConfigMap or Secret stays what it is.
fn frozen(old: &Value, new: &Value, causes: &mut Vec<StatusCause>) {
    if old["immutable"] != true {
        return;
    }
    for field in ["immutable", "data", "binaryData"] {
        if old[field] != new[field] {
            causes.push(cause::forbidden(field, "field is immutable when `immutable` is set"));
        }
    }
}

/// An event stands in the namespace of what it is about.
fn event(event: &Value, causes: &mut Vec<StatusCause>) {
    let (own, about) = (text(&event["metadata"], "namespace"), &event["involvedObject"]);
    let fits = match text(about, "namespace") {
        "" => own == "default" || (own == "kube-system" && !event["eventTime"].is_null()),
        namespace => own == namespace || !event["eventTime"].is_null(),
    };
    if !fits {
        let namespace = text(about, "namespace").into();
        let why = "does not match event.namespace";
        causes.push(cause::invalid("involvedObject.namespace", &namespace, why));
    }
    if event["eventTime"].is_null() {
        return;
    }
    for field in ["reportingComponent", "reportingInstance", "action", "reason"] {
        if text(event, field).is_empty() {
            causes.push(cause::required(field, ""));
        }
    }
}

fn service(spec: &Value, causes: &mut Vec<StatusCause>) {
    let ports = list(spec, "ports");
    if ports.is_empty() && spec["clusterIP"] != "None" && spec["type"] != "ExternalName" {
        causes.push(cause::required("spec.ports", ""));
    }
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        if ports.len() > 1 && text(port, "name").is_empty() {
            causes.push(cause::required(format!("{path}.name"), ""));
        }
        port_number(&port["port"], format!("{path}.port"), causes);
        choice(port, &path, "protocol", &["SCTP", "TCP", "UDP"], causes);
        if port["targetPort"].is_number() {
            port_number(&port["targetPort"], format!("{path}.targetPort"), causes);
        }
    }
    let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    choice(spec, "spec", "type", &types, causes);
    if causes.is_empty() && spec["clusterIP"] != "None" && spec["type"] != "ExternalName" {
        let why = "the local cluster gives Services no addresses: set it to \"None\", and names stand for Pods";
        causes.push(cause::forbidden("spec.clusterIP", why));
    }
}

fn data(object_with_data: &Value, causes: &mut Vec<StatusCause>) {
    let mut size = 0;
    for field in ["data", "binaryData"] {
        for (key, value) in object(object_with_data, field).into_iter().flatten() {
            size += value.as_str().map_or(0, str::len);
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if key.is_empty() || key.len() > 253 || !key.chars().all(allowed) {
                let why = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
                causes.push(cause::invalid(format!("{field}[{key}]"), &json!(key), why));
            }
        }
    }
    for key in object(object_with_data, "data").into_iter().flatten().map(|(key, _)| key) {
        if object(object_with_data, "binaryData").is_some_and(|it| it.contains_key(key)) {
            let why = "duplicate of key present in binaryData";
            causes.push(cause::invalid(format!("data[{key}]"), &json!(key), why));
        }
    }
    if size > MOST_DATA {
        let message = format!("Too long: may not be more than {MOST_DATA} bytes");
        causes.push(cause::cause("FieldValueTooLong", "data", message));
    }
}

fn claim(spec: &Value, causes: &mut Vec<StatusCause>) {
    if list(spec, "accessModes").is_empty() {
        causes.push(cause::required("spec.accessModes", "at least 1 access mode is required"));
    }
    match spec.pointer("/resources/requests/storage") {
        None => causes.push(cause::required("spec.resources[storage]", "")),
        Some(amount) if Quantity::of(amount) == Some(Quantity::ZERO) => {
            let why = "must be greater than zero";
            causes.push(cause::invalid("spec.resources[storage]", amount, why));
        }
        Some(amount) => quantity(amount, "spec.resources[storage]".into(), causes),
    }
}

fn hard_limits(spec: &Value, causes: &mut Vec<StatusCause>) {
    for (name, amount) in object(spec, "hard").into_iter().flatten() {
        quantity(amount, format!("spec.hard[{name}]"), causes);
    }
}

fn rules(role: &Value, namespaced: bool, causes: &mut Vec<StatusCause>) {
    for (index, rule) in list(role, "rules").iter().enumerate() {
        let mut needs = |field: &str, why: &str| {
            if list(rule, field).is_empty() {
                causes.push(cause::required(format!("rules[{index}].{field}"), why));
            }
        };
        needs("verbs", "verbs must contain at least one value");
        if list(rule, "nonResourceURLs").is_empty() {
            needs("apiGroups", "resource rules must supply at least one api group");
            needs("resources", "resource rules must supply at least one resource");
        } else if namespaced {
            let why = "namespaced rules cannot apply to non-resource URLs";
            let field = format!("rules[{index}].nonResourceURLs");
            let shown = format!("Invalid value: {}: {why}", rule["nonResourceURLs"]);
            causes.push(cause::cause("FieldValueInvalid", field, shown));
        }
    }
}

fn binding(binding: &Value, namespaced: bool, causes: &mut Vec<StatusCause>) {
    let role = &binding["roleRef"];
    if !["Role", "ClusterRole"].contains(&text(role, "kind")) {
        causes.push(cause::unsupported("roleRef.kind", &role["kind"], &["Role", "ClusterRole"]));
    }
    if text(role, "name").is_empty() {
        causes.push(cause::required("roleRef.name", ""));
    }
    for (index, subject) in list(binding, "subjects").iter().enumerate() {
        let path = format!("subjects[{index}]");
        if text(subject, "name").is_empty() {
            causes.push(cause::required(format!("{path}.name"), ""));
        }
        match text(subject, "kind") {
            "ServiceAccount" if !namespaced && text(subject, "namespace").is_empty() => {
                causes.push(cause::required(format!("{path}.namespace"), ""));
            }
            "ServiceAccount" | "User" | "Group" => {}
            _ => {
                let supported = ["ServiceAccount", "User", "Group"];
                causes.push(cause::unsupported(
                    format!("{path}.kind"),
                    &subject["kind"],
                    &supported,
                ));
            }
        }
    }
}

fn definition(definition: &Value, causes: &mut Vec<StatusCause>) {
    let spec = &definition["spec"];
    let (group, plural) = (text(spec, "group"), text(&spec["names"], "plural"));
    let expected = format!("{plural}.{group}");
    if text(&definition["metadata"], "name") != expected {
        let why = r#"must be spec.names.plural+"."+spec.group"#;
        causes.push(cause::invalid("metadata.name", &definition["metadata"]["name"], why));
    }
    for (field, value) in [
        ("spec.group", group),
        ("spec.names.plural", plural),
        ("spec.names.kind", text(&spec["names"], "kind")),
    ] {
        if value.is_empty() {
            causes.push(cause::required(field, ""));
        }
    }
    if !["Cluster", "Namespaced"].contains(&text(spec, "scope")) {
        causes.push(cause::unsupported("spec.scope", &spec["scope"], &["Cluster", "Namespaced"]));
    }
    let versions = list(spec, "versions");
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let why = "must have exactly one version marked as storage version";
        causes.push(cause::invalid("spec.versions", &spec["versions"], why));
    }
    for (index, version) in versions.iter().enumerate() {
        if !version["schema"]["openAPIV3Schema"].is_object() {
            let field = format!("spec.versions[{index}].schema.openAPIV3Schema");
            causes.push(cause::required(field, "schemas are required"));
        }
    }
}
