//! Who uses the cluster: the users of the tests, and the roles of a Kubeflow platform that they have.

use std::path::Path;

use serde_json::{Value, json};

use super::{credentials::Authority, processes::NODE};

/// The users' Namespaces.
const TEAMS: [&str; 2] = ["team-a", "team-b"];

/// A user, and the role that they have in some of the teams.
struct User {
    name: &'static str,
    role: &'static str,
    teams: &'static [&'static str],
}

const USERS: [User; 4] = [
    User { name: "data-scientist", role: "kubeflow-edit", teams: &TEAMS },
    User { name: "reader", role: "kubeflow-view", teams: &["team-a"] },
    User { name: "editor", role: "edit", teams: &["team-a"] },
    User { name: "nobody", role: "none", teams: &[] },
];

/// A kubeconfig each, under `users`.
pub(super) fn write_kubeconfigs(authority: &Authority, folder: &Path) -> anyhow::Result<()> {
    for user in USERS {
        let path = folder.join("users").join(format!("{}.kubeconfig", user.name));
        authority.kubeconfig(&path, user.name, None, TEAMS[0])?;
    }
    Ok(())
}

/// The teams' Namespaces, the platform's roles, and who has which; and what our kubelet may do.
pub(super) fn objects() -> Vec<Value> {
    let namespaces = TEAMS.map(
        |name| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }),
    );
    let bindings = USERS.iter().flat_map(|user| user.teams.iter().map(|team| binding(user, team)));
    let all = namespaces.into_iter().chain(platform_roles()).chain(bindings);
    all.chain(kubelet_role()).collect()
}

/// What our kubelet does beyond what every Node may: claims are folders of its own, and the ports of
/// Services are ports of this machine.
fn kubelet_role() -> [Value; 2] {
    let rule = |resources: &[&str], verbs: &[&str]| json!({ "apiGroups": [""], "resources": resources, "verbs": verbs });
    let metadata = json!({ "name": "local-kube-kubelet" });
    [
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": metadata,
            "rules": [
                rule(&["persistentvolumeclaims"], &["get", "list", "watch"]),
                rule(&["persistentvolumeclaims/status"], &["patch"]),
                rule(&["services"], &["get", "list", "watch", "patch"]),
            ],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": metadata,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": "local-kube-kubelet",
            },
            "subjects": [{
                "apiGroup": "rbac.authorization.k8s.io", "kind": "User",
                "name": format!("system:node:{NODE}"),
            }],
        }),
    ]
}

/// A Kubeflow platform's roles, which components add theirs to by labels. They belong to the
/// platform and not to a component, so no module ships them.
fn platform_roles() -> [Value; 5] {
    const KUBEFLOW: &str = "rbac.authorization.kubeflow.org/aggregate-to-kubeflow";
    const KUBERNETES: &str = "rbac.authorization.k8s.io/aggregate-to";
    let role = |name: &str, part_of: Option<&str>, collects: String| {
        let part_of = part_of.map(|it| (format!("{KUBEFLOW}-{it}"), "true".into()));
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {
                "name": name,
                "labels": part_of.into_iter().collect::<serde_json::Map<_, Value>>(),
            },
            "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { collects: "true" } }] },
        })
    };
    [
        role("kubeflow-admin", None, format!("{KUBEFLOW}-admin")),
        role("kubeflow-edit", Some("admin"), format!("{KUBEFLOW}-edit")),
        role("kubeflow-view", Some("edit"), format!("{KUBEFLOW}-view")),
        role("kubeflow-kubernetes-edit", Some("edit"), format!("{KUBERNETES}-edit")),
        role("kubeflow-kubernetes-view", Some("view"), format!("{KUBERNETES}-view")),
    ]
}

fn binding(user: &User, namespace: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": { "name": user.name, "namespace": namespace },
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user.role,
        },
        "subjects": [{
            "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user.name,
        }],
    })
}
