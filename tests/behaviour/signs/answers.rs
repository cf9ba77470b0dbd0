//! What agents are told of an API server's refusals, each said by a cluster.

use expect_test::expect;
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::{Client, api::PostParams, config::Kubeconfig, core::Status};
use kubeflow_mcp_core::{Error, cluster_client};
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, waiting::until};
use serde_json::{Value, json};

use super::{Seen, check};

pub(super) const SIGNS: &[&str] = &[
    "already_exists",
    "conflict",
    "denied_by_admission",
    "forbidden",
    "invalid",
    "kubernetes",
    "not_found",
    "not_installed",
    "quota_exceeded",
    "unauthenticated",
];

/// What is asked, until the answer is a failure of this kind.
pub(super) async fn refused(
    namespace: &Namespace,
    client: &Client,
    sign: &'static str,
    line: &str,
    body: &Value,
) -> Seen {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    until(sign, async || {
        let answer = namespace.ask_as(client, line, &[], &body).await;
        let status = serde_json::from_str(&answer.text)
            .unwrap_or_else(|_| Status::failure(&answer.text, "plain text").with_code(answer.code));
        let seen = seen(sign, &status);
        if seen.read.starts_with(sign) { Ok(seen) } else { Err(seen.read) }
    })
    .await
}

/// What becomes of an answer.
pub(super) fn seen(sign: &'static str, status: &Status) -> Seen {
    let Status { code, reason, message, .. } = status;
    let written = format!("{code} {reason}: {}", message.trim());
    let read = Error::from(kube::Error::Api(Box::new(status.clone()))).to_json();
    let said = read["message"].as_str().unwrap_or_default();
    Seen { sign, written, read: format!("{}: {said}", read["code"].as_str().unwrap_or_default()) }
}

/// Somebody whose token means nothing.
async fn stranger(namespace: &Namespace) -> Client {
    let mut config = Kubeconfig::read_from(namespace.kubeconfig()).unwrap();
    for user in config.auth_infos.iter_mut().filter_map(|it| it.auth_info.as_mut()) {
        *user = serde_json::from_value(json!({"token": "nobody's"})).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, serde_json::to_string(&config).unwrap()).unwrap();
    cluster_client(Some(&file), None).await.unwrap()
}

#[tokio::test]
async fn refusals_by_an_api_server() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let admin = cluster.admin();
    let map = json!({"metadata": {"name": "taken"}});
    let maps = "/api/v1/namespaces/NAMESPACE/configmaps";
    let jobs = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/NAMESPACE/trainjobs";
    namespace.ask(&format!("POST {maps}"), &[], &map.to_string()).await;
    let quota = json!({"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}});
    let quota: ResourceQuota = serde_json::from_value(quota).unwrap();
    namespace.api::<ResourceQuota>().create(&PostParams::default(), &quota).await.unwrap();
    let pod =
        json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "a"}]}});
    let stale = json!({"metadata": {"name": "taken", "resourceVersion": "1"}});
    let job = |name: &str| {
        json!({"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob",
        "metadata": {"name": "a"}, "spec": {"runtimeRef": {"name": name}}})
    };
    let mut misspelt = job("torch");
    misspelt["spec"]["runtimeRefs"] = json!({});
    let nothing = Value::Null;
    let stranger = stranger(&namespace).await;
    let jane = cluster.acting_as("jane", &["system:authenticated"]).await;
    let ask = async |sign, client: &Client, line: &str, body: &Value| {
        refused(&namespace, client, sign, line, body).await
    };
    let all = [
        ask("unauthenticated", &stranger, &format!("GET {maps}"), &nothing).await,
        ask("forbidden", &jane, &format!("GET {maps}"), &nothing).await,
        ask("denied_by_admission", &admin, &format!("POST {jobs}"), &job("none")).await,
        ask("quota_exceeded", &admin, "POST /api/v1/namespaces/NAMESPACE/pods", &pod).await,
        ask("not_found", &admin, &format!("GET {maps}/none"), &nothing).await,
        ask("not_installed", &admin, "GET /apis/example.com/v1/things", &nothing).await,
        ask("already_exists", &admin, &format!("POST {maps}"), &map).await,
        ask("conflict", &admin, &format!("PUT {maps}/taken"), &stale).await,
        ask("invalid", &admin, &format!("POST {maps}"), &json!({"metadata": {"name": "A"}})).await,
        ask("invalid", &admin, &format!("POST {jobs}?fieldValidation=Strict"), &misspelt).await,
        ask("kubernetes", &admin, &format!("PUT {maps}"), &map).await,
    ];
    check(
        &namespace,
        SIGNS,
        &all,
        &expect![[r#"
        unauthenticated
          written: 401 Unauthorized: Unauthorized
          read: unauthenticated: Unauthorized
        forbidden
          written: 403 Forbidden: configmaps is forbidden: User "jane" cannot list resource "configmaps" in API group "" in the namespace "NAMESPACE"
          read: forbidden: configmaps is forbidden: User "jane" cannot list resource "configmaps" in API group "" in the namespace "NAMESPACE"
        denied_by_admission
          written: 403 Forbidden: admission webhook "validator.trainjob.trainer.kubeflow.org" denied the request: spec.RuntimeRef: Invalid value: {"name":"none","apiGroup":"trainer.kubeflow.org","kind":"ClusterTrainingRuntime"}: ClusterTrainingRuntime.trainer.kubeflow.org "none" not found: specified clusterTrainingRuntime must be created before the TrainJob is created
          read: denied_by_admission: spec.RuntimeRef: Invalid value: {"name":"none","apiGroup":"trainer.kubeflow.org","kind":"ClusterTrainingRuntime"}: ClusterTrainingRuntime.trainer.kubeflow.org "none" not found: specified clusterTrainingRuntime must be created before the TrainJob is created
        quota_exceeded
          written: 403 Forbidden: pods "a" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0
          read: quota_exceeded: pods "a" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0
        not_found
          written: 404 NotFound: configmaps "none" not found
          read: not_found: configmaps "none" not found
        not_installed
          written: 404 plain text: 404 page not found
          read: not_installed: the API server does not serve this kind of object
        already_exists
          written: 409 AlreadyExists: configmaps "taken" already exists
          read: already_exists: configmaps "taken" already exists
        conflict
          written: 409 Conflict: Operation cannot be fulfilled on configmaps "taken": the object has been modified; please apply your changes to the latest version and try again
          read: conflict: Operation cannot be fulfilled on configmaps "taken": the object has been modified; please apply your changes to the latest version and try again
        invalid
          written: 422 Invalid: ConfigMap "A" is invalid: metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
          read: invalid: ConfigMap "A" is invalid: metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        invalid
          written: 400 BadRequest: TrainJob in version "v1alpha1" cannot be handled as a TrainJob: strict decoding error: unknown field "spec.runtimeRefs"
          read: invalid: TrainJob in version "v1alpha1" cannot be handled as a TrainJob: strict decoding error: unknown field "spec.runtimeRefs"
        kubernetes
          written: 405 MethodNotAllowed: the server does not allow this method on the requested resource
          read: kubernetes: the server does not allow this method on the requested resource
    "#]],
    );
}
