//! Credentials that end while the server runs: a plugin of the kubeconfig hands out others.

use std::{fs, path::Path};

use jiff::{Timestamp, ToSpan as _};
use kube::config::Kubeconfig;
use kubeflow_mcp_core::{Persona, Policy, cluster_client};
use kubeflow_mcp_tests::{agent::Agent, cluster::Cluster, namespace::Namespace, waiting::until};
use serde_json::json;

const ACCOUNTS: &str = "/api/v1/namespaces/NAMESPACE/serviceaccounts";
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/NAMESPACE";

/// An account that may see the training jobs of the namespace. With a former one of its name, all
/// tokens have ended.
async fn account(namespace: &Namespace) {
    let robot = json!({"metadata": {"name": "robot"}}).to_string();
    let made = namespace.ask(&format!("POST {ACCOUNTS}"), &[], &robot).await;
    assert_eq!(made.code, 201, "{}", made.text);
}

async fn rights(namespace: &Namespace) {
    let rule = json!({"apiGroups": ["trainer.kubeflow.org"], "resources": ["trainjobs"], "verbs": ["get", "list"]});
    let role = json!({"metadata": {"name": "robot"}, "rules": [rule]});
    let robot = json!({"kind": "ServiceAccount", "name": "robot", "namespace": namespace.name()});
    let of = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "robot"});
    let binding = json!({"metadata": {"name": "robot"}, "roleRef": of, "subjects": [robot]});
    for (kind, object) in [("roles", role), ("rolebindings", binding)] {
        let made = namespace.ask(&format!("POST {RBAC}/{kind}"), &[], &object.to_string()).await;
        assert_eq!(made.code, 201, "{}", made.text);
    }
}

/// Writes down a new token, as the plugin will hand it out.
async fn hand_out(namespace: &Namespace, file: &Path, lasts: Option<i64>) {
    let asked = json!({"spec": {}}).to_string();
    let made = namespace.ask(&format!("POST {ACCOUNTS}/robot/token"), &[], &asked).await;
    assert_eq!(made.code, 201, "{}", made.text);
    let mut status = json!({"token": made.json()["status"]["token"]});
    if let Some(seconds) = lasts {
        status["expirationTimestamp"] = json!((Timestamp::now() + seconds.seconds()).to_string());
    }
    let kind = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"});
    let mut credential = kind;
    credential["status"] = status;
    fs::write(file, credential.to_string()).unwrap();
}

async fn agent(namespace: &Namespace, folder: &Path) -> Agent {
    let mut config = Kubeconfig::read_from(namespace.kubeconfig()).unwrap();
    for user in config.auth_infos.iter_mut().filter_map(|it| it.auth_info.as_mut()) {
        *user = serde_json::from_value(json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
            "command": "cat", "args": [folder.join("credential")],
        }}))
        .unwrap();
    }
    let file = folder.join("kubeconfig");
    fs::write(&file, serde_json::to_string(&config).unwrap()).unwrap();
    let client = cluster_client(Some(&file), None).await.unwrap();
    Agent::new(client, Policy::of(Persona::Readonly)).await
}

async fn goes_on(lasts: Option<i64>) {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    account(&namespace).await;
    rights(&namespace).await;
    let folder = tempfile::tempdir().unwrap();
    let credential = folder.path().join("credential");
    hand_out(&namespace, &credential, lasts).await;
    let agent = agent(&namespace, folder.path()).await;
    let seen = async |code: &str| {
        until(code, async || {
            let jobs = agent.call("list_training_jobs", json!({})).await;
            let told = jobs["code"].as_str().unwrap_or("jobs").to_owned();
            if told == code { Ok(()) } else { Err(jobs.to_string()) }
        })
        .await;
    };
    seen("jobs").await;
    let gone = namespace.ask(&format!("DELETE {ACCOUNTS}/robot"), &[], "").await;
    assert_eq!(gone.code, 200, "{}", gone.text);
    seen("unauthenticated").await;
    account(&namespace).await;
    hand_out(&namespace, &credential, lasts).await;
    seen("jobs").await;
}

#[tokio::test]
async fn a_token_that_has_ended_is_renewed_when_its_plugin_said_it_would() {
    goes_on(Some(1)).await;
}

#[tokio::test]
async fn a_token_that_ended_before_its_time_is_renewed_after_a_refusal() {
    goes_on(None).await;
}
