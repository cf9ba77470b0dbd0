//! The local cluster's daemon: one for all, which comes back after any death.

use std::{
    path::{Path, PathBuf},
    thread,
};

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use kubeflow_mcp_core::client::McpClient;
use serde_json::{Map, Value, json};

use crate::home::{Home, kill, lives, process, until};

#[test]
fn starts_at_once_make_one_daemon() {
    let home = Home::new();
    let pids: Vec<u32> = thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| home.start())).collect();
        starts.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert!(pids.iter().all(|it| *it == pids[0]), "{pids:?}");
    assert_eq!(home.serving(), Some(pids[0]));
}

#[tokio::test]
async fn a_killed_daemon_comes_back_with_what_it_knew() {
    let home = Home::new();
    let first = home.start();
    let namespace: Namespace =
        serde_json::from_value(json!({"metadata": {"name": "team-a"}})).unwrap();
    let namespaces = Api::<Namespace>::all(home.client().await);
    namespaces.create(&Default::default(), &namespace).await.unwrap();
    kill(first);
    assert_eq!(home.serving(), None);

    let second = home.start();
    assert_ne!(first, second);
    // Through the kubeconfig that was written before: the address and the token are the same.
    assert!(namespaces.get("team-a").await.is_ok());
}

#[tokio::test]
async fn a_server_finds_the_daemon_and_restarts_it_when_it_is_killed() {
    let home = Home::new();
    let mut serve = tokio::process::Command::from(home.command(&["serve", "--local"]));
    let client = McpClient::start(&mut serve).await.unwrap();
    let health = || client.call("health_check", Map::new(), |_| {});
    let before = health().await.unwrap();
    assert!(before.value["problem"].is_null(), "{}", before.text);

    kill(home.serving().unwrap());
    // The server takes what it knows for granted for a moment, and then asks again.
    until("the daemon is back", async || {
        health().await.unwrap();
        home.serving().is_some()
    })
    .await;
    assert_eq!(health().await.unwrap().value, before.value);
    assert!(home.serving().is_some());
    client.close().await.unwrap();
    assert!(home.serving().is_some(), "the daemon outlives its clients");
}

#[tokio::test]
async fn a_server_leaves_a_stopped_daemon_alone() {
    let home = Home::new();
    let mut serve = tokio::process::Command::from(home.command(&["serve", "--local"]));
    let client = McpClient::start(&mut serve).await.unwrap();
    let problem = async || {
        let health = client.call("health_check", Map::new(), |_| {}).await.unwrap();
        health.value["problem"].as_str().map(str::to_owned)
    };
    assert_eq!(problem().await, None);
    assert!(home.run(&["local", "stop"]).status.success());
    let mut said = None;
    until("the server notices", async || {
        said = problem().await;
        said.is_some()
    })
    .await;
    let said = said.unwrap();
    assert!(said.contains("`local start` starts it again"), "{said}");
    assert_eq!(home.serving(), None);

    home.start();
    until("the server finds it again", async || problem().await.is_none()).await;
    client.close().await.unwrap();
}

/// Makes the daemon say that it is of an older version.
fn age(home: &Home) {
    let file = home.path().join("daemon.json");
    let mut record: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert!(record["version"].is_string(), "{record}");
    record["version"] = "0.0.1".into();
    std::fs::write(&file, record.to_string()).unwrap();
}

#[tokio::test]
async fn an_older_daemon_is_replaced_when_it_is_idle() {
    let home = Home::new();
    let old = home.start();
    age(&home);
    let new = home.start();
    assert_ne!(old, new);
    until("the older one has ended", async || !lives(old)).await;
    assert_eq!(home.serving(), Some(new));

    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "waits"},
        "spec": {"containers": [{"name": "main", "image": "example.org/no-such-image"}]},
    }))
    .unwrap();
    let pods = Api::<Pod>::default_namespaced(home.client().await);
    pods.create(&Default::default(), &pod).await.unwrap();
    age(&home);
    let output = home.run(&["local", "start"]);
    assert_eq!(process(&output), new, "work in progress is not disturbed");
    let said = String::from_utf8_lossy(&output.stderr);
    let expected = "runs version 0.0.1 until its 0 running and 1 pending Pods have ended";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn proxies_do_not_stand_before_the_local_cluster() {
    let home = Home::new();
    let mut start = home.command(&["local", "start"]);
    // A list that ends with a comma is common, and kube refuses it.
    start.env("HTTPS_PROXY", "http://127.0.0.1:9").env("NO_PROXY", "example.org,");
    let output = start.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A Pod that notes its process and sleeps; the process.
async fn sleeper(home: &Home) -> (Api<Pod>, PathBuf) {
    let note = home.0.path().join("process");
    let script = "import os, sys, time; \
        print(os.getpid(), file=open(sys.argv[1], 'w')); time.sleep(600)";
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "sleeper"},
        "spec": {"containers": [{
            "name": "main",
            "image": "localhost/host-python",
            "command": ["python", "-c", script, note],
        }]},
    }))
    .unwrap();
    let pods = Api::<Pod>::default_namespaced(home.client().await);
    pods.create(&Default::default(), &pod).await.unwrap();
    until("the Pod runs", async || sleeps(&pods).await && noted(&note).is_some()).await;
    (pods, note)
}

async fn sleeps(pods: &Api<Pod>) -> bool {
    let status = pods.get("sleeper").await.ok().and_then(|it| it.status);
    status.and_then(|it| it.phase).is_some_and(|it| it == "Running")
}

fn noted(note: &Path) -> Option<u32> {
    std::fs::read_to_string(note).ok()?.trim().parse().ok()
}

#[tokio::test]
async fn a_pod_goes_on_without_the_daemon_and_ends_with_the_cluster() {
    let home = Home::new();
    home.start();
    let (pods, note) = sleeper(&home).await;
    let process = noted(&note).unwrap();

    let stopped = home.run(&["local", "stop"]);
    let said = String::from_utf8_lossy(&stopped.stdout);
    assert!(said.contains("1 Pods go on running"), "{said}");
    assert!(lives(process));
    kill(home.start());
    let daemon = home.start();
    until("the Pod is found again", async || sleeps(&pods).await).await;
    assert!(noted(&note) == Some(process) && lives(process), "the process was started again");

    // Also when no daemon is there to end it.
    kill(daemon);
    assert!(home.run(&["local", "delete", "--yes"]).status.success());
    until("the process has ended", async || !lives(process)).await;
}

#[tokio::test]
async fn a_cluster_whose_folder_is_removed_ends_with_all_that_runs_in_it() {
    let home = Home::new();
    let daemon = home.start();
    let (_, note) = sleeper(&home).await;
    let process = noted(&note).unwrap();
    // What is there may be written to meanwhile.
    until("the folder is gone", async || {
        let removed = std::fs::remove_dir_all(home.path());
        removed.is_ok() || !home.path().exists()
    })
    .await;
    until("all has ended", async || !lives(process) && !lives(daemon)).await;
    assert!(!home.path().exists(), "it was made anew");
}

#[test]
fn stopping_and_deleting_leave_less_and_nothing() {
    let home = Home::new();
    home.start();
    assert!(home.run(&["local", "stop"]).status.success());
    assert_eq!(home.serving(), None);
    assert!(home.path().join("state.sqlite").exists());

    let unsure = home.run(&["local", "delete"]);
    assert!(!unsure.status.success() && home.path().exists());
    assert!(home.run(&["local", "delete", "--yes"]).status.success());
    assert!(!home.path().exists());
}

#[test]
fn a_folder_that_cannot_be_used_stops_the_start_with_the_reason() {
    let home = Home::new();
    std::fs::write(home.path(), "not a folder").unwrap();
    let output = home.run(&["local", "start"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the local cluster's folder cannot be used"), "{said}");
    std::fs::remove_file(home.path()).unwrap();
}
