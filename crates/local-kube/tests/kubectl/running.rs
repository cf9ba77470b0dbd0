//! Jobs and Pods that run, as kubectl shows, awaits and ends them.

use local_kube::HOST_PYTHON;
use serde_json::{Value, json};

use crate::shell::Shell;

/// What a shell runs in the only container of a Pod.
fn template(script: &str) -> Value {
    json!({"restartPolicy": "Never", "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "main", "image": HOST_PYTHON, "command": ["sh", "-c", script]}]})
}

fn job(script: &str) -> Value {
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "hello"},
        "spec": {"template": {"spec": template(script)}}})
}

fn pod(script: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": template(script)})
}

#[tokio::test]
async fn a_job_is_watched_awaited_described_and_read() {
    let shell = Shell::with_machine().await;
    let mut watch = shell.starts("get jobs --watch -o wide");
    shell.says("create -f -", job("echo one; echo two"), &["job.batch/hello created"]).await;
    let awaited = "wait --for=condition=Complete job/hello --timeout=50s";
    shell.says(awaited, Value::Null, &["job.batch/hello condition met"]).await;
    watch.says("Complete").await;
    shell.says("get job hello", Value::Null, &["COMPLETIONS", "1/1"]).await;
    let described = [
        "Name:             hello",
        "Parallelism:      1",
        "Pods Statuses:    0 Active (0 Ready) / 1 Succeeded / 0 Failed",
        "Image:      localhost/host-python",
        "Normal  SuccessfulCreate",
        "Created pod: hello-",
    ];
    shell.says("describe job hello", Value::Null, &described).await;
    let pod = ["Controlled By:  Job/hello", "Reason:       Completed", "Scheduled", "Started"];
    shell.says("describe pods -l job-name=hello", Value::Null, &pod).await;
    shell.says("events --for job/hello", Value::Null, &["SuccessfulCreate"]).await;
    shell.says("logs job/hello", Value::Null, &["one\ntwo\n"]).await;
    shell.says("logs -l job-name=hello --tail=1", Value::Null, &["two\n"]).await;
    shell.says("logs job/hello --timestamps --since=1h", Value::Null, &["Z one\n"]).await;
}

#[tokio::test]
async fn a_log_is_followed_while_its_pod_runs() {
    let shell = Shell::with_machine().await;
    let release = tempfile::tempdir().unwrap();
    let file = release.path().join("go");
    let script =
        format!("echo begun; while [ ! -e {} ]; do sleep 0.05; done; echo end", file.display());
    shell.says("create -f -", pod(&script), &["pod/p created"]).await;
    shell.says("wait --for=condition=Ready pod/p --timeout=50s", Value::Null, &["met"]).await;
    let mut log = shell.starts("logs -f p");
    log.says("begun").await;
    std::fs::write(file, "").unwrap();
    log.says("end").await;
    assert!(log.ends().await);
}

#[tokio::test]
async fn a_pod_that_runs_is_gone_when_its_deletion_has_been_awaited() {
    let shell = Shell::with_machine().await;
    let mut watch = shell.starts("get pods --watch");
    shell.says("create -f -", pod("sleep 600"), &["pod/p created"]).await;
    watch.says("Running").await;
    shell.refuses("logs p -c other", Value::Null, "container other is not valid for pod p").await;
    shell.says("delete pod p --wait --timeout=50s", Value::Null, &["deleted"]).await;
    shell.refuses("get pod p", Value::Null, "NotFound").await;
    watch.says("Terminating").await;
}
