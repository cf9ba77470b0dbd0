//! A kubelet that is killed, and the next one on the same folder.

use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;

use crate::cluster::{Cluster, phase, pod, state, wait_dead};

#[tokio::test]
async fn what_runs_goes_on_and_what_ended_is_told() {
    let mut cluster = Cluster::new().await;
    let until =
        |file: &str| format!("echo once; while [ ! -e /data/{file} ]; do sleep 0.05; done; exit 7");
    let mut pods = vec![pod("goes-on", &until("end")), pod("ends", &until("end-early"))];
    for pod in &mut pods {
        pod["spec"]["volumes"] = serde_json::json!([
            { "name": "data", "persistentVolumeClaim": { "claimName": "shared" } }
        ]);
        pod["spec"]["containers"][0]["volumeMounts"] =
            serde_json::json!([{ "name": "data", "mountPath": "/data" }]);
    }
    cluster.claim("shared").await;
    for pod in pods {
        cluster.run(pod, |pod| state(pod)["running"].is_object()).await;
    }
    cluster.kill_kubelet().await;
    let folder = cluster.claim_folder();
    std::fs::write(folder.join("end-early"), "").unwrap();
    let ended = || async {
        cluster.log("ends", &[("follow", "true")]).await.unwrap();
    };
    ended().await;
    let pod: Pod = cluster.api().get("ends").await.unwrap();
    assert_eq!(pod.status.unwrap().phase.unwrap(), "Running", "nobody has told yet");

    cluster.start_kubelet();
    let ended = cluster.wait::<Pod>("ends", phase("Failed")).await;
    assert_eq!(state(&ended)["terminated"]["exitCode"], 7);
    let runs: Pod = cluster.api().get("goes-on").await.unwrap();
    assert_eq!(runs.status.unwrap().phase.unwrap(), "Running");
    std::fs::write(folder.join("end"), "").unwrap();
    let ended = cluster.wait::<Pod>("goes-on", phase("Failed")).await;
    assert_eq!(state(&ended)["terminated"]["exitCode"], 7);
    assert_eq!(cluster.log("goes-on", &[]).await.unwrap(), "once\n");
}

#[tokio::test]
async fn a_pod_deleted_while_no_kubelet_ran_is_cleared_away() {
    let mut cluster = Cluster::new().await;
    cluster.run(pod("gone", "sleep 600"), |pod| state(pod)["running"].is_object()).await;
    cluster.kill_kubelet().await;
    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    cluster.api::<Pod>().delete("gone", &now).await.unwrap();
    cluster.start_kubelet();
    let pods = cluster.dir.join("pods");
    let cleared = async {
        while std::fs::read_dir(&pods).unwrap().count() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), cleared).await.unwrap();
}

#[tokio::test]
async fn a_kubelet_killed_between_deciding_and_starting_neither_loses_nor_doubles_a_run() {
    let mut cluster = Cluster::new().await;
    cluster.run(pod("warm", "true"), phase("Succeeded")).await;
    cluster.kill_kubelet().await;
    let decided = async |name: &str| {
        let created: Pod = cluster.create(pod(name, "echo once")).await;
        let uid = created.metadata.uid.unwrap();
        let run = cluster.dir.join("pods").join(uid).join("containers/main/0");
        std::fs::create_dir_all(&run).unwrap();
        run
    };
    decided("unstarted").await;
    let begun = decided("begun").await;
    std::fs::write(begun.join("begun"), "").unwrap();

    cluster.start_kubelet();
    cluster.wait::<Pod>("unstarted", phase("Succeeded")).await;
    assert_eq!(cluster.log("unstarted", &[]).await.unwrap(), "once\n");
    let lost = cluster.wait::<Pod>("begun", phase("Failed")).await;
    assert_eq!(state(&lost)["terminated"]["reason"], "ContainerStatusUnknown");
    assert!(!begun.join("log").exists(), "it was started a second time");
}

#[tokio::test]
async fn nothing_runs_on_when_the_folder_of_its_cluster_is_removed() {
    let cluster = Cluster::new().await;
    // A child in a session of its own, as launchers of training processes have them.
    let script = "setsid sh -c 'echo child $$$$; exec sleep 600' & echo parent $$$$ $PPID; wait";
    cluster.run(pod("left", script), |pod| state(pod)["running"].is_object()).await;
    cluster.log_with("left", "child ").await;
    let log = cluster.log_with("left", "parent ").await;
    let processes: Vec<&str> =
        log.split_whitespace().filter(|word| word.parse::<u32>().is_ok()).collect();
    assert_eq!(processes.len(), 3, "the process, its supervisor and its child: {log}");
    drop(cluster);
    for pid in processes {
        wait_dead(pid).await;
    }
}
