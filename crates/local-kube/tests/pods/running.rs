//! Processes that start, end, fail, are started again and are stopped.

use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use serde_json::json;

use crate::cluster::{Cluster, phase, pod, state};

#[tokio::test]
async fn a_pod_runs_and_its_log_is_kept() {
    let cluster = Cluster::new().await;
    let done =
        cluster.run(pod("hello", "echo out; echo err >&2; printf end"), phase("Succeeded")).await;
    let ended = &state(&done)["terminated"];
    assert_eq!((&ended["exitCode"], &ended["reason"]), (&json!(0), &json!("Completed")));
    assert!(ended["startedAt"].is_string() && ended["finishedAt"].is_string());
    let conditions = done["status"]["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("PodCompleted")));
    let log = cluster.log("hello", &[]).await.unwrap();
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["end", "err", "out"]);
    cluster.wait_event("hello", "Normal Started Container started").await;
}

#[tokio::test]
async fn exit_codes_and_signals_are_told_apart() {
    let cluster = Cluster::new().await;
    for (name, script, exit_code) in [("three", "exit 3", 3), ("killed", "kill -9 $$$$", 137)] {
        let failed = cluster.run(pod(name, script), phase("Failed")).await;
        let ended = &state(&failed)["terminated"];
        assert_eq!((&ended["exitCode"], &ended["reason"]), (&json!(exit_code), &json!("Error")));
    }
    let mut talks = pod("talks", "echo before; echo why >&2; exit 1");
    talks["spec"]["containers"][0]["terminationMessagePolicy"] = "FallbackToLogsOnError".into();
    let failed = cluster.run(talks, phase("Failed")).await;
    assert!(state(&failed)["terminated"]["message"].as_str().unwrap().contains("why\n"));
    let tells = pod("tells", "echo why > /dev/termination-log; echo logged; exit 1");
    let failed = cluster.run(tells, phase("Failed")).await;
    assert_eq!(state(&failed)["terminated"]["message"], "why\n");
    let mut missing = pod("missing", "");
    missing["spec"]["containers"][0]["command"] = json!(["no-such-program"]);
    let failed = cluster.run(missing, phase("Failed")).await;
    let ended = &state(&failed)["terminated"];
    assert_eq!((&ended["exitCode"], &ended["reason"]), (&json!(128), &json!("StartError")));
    assert!(ended["message"].as_str().unwrap().contains("no-such-program"));
}

#[tokio::test]
async fn a_container_that_fails_is_started_again_until_it_succeeds() {
    let cluster = Cluster::new().await;
    let mut again = pod(
        "again",
        "echo x >> /data/runs; echo run $(wc -l < /data/runs); [ $(wc -l < /data/runs) -ge 3 ]",
    );
    again["spec"]["restartPolicy"] = "OnFailure".into();
    again["spec"]["volumes"] = json!([{ "name": "data", "emptyDir": {} }]);
    again["spec"]["containers"][0]["volumeMounts"] =
        json!([{ "name": "data", "mountPath": "/data" }]);
    let looping = |pod: &serde_json::Value| state(pod)["waiting"]["reason"] == "CrashLoopBackOff";
    let waiting = cluster.run(again, looping).await;
    assert_eq!(waiting["status"]["phase"], "Running");
    assert_eq!(waiting["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 1);
    let done = cluster.wait::<Pod>("again", phase("Succeeded")).await;
    assert_eq!(done["status"]["containerStatuses"][0]["restartCount"], 2);
    assert_eq!(cluster.log("again", &[]).await.unwrap().trim(), "run 3");
    assert_eq!(cluster.log("again", &[("previous", "true")]).await.unwrap().trim(), "run 2");
    cluster.wait_event("again", "Warning BackOff Back-off restarting failed container main").await;
}

#[tokio::test]
async fn init_containers_run_first_and_in_order() {
    let cluster = Cluster::new().await;
    let mut staged = pod("staged", "cat /data/steps");
    let step = |name: &str| {
        json!({
            "name": name, "image": local_kube::HOST_PYTHON,
            "command": ["sh", "-c", format!("echo {name} >> /data/steps")],
            "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
        })
    };
    staged["spec"]["initContainers"] = json!([step("one"), step("two")]);
    staged["spec"]["volumes"] = json!([{ "name": "data", "emptyDir": {} }]);
    staged["spec"]["containers"][0]["volumeMounts"] =
        json!([{ "name": "data", "mountPath": "/data" }]);
    cluster.run(staged, phase("Succeeded")).await;
    assert_eq!(cluster.log("staged", &[]).await.unwrap(), "one\ntwo\n");
}

#[tokio::test]
async fn a_deleted_pod_is_asked_to_stop_and_then_killed() {
    let cluster = Cluster::new().await;
    let polite =
        "trap 'echo bye > /data/said; exit 0' TERM; echo ready; while :; do sleep 0.1; done";
    let mut asked = pod("asked", polite);
    asked["spec"]["volumes"] =
        json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "kept" } }]);
    asked["spec"]["containers"][0]["volumeMounts"] =
        json!([{ "name": "data", "mountPath": "/data" }]);
    cluster.claim("kept").await;
    cluster.run(asked, |pod| state(pod)["running"].is_object()).await;
    cluster.log_with("asked", "ready").await;
    cluster.api::<Pod>().delete("asked", &DeleteParams::default()).await.unwrap();
    cluster.wait_gone::<Pod>("asked").await;

    let mut reader = pod("reader", "cat /data/said");
    reader["spec"]["volumes"] =
        json!([{ "name": "data", "persistentVolumeClaim": { "claimName": "kept" } }]);
    reader["spec"]["containers"][0]["volumeMounts"] =
        json!([{ "name": "data", "mountPath": "/data" }]);
    cluster.run(reader, phase("Succeeded")).await;
    assert_eq!(cluster.log("reader", &[]).await.unwrap(), "bye\n");

    let mut deaf = pod("deaf", "trap '' TERM; echo $$$$; while :; do sleep 0.1; done");
    deaf["spec"]["terminationGracePeriodSeconds"] = 1.into();
    cluster.run(deaf, |pod| state(pod)["running"].is_object()).await;
    let pid = cluster.log_with("deaf", "\n").await;
    cluster.api::<Pod>().delete("deaf", &DeleteParams::default()).await.unwrap();
    cluster.wait_gone::<Pod>("deaf").await;
    let alive = std::process::Command::new("kill").args(["-0", pid.trim()]).output().unwrap();
    assert!(!alive.status.success(), "the process outlived its Pod");
}
