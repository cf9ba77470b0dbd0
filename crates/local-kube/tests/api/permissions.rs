//! Who may do what, and how they learn it.

use k8s_openapi::api::{
    authentication::v1::SelfSubjectReview,
    authorization::v1::{SelfSubjectAccessReview, SelfSubjectRulesReview},
    core::v1::{ConfigMap, Namespace},
    rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding},
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams, WatchParams},
};
use serde_json::json;

use crate::cluster::{config, failure, json, object, two_clients};

/// Lets `jane` view the namespace `default`.
async fn let_jane_view(administrator: &Client) {
    let api: Api<RoleBinding> = Api::default_namespaced(administrator.clone());
    let binding = object(json!({"metadata": {"name": "viewers"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}]}));
    api.create(&PostParams::default(), &binding).await.unwrap();
}

#[tokio::test]
async fn a_user_may_do_what_a_binding_grants() {
    let (administrator, jane) = two_clients("jane");
    let api: Api<ConfigMap> = Api::default_namespaced(jane.clone());
    let refused = failure(api.list(&ListParams::default()).await);
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (
            403,
            concat!(
                r#"configmaps is forbidden: User "jane" cannot list resource "configmaps" "#,
                r#"in API group "" in the namespace "default""#
            )
        )
    );
    let_jane_view(&administrator).await;
    api.list(&ListParams::default()).await.unwrap();
    assert!(api.watch(&WatchParams::default(), "0").await.is_ok());
    assert_eq!(failure(api.create(&PostParams::default(), &config("a")).await).code, 403);
    let elsewhere: Api<ConfigMap> = Api::namespaced(jane.clone(), "kube-system");
    assert_eq!(failure(elsewhere.list(&ListParams::default()).await).code, 403);
    let everywhere: Api<Namespace> = Api::all(jane);
    assert_eq!(failure(everywhere.list(&ListParams::default()).await).code, 403);
}

#[tokio::test]
async fn reviews_say_what_a_user_may_do() {
    let (administrator, jane) = two_clients("jane");
    let_jane_view(&administrator).await;
    let ask = async |verb: &str| {
        let review = object(json!({"spec": {"resourceAttributes":
            {"verb": verb, "resource": "pods", "namespace": "default"}}}));
        let api: Api<SelfSubjectAccessReview> = Api::all(jane.clone());
        api.create(&PostParams::default(), &review).await.unwrap().status.unwrap().allowed
    };
    assert_eq!((ask("list").await, ask("delete").await), (true, false));
    let api: Api<SelfSubjectRulesReview> = Api::all(jane.clone());
    let review = object(json!({"spec": {"namespace": "default"}}));
    let rules = api.create(&PostParams::default(), &review).await.unwrap().status.unwrap();
    assert!(
        rules.resource_rules.iter().any(|it| it.resources.iter().flatten().any(|it| it == "pods"))
    );
    let api: Api<SelfSubjectReview> = Api::all(jane);
    let me = api.create(&PostParams::default(), &object(json!({}))).await.unwrap();
    let me = json(&me.status);
    assert_eq!(me["userInfo"]["username"], "jane");
    assert_eq!(me["userInfo"]["groups"], json!(["system:authenticated"]));
}

#[tokio::test]
async fn a_role_of_new_kinds_counts_where_it_is_aggregated() {
    let (administrator, jane) = two_clients("jane");
    let_jane_view(&administrator).await;
    let widgets = crate::cluster::widgets(&jane);
    assert_eq!(failure(widgets.list(&ListParams::default()).await).code, 403);
    let api: Api<ClusterRole> = Api::all(administrator);
    let role = object(json!({
        "metadata": {"name": "widgets-view", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["list"]}]}));
    api.create(&PostParams::default(), &role).await.unwrap();
    widgets.list(&ListParams::default()).await.unwrap();
}

#[tokio::test]
async fn whoever_may_impersonate_is_taken_for_another() {
    let (administrator, jane) = two_clients("jane");
    let as_joe = |path: &str| {
        http::Request::get(path).header("impersonate-user", "joe").body(Vec::new()).unwrap()
    };
    let list = "/api/v1/namespaces/default/configmaps";
    let refused = failure(administrator.request::<serde_json::Value>(as_joe(list)).await);
    assert!(refused.message.contains(r#"User "joe" cannot list"#), "{}", refused.message);
    let refused = failure(jane.request::<serde_json::Value>(as_joe(list)).await);
    assert!(refused.message.contains(r#"User "jane" cannot impersonate"#), "{}", refused.message);
}

#[tokio::test]
async fn nobody_grants_more_than_they_hold() {
    let (administrator, jane) = two_clients("jane");
    let bind = async |client: &Client, name: &str, role: &str, user: &str| {
        let api: Api<RoleBinding> = Api::default_namespaced(client.clone());
        let binding = object(json!({"metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]}));
        api.create(&PostParams::default(), &binding).await
    };
    bind(&administrator, "admins", "admin", "jane").await.unwrap();
    bind(&jane, "viewers", "view", "joe").await.unwrap();
    let refused = failure(bind(&jane, "masters", "cluster-admin", "jane").await);
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (
            403,
            concat!(
                r#"rolebindings.rbac.authorization.k8s.io "masters" is forbidden: user "jane" "#,
                r#"(groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:"#,
                "\n",
                r#"{APIGroups:["*"], Resources:["*"], Verbs:["*"]}"#,
                "\n",
                r#"{NonResourceURLs:["*"], Verbs:["*"]}"#
            )
        )
    );
    assert_eq!(failure(bind(&jane, "none", "absent", "joe").await).code, 404);

    let roles: Api<Role> = Api::default_namespaced(jane.clone());
    let role = |verbs: &[&str], resource: &str| -> Role {
        object(json!({"metadata": {"name": "r"},
            "rules": [{"apiGroups": [""], "resources": [resource], "verbs": verbs}]}))
    };
    roles.create(&PostParams::default(), &role(&["get", "delete"], "pods")).await.unwrap();
    let more = json!({"rules": [{"apiGroups": [""], "resources": ["resourcequotas", "pods"], "verbs": ["list", "update"]}]});
    let more = Patch::Merge(&more);
    let refused = failure(roles.patch("r", &PatchParams::default(), &more).await);
    assert!(
        refused.message.ends_with(
            "not currently held:\n{APIGroups:[\"\"], Resources:[\"resourcequotas\"], Verbs:[\"update\"]}"
        ),
        "{}",
        refused.message
    );

    let all: Api<ClusterRole> = Api::all(administrator.clone());
    let may = object(json!({"metadata": {"name": "granting"}, "rules": [
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["escalate"], "resourceNames": ["r"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["bind"], "resourceNames": ["cluster-admin"]}]}));
    all.create(&PostParams::default(), &may).await.unwrap();
    bind(&administrator, "granting", "granting", "jane").await.unwrap();
    roles.patch("r", &PatchParams::default(), &more).await.unwrap();
    bind(&jane, "masters", "cluster-admin", "jane").await.unwrap();
}

#[tokio::test]
async fn only_an_administrator_makes_roles_that_aggregate() {
    let (administrator, jane) = two_clients("jane");
    let roles: Api<ClusterRole> = Api::all(administrator.clone());
    let writing = object(json!({"metadata": {"name": "writing"}, "rules": [
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["create"]}]}));
    roles.create(&PostParams::default(), &writing).await.unwrap();
    let binding = object(json!({"metadata": {"name": "writing"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "writing"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"}]}));
    let bindings: Api<ClusterRoleBinding> = Api::all(administrator);
    bindings.create(&PostParams::default(), &binding).await.unwrap();
    let all = object(json!({"metadata": {"name": "all"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}));
    let roles: Api<ClusterRole> = Api::all(jane);
    let refused = failure(roles.create(&PostParams::default(), &all).await);
    assert!(
        refused.message.ends_with("must have cluster-admin privileges to use an aggregationRule")
    );
}
