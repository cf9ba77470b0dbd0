//! Roles obeyed, in the API server's words.

use expect_test::{Expect, expect};
use http::HeaderMap;
use serde_json::{Value, json};

use super::*;

/// The cluster's own roles and what is given.
fn grants(objects: Value) -> Grants {
    let mut grants = Grants::default();
    let given = objects.as_array().cloned().unwrap_or_default();
    for object in bootstrap().into_iter().chain(given) {
        let parsed = object.clone();
        match object["kind"].as_str().unwrap() {
            "Role" => grants.roles.push(serde_json::from_value(parsed).unwrap()),
            "ClusterRole" => grants.cluster_roles.push(serde_json::from_value(parsed).unwrap()),
            "RoleBinding" => grants.role_bindings.push(serde_json::from_value(parsed).unwrap()),
            _ => grants.cluster_role_bindings.push(serde_json::from_value(parsed).unwrap()),
        }
    }
    grants
}

fn bound(kind: &str, role: &str, user: &str) -> Value {
    let binding = if kind == "cluster" { "ClusterRoleBinding" } else { "RoleBinding" };
    json!({"kind": binding, "metadata": {"name": "b", "namespace": "team"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": user}]})
}

fn user(name: &str) -> UserInfo {
    let groups = vec!["system:authenticated".to_owned()];
    UserInfo { username: name.into(), uid: String::new(), groups }
}

fn on<'a>(
    verb: &'a str,
    group: &'a str,
    resource: &'a str,
    namespace: &'a str,
    name: &'a str,
) -> Action<'a> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Action::Resource { verb, group, resource, subresource, namespace, name }
}

fn refused(grants: &Grants, action: &Action<'_>, expected: Expect) {
    let status = grants.check(&user("ann"), action).unwrap_err();
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    expected.assert_eq(&status.message);
}

#[test]
fn without_a_role_nothing_but_the_basics() {
    let grants = grants(json!([]));
    refused(
        &grants,
        &on("list", "", "pods", "y", ""),
        expect![[
            r#"pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "y""#
        ]],
    );
    refused(
        &grants,
        &on("get", "", "pods/log", "y", "p"),
        expect![[
            r#"pods "p" is forbidden: User "ann" cannot get resource "pods/log" in API group "" in the namespace "y""#
        ]],
    );
    refused(
        &grants,
        &on("list", "trainer.kubeflow.org", "trainjobs", "", ""),
        expect![[
            r#"trainjobs.trainer.kubeflow.org is forbidden: User "ann" cannot list resource "trainjobs" in API group "trainer.kubeflow.org" at the cluster scope"#
        ]],
    );
    refused(
        &grants,
        &Action::Path { verb: "get", path: "/metrics" },
        expect![[r#"forbidden: User "ann" cannot get path "/metrics""#]],
    );
    grants
        .check(
            &user("ann"),
            &on("create", "authorization.k8s.io", "selfsubjectaccessreviews", "", ""),
        )
        .unwrap();
    grants.check(&user("ann"), &Action::Path { verb: "get", path: "/apis/batch/v1" }).unwrap();
}

#[test]
fn masters_pass_without_a_role() {
    let mut admin = user("admin");
    admin.groups.push(MASTERS.into());
    Grants::default().check(&admin, &on("delete", "x", "y", "z", "a")).unwrap();
}

#[test]
fn the_user_roles_aggregate_each_other_and_what_components_bring() {
    let part = json!({"kind": "ClusterRole", "metadata": {"name": "widgets", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["list"]}]});
    let grants = grants(json!([part, bound("namespace", "admin", "ann")]));
    let ann = user("ann");
    grants.check(&ann, &on("list", "example.com", "widgets", "team", "")).unwrap();
    grants.check(&ann, &on("create", "", "pods", "team", "")).unwrap();
    grants.check(&ann, &on("create", "rbac.authorization.k8s.io", "roles", "team", "")).unwrap();
    refused(
        &grants,
        &on("list", "", "pods", "other", ""),
        expect![[
            r#"pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "other""#
        ]],
    );
    refused(
        &grants,
        &on("list", "", "nodes", "", ""),
        expect![[
            r#"nodes is forbidden: User "ann" cannot list resource "nodes" in API group "" at the cluster scope"#
        ]],
    );
}

#[test]
fn names_and_subresources_are_told_apart() {
    let role = json!({"kind": "ClusterRole", "metadata": {"name": "narrow"}, "rules": [
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["one"], "verbs": ["get"]},
        {"apiGroups": ["batch"], "resources": ["*/status"], "verbs": ["patch"]}]});
    let grants = grants(json!([role, bound("cluster", "narrow", "ann")]));
    let ann = user("ann");
    grants.check(&ann, &on("get", "", "configmaps", "team", "one")).unwrap();
    assert!(grants.check(&ann, &on("get", "", "configmaps", "team", "two")).is_err());
    grants.check(&ann, &on("patch", "batch", "jobs/status", "team", "j")).unwrap();
    assert!(grants.check(&ann, &on("patch", "batch", "jobs", "team", "j")).is_err());
}

#[test]
fn a_binding_to_a_role_that_is_not_there_is_named() {
    let grants = grants(json!([bound("cluster", "gone", "ann")]));
    refused(
        &grants,
        &on("list", "", "pods", "y", ""),
        expect![[
            r#"pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "y": RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found"#
        ]],
    );
}

#[test]
fn impersonation_needs_the_verb_for_user_and_groups() {
    let role = json!({"kind": "ClusterRole", "metadata": {"name": "acting"}, "rules": [
        {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["groups"], "resourceNames": ["team"], "verbs": ["impersonate"]}]});
    let grants = grants(json!([role, bound("cluster", "acting", "proxy")]));
    let mut headers = HeaderMap::new();
    headers.insert("impersonate-user", "ann".parse().unwrap());
    headers.append("impersonate-group", "team".parse().unwrap());
    let ann = acting_as(&grants, user("proxy"), &headers).unwrap();
    assert_eq!(
        (ann.username.as_str(), ann.groups.join(",").as_str()),
        ("ann", "team,system:authenticated")
    );

    headers.append("impersonate-group", MASTERS.parse().unwrap());
    let refused = acting_as(&grants, user("proxy"), &headers).unwrap_err();
    expect![[r#"groups "system:masters" is forbidden: User "proxy" cannot impersonate resource "groups" in API group "" at the cluster scope"#]].assert_eq(&refused.message);
    assert_eq!(acting_as(&grants, user("proxy"), &HeaderMap::new()).unwrap(), user("proxy"));
    headers.remove("impersonate-user");
    assert_eq!(acting_as(&grants, user("proxy"), &headers).unwrap_err().code, 400);
}

#[test]
fn reviews_say_what_the_roles_say() {
    let grants = grants(json!([bound("namespace", "view", "ann")]));
    let review = |kind: &str, spec: Value| {
        let review = json!({"kind": kind, "spec": spec});
        answer(&grants, &user("ann"), None, &review).unwrap().unwrap()["status"].clone()
    };
    let may = |verb| json!({"resourceAttributes": {"verb": verb, "resource": "pods", "namespace": "team"}});
    expect![[r#"{"allowed":true,"reason":"RBAC: allowed by RoleBinding \"b/team\" of ClusterRole \"view\" to User \"ann\""}"#]]
        .assert_eq(&review("SelfSubjectAccessReview", may("list")).to_string());
    expect![[r#"{"allowed":false}"#]]
        .assert_eq(&review("SelfSubjectAccessReview", may("create")).to_string());
    let mut of_bob = may("list");
    of_bob["user"] = "bob".into();
    expect![[r#"{"allowed":false}"#]].assert_eq(&review("SubjectAccessReview", of_bob).to_string());
    expect![[r#"{"userInfo":{"groups":["system:authenticated"],"username":"ann"}}"#]]
        .assert_eq(&review("SelfSubjectReview", Value::Null).to_string());
    let rules = review("SelfSubjectRulesReview", json!({"namespace": "team"}));
    assert_eq!(rules["incomplete"], false);
    assert!(
        rules["resourceRules"]
            .as_array()
            .unwrap()
            .iter()
            .any(|rule| rule["resources"][0] == "configmaps")
    );
    let elsewhere = review("SelfSubjectRulesReview", json!({"namespace": "other"}));
    assert_eq!(elsewhere["resourceRules"].as_array().unwrap().len(), 2, "{elsewhere}");
    assert!(elsewhere["nonResourceRules"].to_string().contains("/healthz"));
}
