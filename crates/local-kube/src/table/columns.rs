//! The columns of each kind.

use serde_json::{Value, json};

use super::{json_path, pods, since};
use crate::kinds::{Defined, Form, Kind};

pub(super) struct Column {
    name: String,
    form: String,
    /// Columns of a priority above 0 are shown by `-o wide` only.
    priority: i64,
    description: String,
    content: Content,
}

enum Content {
    Path(String),
    Of(fn(&Value) -> Value),
}

impl Column {
    pub(super) fn definition(&self) -> Value {
        let format = if self.name == "Name" { "name" } else { "" };
        json!({"name": self.name, "type": self.form, "format": format,
               "description": self.description, "priority": self.priority})
    }

    pub(super) fn cell(&self, object: &Value) -> Value {
        match &self.content {
            Content::Of(read) => read(object),
            Content::Path(path) => {
                let found = json_path::find(object, path);
                match (self.form.as_str(), found.as_slice()) {
                    (_, []) => Value::Null,
                    ("date", [time, ..]) => since(time).into(),
                    ("string", [Value::String(text)]) => text.as_str().into(),
                    ("string", values) => {
                        let texts = values.iter().map(|it| match it {
                            Value::String(text) => text.clone(),
                            other => other.to_string(),
                        });
                        texts.collect::<Vec<_>>().join(" ").into()
                    }
                    (_, [value, ..]) => (*value).clone(),
                }
            }
        }
    }
}

pub(super) fn columns(kind: &Kind) -> Vec<Column> {
    let mut columns = vec![of("Name", |it| it["metadata"]["name"].clone())];
    if let Form::Custom(Defined { version, .. }) = &kind.form {
        let own: Vec<Column> = version["additionalPrinterColumns"]
            .as_array()
            .into_iter()
            .flatten()
            .map(custom)
            .collect();
        match own.is_empty() {
            true => columns.push(Column {
                form: "date".to_owned(),
                ..path("Age", ".metadata.creationTimestamp")
            }),
            false => columns.extend(own),
        }
        return columns;
    }
    columns.extend(match kind.resource.as_str() {
        "pods" => pods(),
        "jobs.batch" => jobs(),
        "namespaces" => vec![path("Status", ".status.phase"), age()],
        "nodes" => vec![
            of("Status", node_status),
            of("Roles", |_| "<none>".into()),
            age(),
            path("Version", ".status.nodeInfo.kubeletVersion"),
            wide(of("Internal-IP", |it| node_address(it, "InternalIP"))),
            wide(of("External-IP", |it| node_address(it, "ExternalIP"))),
            wide(of("OS-Image", |it| or(&it["status"]["nodeInfo"]["osImage"], "<unknown>"))),
            wide(of("Kernel-Version", node_kernel)),
            wide(of("Container-Runtime", |it| {
                or(&it["status"]["nodeInfo"]["containerRuntimeVersion"], "<unknown>")
            })),
        ],
        "services" => vec![
            of("Type", |it| or(&it["spec"]["type"], "ClusterIP")),
            of("Cluster-IP", |it| or(&it["spec"]["clusterIP"], "<none>")),
            of("External-IP", |_| "<none>".into()),
            of("Port(s)", service_ports),
            age(),
            wide(of("Selector", |it| labels(&it["spec"]["selector"]))),
        ],
        "configmaps" => vec![of("Data", |it| entries(&[&it["data"], &it["binaryData"]])), age()],
        "secrets" => {
            vec![path("Type", ".type"), of("Data", |it| entries(&[&it["data"]])), age()]
        }
        "events" => return events(),
        "persistentvolumeclaims" => vec![
            path("Status", ".status.phase"),
            path("Volume", ".spec.volumeName"),
            path("Capacity", ".status.capacity.storage"),
            of("Access Modes", |it| access_modes(&it["status"]["accessModes"])),
            path("StorageClass", ".spec.storageClassName"),
            attributes_class(),
            age(),
            wide(path("VolumeMode", ".spec.volumeMode")),
        ],
        "persistentvolumes" => vec![
            path("Capacity", ".spec.capacity.storage"),
            of("Access Modes", |it| access_modes(&it["spec"]["accessModes"])),
            path("Reclaim Policy", ".spec.persistentVolumeReclaimPolicy"),
            path("Status", ".status.phase"),
            of("Claim", |it| match &it["spec"]["claimRef"] {
                Value::Null => "".into(),
                claim => format!("{}/{}", text(&claim["namespace"]), text(&claim["name"])).into(),
            }),
            path("StorageClass", ".spec.storageClassName"),
            attributes_class(),
            path("Reason", ".status.reason"),
            age(),
            wide(path("VolumeMode", ".spec.volumeMode")),
        ],
        "resourcequotas" => {
            vec![of("Request", |it| quota(it, false)), of("Limit", |it| quota(it, true)), age()]
        }
        "rolebindings.rbac.authorization.k8s.io"
        | "clusterrolebindings.rbac.authorization.k8s.io" => {
            let role = |it: &Value| {
                format!("{}/{}", text(&it["roleRef"]["kind"]), text(&it["roleRef"]["name"])).into()
            };
            vec![
                of("Role", role),
                age(),
                wide(of("Users", |it| subjects(it, "User"))),
                wide(of("Groups", |it| subjects(it, "Group"))),
                wide(of("ServiceAccounts", |it| subjects(it, "ServiceAccount"))),
            ]
        }
        "roles.rbac.authorization.k8s.io"
        | "clusterroles.rbac.authorization.k8s.io"
        | "customresourcedefinitions.apiextensions.k8s.io" => {
            vec![path("Created At", ".metadata.creationTimestamp")]
        }
        "leases.coordination.k8s.io" => vec![path("Holder", ".spec.holderIdentity"), age()],
        "storageclasses.storage.k8s.io" => vec![
            path("Provisioner", ".provisioner"),
            path("ReclaimPolicy", ".reclaimPolicy"),
            path("VolumeBindingMode", ".volumeBindingMode"),
            of("AllowVolumeExpansion", |it| (it["allowVolumeExpansion"] == true).into()),
            age(),
        ],
        "priorityclasses.scheduling.k8s.io" => {
            vec![
                path("Value", ".value"),
                of("Global-Default", |it| (it["globalDefault"] == true).into()),
                age(),
                of("PreemptionPolicy", |it| or(&it["preemptionPolicy"], "")),
            ]
        }
        _ => vec![age()],
    });
    columns
}

fn of(name: &str, read: fn(&Value) -> Value) -> Column {
    let (name, form) = (name.to_owned(), "string".to_owned());
    Column { name, form, priority: 0, description: String::new(), content: Content::Of(read) }
}

fn path(name: &str, path: &str) -> Column {
    let content = Content::Path(path.to_owned());
    Column { content, ..of(name, |_| Value::Null) }
}

fn wide(column: Column) -> Column {
    Column { priority: 1, ..column }
}

fn age() -> Column {
    of("Age", |it| since(&it["metadata"]["creationTimestamp"]).into())
}

fn custom(column: &Value) -> Column {
    Column {
        form: text(&column["type"]).to_owned(),
        priority: column["priority"].as_i64().unwrap_or(0),
        description: text(&column["description"]).to_owned(),
        ..path(text(&column["name"]), text(&column["jsonPath"]))
    }
}

fn pods() -> Vec<Column> {
    vec![
        of("Ready", pods::ready),
        of("Status", pods::status),
        of("Restarts", pods::restarts),
        age(),
        wide(of("IP", |it| or(&it["status"]["podIP"], "<none>"))),
        wide(of("Node", |it| or(&it["spec"]["nodeName"], "<none>"))),
        wide(of("Nominated Node", |it| or(&it["status"]["nominatedNodeName"], "<none>"))),
        wide(of("Readiness Gates", pods::gates)),
    ]
}

fn jobs() -> Vec<Column> {
    fn containers(job: &Value, field: &str) -> Value {
        let all = job["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten();
        all.map(|it| text(&it[field])).collect::<Vec<_>>().join(",").into()
    }
    vec![
        of("Status", |it| {
            let conditions = it["status"]["conditions"].as_array();
            let is = |name: &str| match name {
                "Terminating" => !it["metadata"]["deletionTimestamp"].is_null(),
                name => conditions.is_some_and(|all| {
                    all.iter().any(|one| one["type"] == name && one["status"] == "True")
                }),
            };
            let states = [
                "Complete",
                "Failed",
                "Terminating",
                "Suspended",
                "FailureTarget",
                "SuccessCriteriaMet",
            ];
            states.into_iter().find(|state| is(state)).unwrap_or("Running").into()
        }),
        of("Completions", |it| {
            let succeeded = it["status"]["succeeded"].as_u64().unwrap_or(0);
            match (it["spec"]["completions"].as_u64(), it["spec"]["parallelism"].as_u64()) {
                (Some(wanted), _) => format!("{succeeded}/{wanted}"),
                (None, Some(parallel)) if parallel > 1 => format!("{succeeded}/1 of {parallel}"),
                (None, _) => format!("{succeeded}/1"),
            }
            .into()
        }),
        of("Duration", |it| {
            let time = |field: &str| it["status"][field].as_str()?.parse::<jiff::Timestamp>().ok();
            match (time("startTime"), time("completionTime")) {
                (None, _) => "".into(),
                (Some(start), end) => {
                    let end = end.unwrap_or_else(jiff::Timestamp::now);
                    super::age::human(end.duration_since(start).as_secs()).into()
                }
            }
        }),
        age(),
        wide(of("Containers", |it| containers(it, "name"))),
        wide(of("Images", |it| containers(it, "image"))),
        wide(of("Selector", |it| labels(&it["spec"]["selector"]["matchLabels"]))),
    ]
}

fn events() -> Vec<Column> {
    fn first(event: &Value) -> &Value {
        let times = ["firstTimestamp", "eventTime"].map(|field| &event[field]);
        times.into_iter().find(|it| !it.is_null()).unwrap_or(&Value::Null)
    }
    vec![
        of("Last Seen", |it| {
            let last = [&it["series"]["lastObservedTime"], &it["lastTimestamp"], first(it)];
            since(last.into_iter().find(|time| !time.is_null()).unwrap_or(&Value::Null)).into()
        }),
        path("Type", ".type"),
        path("Reason", ".reason"),
        of("Object", |it| {
            let about = &it["involvedObject"];
            let kind = text(&about["kind"]).to_lowercase();
            match text(&about["name"]) {
                "" => kind.into(),
                name => format!("{kind}/{name}").into(),
            }
        }),
        wide(of("Subobject", |it| or(&it["involvedObject"]["fieldPath"], ""))),
        wide(of("Source", |it| {
            let part =
                |of: &Value, or: &Value| text(if text(of).is_empty() { or } else { of }).to_owned();
            let component = part(&it["source"]["component"], &it["reportingComponent"]);
            match part(&it["source"]["host"], &it["reportingInstance"]).as_str() {
                "" => component.into(),
                host => format!("{component}, {host}").into(),
            }
        })),
        of("Message", |it| text(&it["message"]).trim().into()),
        wide(of("First Seen", |it| since(first(it)).into())),
        wide(of("Count", |it| {
            let counts = [&it["series"]["count"], &it["count"]].map(|it| it.as_u64().unwrap_or(0));
            counts.into_iter().find(|it| *it > 0).unwrap_or(1).into()
        })),
        wide(of("Name", |it| it["metadata"]["name"].clone())),
    ]
}

fn attributes_class() -> Column {
    of("VolumeAttributesClass", |it| or(&it["spec"]["volumeAttributesClassName"], "<unset>"))
}

/// Labels as a selector writes them.
fn labels(labels: &Value) -> Value {
    let all = labels.as_object().into_iter().flatten();
    let all: Vec<String> = all.map(|(key, value)| format!("{key}={}", text(value))).collect();
    if all.is_empty() { "<none>".into() } else { all.join(",").into() }
}

/// The subjects of a binding that are of this kind.
fn subjects(binding: &Value, kind: &str) -> Value {
    let all = binding["subjects"].as_array().into_iter().flatten();
    let all = all.filter(|it| it["kind"] == kind).map(|it| match kind {
        "ServiceAccount" => format!("{}/{}", text(&it["namespace"]), text(&it["name"])),
        _ => text(&it["name"]).to_owned(),
    });
    all.collect::<Vec<_>>().join(", ").into()
}

fn node_address(node: &Value, kind: &str) -> Value {
    let mut all = node["status"]["addresses"].as_array().into_iter().flatten();
    let found = all.find(|it| it["type"] == kind);
    or(found.map_or(&Value::Null, |it| &it["address"]), "<none>")
}

fn node_kernel(node: &Value) -> Value {
    let info = &node["status"]["nodeInfo"];
    let kernel = or(&info["kernelVersion"], "<unknown>");
    match text(&info["architecture"]) {
        "" => kernel,
        architecture => format!("{} ({architecture})", text(&kernel)).into(),
    }
}

fn node_status(node: &Value) -> Value {
    let conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    let mut ready = conditions.filter(|it| it["type"] == "Ready");
    let mut status = match ready.next().map(|it| text(&it["status"])) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if node["spec"]["unschedulable"] == true {
        status += ",SchedulingDisabled";
    }
    status.into()
}

fn service_ports(service: &Value) -> Value {
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    let ports: Vec<String> = ports
        .map(|port| format!("{}/{}", port["port"], port["protocol"].as_str().unwrap_or("TCP")))
        .collect();
    if ports.is_empty() { "<none>".into() } else { ports.join(",").into() }
}

fn access_modes(modes: &Value) -> Value {
    let modes = modes.as_array().into_iter().flatten().map(|mode| match text(mode) {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        other => other,
    });
    modes.collect::<Vec<_>>().join(",").into()
}

fn quota(quota: &Value, limits: bool) -> Value {
    let hard = quota["status"]["hard"].as_object().into_iter().flatten();
    let shown =
        hard.filter(|(name, _)| name.starts_with("limits.") == limits).map(|(name, hard)| {
            format!("{name}: {}/{}", text(&or(&quota["status"]["used"][name], "0")), text(hard))
        });
    shown.collect::<Vec<_>>().join(", ").into()
}

fn entries(maps: &[&Value]) -> Value {
    let count: usize = maps.iter().filter_map(|it| Some(it.as_object()?.len())).sum();
    count.into()
}

pub(super) fn or(value: &Value, otherwise: &str) -> Value {
    match value.as_str() {
        None | Some("") => otherwise.into(),
        Some(text) => text.into(),
    }
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
