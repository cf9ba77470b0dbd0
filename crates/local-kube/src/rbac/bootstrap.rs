//! The roles and bindings that every cluster starts with.

use serde_json::{Value, json};

const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

/// ClusterRoles and ClusterRoleBindings, as far as they speak of what is served here.
pub fn bootstrap() -> Vec<Value> {
    let all = json!(["*"]);
    vec![
        role(
            "cluster-admin",
            json!([
                {"apiGroups": all, "resources": all, "verbs": all},
                {"nonResourceURLs": all, "verbs": all},
            ]),
        ),
        aggregate("admin", None),
        aggregate("edit", Some("admin")),
        aggregate("view", Some("edit")),
        part(
            "admin",
            json!([
                {"apiGroups": ["authorization.k8s.io"], "resources": ["localsubjectaccessreviews"], "verbs": ["create"]},
                {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings", "roles"], "verbs": both()},
            ]),
        ),
        part(
            "edit",
            json!([
                {"apiGroups": [""], "resources": ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"], "verbs": READ},
                {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]},
                {"apiGroups": [""], "resources": ["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"], "verbs": WRITE},
                {"apiGroups": [""], "resources": ["pods/eviction"], "verbs": ["create"]},
                {"apiGroups": [""], "resources": ["configmaps", "persistentvolumeclaims", "secrets", "serviceaccounts", "services"], "verbs": WRITE},
                {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": WRITE},
                {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]},
                {"apiGroups": ["batch"], "resources": ["cronjobs", "jobs", "jobs/status"], "verbs": WRITE},
                {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": both()},
            ]),
        ),
        part(
            "view",
            json!([
                {"apiGroups": [""], "resources": ["configmaps", "persistentvolumeclaims", "persistentvolumeclaims/status", "pods", "serviceaccounts", "services", "services/status"], "verbs": READ},
                {"apiGroups": [""], "resources": ["limitranges", "namespaces/status", "pods/log", "pods/status", "resourcequotas", "resourcequotas/status"], "verbs": READ},
                {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": READ},
                {"apiGroups": [""], "resources": ["namespaces"], "verbs": READ},
                {"apiGroups": ["batch"], "resources": ["cronjobs", "cronjobs/status", "jobs", "jobs/status"], "verbs": READ},
            ]),
        ),
        role(
            "system:basic-user",
            json!([
                {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], "verbs": ["create"]},
                {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]},
            ]),
        ),
        role(
            "system:discovery",
            json!([
                {"nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/"], "verbs": ["get"]},
            ]),
        ),
        role(
            "system:public-info-viewer",
            json!([
                {"nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"], "verbs": ["get"]},
            ]),
        ),
        binding("cluster-admin", &["system:masters"]),
        binding("system:basic-user", &["system:authenticated"]),
        binding("system:discovery", &["system:authenticated"]),
        binding("system:public-info-viewer", &["system:authenticated", "system:unauthenticated"]),
    ]
}

fn both() -> Vec<&'static str> {
    WRITE.into_iter().chain(READ).collect()
}

fn role(name: &str, rules: Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
        "rules": rules,
    })
}

/// The rules that the role `name` takes up, along with those that components bring.
fn part(name: &str, rules: Value) -> Value {
    let mut role = role(&format!("system:aggregate-to-{name}"), rules);
    role["metadata"]["labels"][aggregation_label(name)] = "true".into();
    role
}

/// A role made of others, and perhaps itself a part of a greater one.
fn aggregate(name: &str, greater: Option<&str>) -> Value {
    let mut role = role(name, Value::Null);
    let selector = json!({"matchLabels": {aggregation_label(name): "true"}});
    role["aggregationRule"] = json!({"clusterRoleSelectors": [selector]});
    if let Some(greater) = greater {
        role["metadata"]["labels"][aggregation_label(greater)] = "true".into();
    }
    role
}

fn aggregation_label(name: &str) -> String {
    format!("rbac.authorization.k8s.io/aggregate-to-{name}")
}

/// Gives the role of the same name to groups.
fn binding(name: &str, groups: &[&str]) -> Value {
    let subject = |group: &&str| json!({"kind": "Group", "name": group, "apiGroup": "rbac.authorization.k8s.io"});
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": groups.iter().map(subject).collect::<Vec<_>>(),
    })
}
