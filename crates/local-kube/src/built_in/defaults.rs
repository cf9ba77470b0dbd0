//! The values that the API server writes into its own kinds where the client leaves them out.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use super::{object, text};
use crate::metadata;

/// Fills in what clients and the kubelet rely on. `resource` is the plural with its group.
pub fn default(resource: &str, object: &mut Value) {
    match resource {
        "pods" => {
            pod_spec(&mut object["spec"]);
            set(&mut object["spec"], "enableServiceLinks", true);
            for field in ["initContainers", "containers"] {
                items(&mut object["spec"], field).for_each(requests);
            }
            for condition in items(&mut object["status"], "conditions") {
                // A probe that never was is told all the same.
                set(condition, "lastProbeTime", Value::Null);
            }
        }
        "jobs.batch" => {
            job(object);
            set(object, "status", json!({}));
        }
        "resourcequotas" => set(object, "status", json!({})),
        "configmaps" => without_empty(object),
        "events" => {
            set(object, "source", json!({}));
            set(object, "reportingComponent", "");
            set(object, "reportingInstance", "");
        }
        "services" => {
            service_spec(&mut object["spec"]);
            set(object, "status", json!({ "loadBalancer": {} }));
        }
        "persistentvolumeclaims" => set(&mut object["spec"], "volumeMode", "Filesystem"),
        "secrets" => {
            secret(object);
            without_empty(object);
        }
        "rolebindings.rbac.authorization.k8s.io"
        | "clusterrolebindings.rbac.authorization.k8s.io" => binding(object),
        "storageclasses.storage.k8s.io" => {
            set(object, "reclaimPolicy", "Delete");
            set(object, "volumeBindingMode", "Immediate");
        }
        "priorityclasses.scheduling.k8s.io" => {
            set(object, "preemptionPolicy", "PreemptLowerPriority");
        }
        "customresourcedefinitions.apiextensions.k8s.io" => definition(object),
        _ => {}
    }
}

/// What is made of a new object once it has its uid.
pub fn generate(resource: &str, object: &mut Value) {
    match resource {
        "pods" => {
            admitted_pod(&mut object["spec"]);
            let class = quality_of_service(&object["spec"]);
            object["status"]["qosClass"] = class.into();
            if !super::list(&object["spec"], "schedulingGates").is_empty() {
                object["status"]["conditions"] = json!([{
                    "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                    "message": "Scheduling is blocked due to non-empty scheduling gates",
                    "lastProbeTime": null, "lastTransitionTime": metadata::now(),
                }]);
            }
        }
        "jobs.batch" if object["spec"]["manualSelector"] != true => {
            let uid = object["metadata"]["uid"].clone();
            let name = object["metadata"]["name"].clone();
            let labels = &mut object["spec"]["template"]["metadata"]["labels"];
            for (key, value) in [
                ("batch.kubernetes.io/controller-uid", &uid),
                ("controller-uid", &uid),
                ("batch.kubernetes.io/job-name", &name),
                ("job-name", &name),
            ] {
                labels[key] = value.clone();
            }
            // What the client itself selects by is kept, to be refused.
            object["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] = uid;
            default(resource, object);
        }
        _ => {}
    }
}

fn set(object: &mut Value, field: &str, default: impl Into<Value>) {
    if object.is_null() {
        *object = Value::Object(Map::new());
    }
    if let Value::Object(object) = object {
        let value = object.entry(field).or_insert(Value::Null);
        if value.is_null() {
            *value = default.into();
        }
    }
}

fn items<'v>(object: &'v mut Value, field: &str) -> impl Iterator<Item = &'v mut Value> {
    object.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten()
}

fn pod_spec(spec: &mut Value) {
    set(spec, "restartPolicy", "Always");
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "terminationGracePeriodSeconds", 30);
    set(spec, "schedulerName", "default-scheduler");
    set(spec, "securityContext", json!({}));
    for field in ["initContainers", "containers"] {
        items(spec, field).for_each(container);
    }
    items(spec, "volumes").for_each(volume);
}

/// What the API server's own admission gives a new Pod.
fn admitted_pod(spec: &mut Value) {
    let account = match (text(spec, "serviceAccountName"), text(spec, "serviceAccount")) {
        ("", "") => "default".to_owned(),
        ("", account) | (account, _) => account.to_owned(),
    };
    set(spec, "serviceAccountName", account.clone());
    set(spec, "serviceAccount", account);
    tolerate(spec);
}

/// Every Pod, new or changed, stays for a while on a Node that is lost.
pub fn tolerate(spec: &mut Value) {
    let tolerated = super::list(spec, "tolerations").to_vec();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |it: &Value| {
            ["", key].contains(&text(it, "key")) && ["", "NoExecute"].contains(&text(it, "effect"))
        };
        if !tolerated.iter().any(covers) {
            set(spec, "tolerations", json!([]));
            let added = json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
            if let Some(tolerations) = spec["tolerations"].as_array_mut() {
                tolerations.push(added);
            }
        }
    }
}

/// A Pod asks for as much as its limits allow; a template says nothing of it.
fn requests(container: &mut Value) {
    let limits = object(&container["resources"], "limits").cloned().unwrap_or_default();
    for (name, limit) in limits {
        if container["resources"]["requests"][&name].is_null() {
            container["resources"]["requests"][&name] = limit;
        }
    }
}

fn container(container: &mut Value) {
    let policy = match text(container, "image").rsplit('/').next().unwrap_or_default() {
        image if image.contains('@') => "IfNotPresent",
        image => match image.split_once(':') {
            Some((_, tag)) if tag != "latest" => "IfNotPresent",
            _ => "Always",
        },
    };
    set(container, "imagePullPolicy", policy);
    set(container, "terminationMessagePath", "/dev/termination-log");
    set(container, "terminationMessagePolicy", "File");
    set(container, "resources", json!({}));
    items(container, "ports").for_each(|port| set(port, "protocol", "TCP"));
    for variable in items(container, "env") {
        if variable["value"] == "" {
            metadata::remove(variable, "value");
        }
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            set(field, "apiVersion", "v1");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) {
            set(probe, "timeoutSeconds", 1);
            set(probe, "periodSeconds", 10);
            set(probe, "successThreshold", 1);
            set(probe, "failureThreshold", 3);
            if let Some(get) = probe.get_mut("httpGet").filter(|it| it.is_object()) {
                set(get, "path", "/");
                set(get, "scheme", "HTTP");
            }
        }
    }
}

fn volume(volume: &mut Value) {
    let fields = volume.as_object().map_or(0, Map::len);
    if fields == 1 && volume.get("name").is_some() {
        volume["emptyDir"] = json!({});
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(source) {
            set(source, "defaultMode", 0o644);
        }
    }
    if let Some(host) = volume.get_mut("hostPath").filter(|it| it.is_object()) {
        set(host, "type", "");
    }
    if let Some(told) = volume.get_mut("downwardAPI") {
        items(told, "items").for_each(field_version);
    }
    if let Some(projected) = volume.get_mut("projected") {
        for source in items(projected, "sources") {
            if let Some(told) = source.get_mut("downwardAPI") {
                items(told, "items").for_each(field_version);
            }
        }
    }
}

fn field_version(file: &mut Value) {
    if let Some(field) = file.get_mut("fieldRef").filter(|it| it.is_object()) {
        set(field, "apiVersion", "v1");
    }
}

fn job(job: &mut Value) {
    job_spec(&mut job["spec"]);
    let labels = job["spec"]["template"]["metadata"]["labels"].clone();
    let labelled = object(&job["metadata"], "labels").is_some_and(|it| !it.is_empty());
    if !labelled && labels.is_object() {
        job["metadata"]["labels"] = labels;
    }
}

fn job_spec(spec: &mut Value) {
    let missing = |spec: &Value, field: &str| spec.get(field).is_none_or(Value::is_null);
    if missing(spec, "parallelism") && missing(spec, "completions") {
        set(spec, "completions", 1);
    }
    set(spec, "parallelism", 1);
    let limit = if missing(spec, "backoffLimitPerIndex") { 6 } else { i32::MAX };
    set(spec, "backoffLimit", limit);
    set(spec, "completionMode", "NonIndexed");
    set(spec, "suspend", false);
    set(spec, "manualSelector", false);
    let replaced = if missing(spec, "podFailurePolicy") { "TerminatingOrFailed" } else { "Failed" };
    set(spec, "podReplacementPolicy", replaced);
    if let Some(template) = spec.get_mut("template").filter(|template| template.is_object()) {
        pod_spec(&mut template["spec"]);
    }
}

fn service_spec(spec: &mut Value) {
    set(spec, "type", "ClusterIP");
    set(spec, "sessionAffinity", "None");
    if spec["type"] != "ExternalName" {
        set(spec, "internalTrafficPolicy", "Cluster");
        set(spec, "ipFamilyPolicy", "SingleStack");
        set(spec, "ipFamilies", json!(["IPv4"]));
    }
    if spec["clusterIP"] == "None" {
        set(spec, "clusterIPs", json!(["None"]));
    }
    for port in items(spec, "ports") {
        set(port, "protocol", "TCP");
        let number = port["port"].clone();
        set(port, "targetPort", number);
    }
}

/// No data is none at all.
fn without_empty(object_with_data: &mut Value) {
    for field in ["data", "binaryData"] {
        if object(object_with_data, field).is_some_and(Map::is_empty) {
            metadata::remove(object_with_data, field);
        }
    }
}

fn secret(secret: &mut Value) {
    set(secret, "type", "Opaque");
    let Some(plain) = secret.as_object_mut().and_then(|secret| secret.remove("stringData")) else {
        return;
    };
    for (key, value) in plain.as_object().into_iter().flatten() {
        let value = BASE64_STANDARD.encode(value.as_str().unwrap_or_default());
        secret["data"][key] = value.into();
    }
}

fn binding(binding: &mut Value) {
    let group = "rbac.authorization.k8s.io";
    let unset = |value: &Value| text(value, "apiGroup").is_empty();
    if unset(&binding["roleRef"]) {
        binding["roleRef"]["apiGroup"] = group.into();
    }
    for subject in items(binding, "subjects") {
        if unset(subject) && matches!(text(subject, "kind"), "User" | "Group") {
            subject["apiGroup"] = group.into();
        }
    }
}

fn definition(definition: &mut Value) {
    let names = &mut definition["spec"]["names"];
    let kind = text(names, "kind").to_owned();
    set(names, "singular", kind.to_lowercase());
    set(names, "listKind", format!("{kind}List"));
    set(&mut definition["spec"], "conversion", json!({"strategy": "None"}));
}

/// What a Pod's requests and limits say of its place when memory runs out.
fn quality_of_service(spec: &Value) -> &'static str {
    let containers =
        super::list(spec, "initContainers").iter().chain(super::list(spec, "containers"));
    let mut any = false;
    let mut all = true;
    for container in containers {
        let resources = &container["resources"];
        for name in ["cpu", "memory"] {
            let (request, limit) = (&resources["requests"][name], &resources["limits"][name]);
            any |= !request.is_null() || !limit.is_null();
            all &= !limit.is_null() && request == limit;
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
