//! What agents are told where parts of a cluster do not answer, or policies of its own refuse.
//!
//! The local cluster has no such parts: it refuses the kinds that would bring them about.

use expect_test::expect;
use kube::core::Status;
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace};
use serde_json::{Value, json};

use super::{
    Seen,
    answers::{refused, seen},
    check,
};

pub(super) const SIGNS: &[&str] =
    &["denied_by_admission", "expired", "timeout", "unavailable", "webhook_unavailable"];

const MAPS: &str = "/api/v1/namespaces/NAMESPACE/configmaps";
const JOBS: &str = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/NAMESPACE/trainjobs";
const ADMISSION: &str = "/apis/admissionregistration.k8s.io/v1";

/// The kinds of admission, each with an object that concerns the ConfigMaps of the namespace alone.
fn guards(namespace: &str) -> [(&'static str, Value); 3] {
    let here = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
    let maps = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]});
    let metadata = json!({"name": namespace});
    let webhook = json!({
        "name": "silent.example.com", "rules": [maps], "namespaceSelector": here,
        "objectSelector": {"matchLabels": {"meets": "webhook"}},
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail",
    });
    let policy = json!({
        "matchConstraints": {
            "namespaceSelector": here, "resourceRules": [maps],
            "objectSelector": {"matchLabels": {"meets": "policy"}},
        },
        "validations": [{"expression": "false", "message": "no ConfigMaps here"}],
    });
    let binding = json!({"policyName": namespace, "validationActions": ["Deny"]});
    [
        ("validatingwebhookconfigurations", json!({"metadata": metadata, "webhooks": [webhook]})),
        ("validatingadmissionpolicies", json!({"metadata": metadata, "spec": policy})),
        ("validatingadmissionpolicybindings", json!({"metadata": metadata, "spec": binding})),
    ]
}

#[tokio::test]
async fn failures_of_parts() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let made = if cluster.is_real() { 201 } else { 404 };
    for (kind, object) in guards(namespace.name()) {
        let line = format!("POST {ADMISSION}/{kind}");
        let answer = namespace.ask(&line, &[], &object.to_string()).await;
        assert_eq!(answer.code, made, "{}", answer.text);
    }
    if cluster.is_real() {
        let all = broken(&cluster, &namespace).await;
        for (kind, _) in guards(namespace.name()) {
            namespace.ask(&format!("DELETE {ADMISSION}/{kind}/NAMESPACE"), &[], "").await;
        }
        check(
            &namespace,
            SIGNS,
            &all,
            &expect![[r#"
            webhook_unavailable
              written: 500 InternalError: Internal error occurred: failed calling webhook "silent.example.com": failed to call webhook: Post "https://ADDRESS/?timeout=10s": dial tcp ADDRESS: connect: connection refused
              read: webhook_unavailable: Internal error occurred: failed calling webhook "silent.example.com": failed to call webhook: Post "https://ADDRESS/?timeout=10s": dial tcp ADDRESS: connect: connection refused
            denied_by_admission
              written: 422 Invalid: configmaps "a-RANDOM" is forbidden: ValidatingAdmissionPolicy 'NAMESPACE' with binding 'NAMESPACE' denied request: no ConfigMaps here
              read: denied_by_admission: no ConfigMaps here
            timeout
              written: 504 Timeout: Timeout: request did not complete within the allotted timeout
              read: timeout: Timeout: request did not complete within the allotted timeout
            unavailable
              written: 503 ServiceUnavailable: no service port 99 found for service "nobody"
              read: unavailable: no service port 99 found for service "nobody"
            expired
              written: 410 Expired: too old resource version: 1
              read: expired: too old resource version: 1
        "#]],
        );
    }
}

async fn broken(cluster: &Cluster, namespace: &Namespace) -> Vec<Seen> {
    let admin = cluster.admin();
    let map = |meets: &str| json!({"metadata": {"generateName": "a-", "labels": {"meets": meets}}});
    let service = json!({"metadata": {"name": "nobody"}, "spec": {"ports": [{"port": 80}]}});
    let services = "/api/v1/namespaces/NAMESPACE/services";
    namespace.ask(&format!("POST {services}"), &[], &service.to_string()).await;
    let ask =
        async |sign, line: &str, body: Value| refused(namespace, &admin, sign, line, &body).await;
    vec![
        ask("webhook_unavailable", &format!("POST {MAPS}"), map("webhook")).await,
        ask("denied_by_admission", &format!("POST {MAPS}"), map("policy")).await,
        ask("timeout", &format!("GET {MAPS}?timeout=1us"), Value::Null).await,
        ask("unavailable", &format!("GET {services}/nobody:99/proxy/"), Value::Null).await,
        expired(namespace).await,
    ]
}

/// A watch is told that it cannot go on in a stream that has begun. What is remembered of TrainJobs
/// begins with their definition, which no cluster has had from its first version on.
async fn expired(namespace: &Namespace) -> Seen {
    let line = format!("GET {JOBS}?watch=true&resourceVersion=1&timeoutSeconds=5");
    let mut told = namespace.ask(&line, &[], "").await.json();
    let status: Status = serde_json::from_value(told["object"].take()).unwrap();
    let mut seen = seen("expired", &status);
    // How far the cluster has come since.
    let end = |text: &str| text.split(" (").next().unwrap_or_default().to_owned();
    (seen.written, seen.read) = (end(&seen.written), end(&seen.read));
    seen
}
