//! Memory, time, and supervisors that are killed.

use serde_json::json;

use crate::cluster::{Cluster, phase, pod, state, wait_dead};

#[tokio::test]
async fn what_uses_too_much_memory_is_killed() {
    let cluster = Cluster::new().await;
    // The memory is a child's, in a session of its own, as launchers of training processes have them.
    let script = "python -c \"
import subprocess, sys
code = 'import time; held = bytearray(300 << 20); print(len(held), flush=True); time.sleep(600)'
sys.exit(subprocess.run([sys.executable, '-c', code], start_new_session=True).returncode)
\"";
    let mut greedy = pod("greedy", script);
    greedy["spec"]["containers"][0]["resources"] = json!({ "limits": { "memory": "128Mi" } });
    let failed = cluster.run(greedy, phase("Failed")).await;
    let ended = &state(&failed)["terminated"];
    assert_eq!((&ended["reason"], &ended["exitCode"]), (&json!("OOMKilled"), &json!(137)));

    let mut modest = pod("modest", "python -c 'held = bytearray(50 << 20)'");
    modest["spec"]["containers"][0]["resources"] = json!({ "limits": { "memory": "256Mi" } });
    cluster.run(modest, phase("Succeeded")).await;
}

#[tokio::test]
async fn a_pod_past_its_deadline_fails() {
    let cluster = Cluster::new().await;
    // Its environment is not to be made within the deadline.
    cluster.run(pod("quick", "true"), phase("Succeeded")).await;
    let mut slow = pod("slow", "sleep 600");
    slow["spec"]["activeDeadlineSeconds"] = 2.into();
    let failed = cluster.run(slow, phase("Failed")).await;
    assert_eq!(failed["status"]["reason"], "DeadlineExceeded");
    assert_eq!(state(&failed)["terminated"]["exitCode"], 143);
}

#[tokio::test]
async fn a_process_whose_supervisor_is_killed_does_not_live_on() {
    let cluster = Cluster::new().await;
    cluster
        .run(pod("orphan", "echo $$$$ $PPID; exec sleep 600"), |pod| {
            state(pod)["running"].is_object()
        })
        .await;
    let log = cluster.log_with("orphan", "\n").await;
    let (pid, supervisor) = log.trim().split_once(' ').unwrap();
    let signal = |signal: &str, pid: &str| {
        std::process::Command::new("kill").args([signal, pid]).output().unwrap().status.success()
    };
    assert!(signal("-9", supervisor));
    let failed = cluster.wait::<k8s_openapi::api::core::v1::Pod>("orphan", phase("Failed")).await;
    assert_eq!(state(&failed)["terminated"]["reason"], "ContainerStatusUnknown");
    wait_dead(pid).await;
}
