//! The columns of each kind.

use serde_json::{Value, json};

use super::{json_path, since};
use crate::kinds::{Form, Kind};

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
    if let Form::Custom { version, .. } = &kind.form {
        let own: Vec<Column> = version["additionalPrinterColumns"]
            .as_array()
            .into_iter()
            .flatten()
            .map(custom)
            .collect();
        match own.is_empty() {
            true => columns.push(age()),
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
        ],
        "services" => vec![
            of("Type", |it| or(&it["spec"]["type"], "ClusterIP")),
            of("Cluster-IP", |it| or(&it["spec"]["clusterIP"], "<none>")),
            of("External-IP", |_| "<none>".into()),
            of("Port(s)", service_ports),
            age(),
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
            age(),
        ],
        "persistentvolumes" => vec![
            path("Capacity", ".spec.capacity.storage"),
            of("Access Modes", |it| access_modes(&it["spec"]["accessModes"])),
            path("Reclaim Policy", ".spec.persistentVolumeReclaimPolicy"),
            path("Status", ".status.phase"),
            path("Claim", ".spec.claimRef.name"),
            path("StorageClass", ".spec.storageClassName"),
            age(),
        ],
        "resourcequotas" => {
            vec![of("Request", |it| quota(it, false)), of("Limit", |it| quota(it, true)), age()]
        }
        "rolebindings.rbac.authorization.k8s.io"
        | "clusterrolebindings.rbac.authorization.k8s.io" => {
            let role = |it: &Value| {
                format!("{}/{}", text(&it["roleRef"]["kind"]), text(&it["roleRef"]["name"])).into()
            };
            vec![of("Role", role), age()]
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
            age(),
        ],
        "priorityclasses.scheduling.k8s.io" => {
            vec![
                path("Value", ".value"),
                of("Global-Default", |it| (it["globalDefault"] == true).into()),
                age(),
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
        of("Ready", |it| {
            let ready = containers(it).filter(|one| one["ready"] == true).count();
            format!("{ready}/{}", it["spec"]["containers"].as_array().map_or(0, Vec::len)).into()
        }),
        of("Status", |it| pod_status(it).into()),
        of("Restarts", |it| {
            containers(it)
                .filter_map(|one| one["restartCount"].as_u64())
                .sum::<u64>()
                .to_string()
                .into()
        }),
        age(),
        wide(of("IP", |it| or(&it["status"]["podIP"], "<none>"))),
        wide(of("Node", |it| or(&it["spec"]["nodeName"], "<none>"))),
    ]
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    pod["status"]["containerStatuses"].as_array().into_iter().flatten()
}

/// The word that says most of a Pod's state: the reason of a container rather than the phase.
fn pod_status(pod: &Value) -> String {
    let status = &pod["status"];
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        return "Terminating".to_owned();
    }
    let mut word = or(&status["reason"], text(&status["phase"]));
    for (initial, field) in [(true, "initContainerStatuses"), (false, "containerStatuses")] {
        for container in status[field].as_array().into_iter().flatten() {
            let state = &container["state"];
            let ended = &state["terminated"];
            let reason = match (&state["waiting"]["reason"], &ended["reason"]) {
                (Value::String(waiting), _) => waiting.clone(),
                (_, Value::String(ended)) => ended.clone(),
                _ if ended.is_object() => format!("ExitCode:{}", ended["exitCode"]),
                _ => continue,
            };
            match initial {
                true if ended["exitCode"] == 0 || reason == "PodInitializing" => {}
                true => return format!("Init:{reason}"),
                false => word = reason.into(),
            }
        }
    }
    text(&word).to_owned()
}

fn jobs() -> Vec<Column> {
    vec![
        of("Status", |it| {
            let conditions = it["status"]["conditions"].as_array();
            let is = |name: &str| {
                conditions.is_some_and(|all| {
                    all.iter().any(|one| one["type"] == name && one["status"] == "True")
                })
            };
            let states = ["Complete", "Failed", "Suspended", "FailureTarget", "SuccessCriteriaMet"];
            states.into_iter().find(|state| is(state)).unwrap_or("Running").into()
        }),
        of("Completions", |it| {
            let wanted = it["spec"]["completions"].as_u64().unwrap_or(1);
            format!("{}/{wanted}", it["status"]["succeeded"].as_u64().unwrap_or(0)).into()
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
    ]
}

fn events() -> Vec<Column> {
    vec![
        of("Last Seen", |it| {
            let seen = ["lastTimestamp", "eventTime", "firstTimestamp"].map(|field| &it[field]);
            let seen = seen.into_iter().find(|time| !time.is_null());
            since(seen.unwrap_or(&it["metadata"]["creationTimestamp"])).into()
        }),
        path("Type", ".type"),
        path("Reason", ".reason"),
        of("Object", |it| {
            let about = &it["involvedObject"];
            format!("{}/{}", text(&about["kind"]).to_lowercase(), text(&about["name"])).into()
        }),
        path("Message", ".message"),
        wide(path("Count", ".count")),
        wide(of("Name", |it| it["metadata"]["name"].clone())),
    ]
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

fn or(value: &Value, otherwise: &str) -> Value {
    match value.as_str() {
        None | Some("") => otherwise.into(),
        Some(text) => text.into(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
