//! Pods that succeed, fail, are ended, and are started again.

use expect_test::expect;
use kubeflow_mcp_tests::cluster::Cluster;
use serde_json::json;

use super::observed::{Gate, Observed, pod};

#[tokio::test]
async fn a_pod_that_succeeds() {
    let namespace = Cluster::under_test().await.namespace().await;
    let gate = Gate::new();
    let pod = Observed::create(&namespace, pod("works", &gate.wait())).await;
    pod.phase("Running").await;
    gate.open();
    expect![[r#"
        Pending ()
        Pending (PodScheduled)
        Pending (Initialized PodScheduled) ContainersNotReady main waiting ContainerCreating
        Running (ContainersReady Initialized PodReadyToStartContainers PodScheduled Ready)  main running
        Succeeded (Initialized PodScheduled) PodCompleted main terminated Completed 0"#]].assert_eq(&pod.steps("Succeeded").await);
    expect![[r#"
        1x Normal Pulled [spec.containers{main}] Container image "localhost/host-python" already present on machine and can be accessed by the pod
        1x Normal Created [spec.containers{main}] Container created
        1x Normal Started [spec.containers{main}] Container started"#]].assert_eq(&pod.said("Started").await);
}

#[tokio::test]
async fn a_pod_that_fails_after_its_init_container() {
    let namespace = Cluster::under_test().await.namespace().await;
    let (first, gate) = (Gate::new(), Gate::new());
    let script = format!("{}; echo why > /dev/termination-log; exit 3", gate.wait());
    let mut fails = pod("fails", &script);
    let mut init = fails["spec"]["containers"][0].clone();
    init["name"] = "first".into();
    init["command"][2] = first.wait().into();
    fails["spec"]["initContainers"] = json!([init]);
    let pod = Observed::create(&namespace, fails).await;
    pod.once("a running init container", |pod| {
        pod["status"]["initContainerStatuses"][0]["state"]["running"].is_object()
    })
    .await;
    first.open();
    pod.phase("Running").await;
    gate.open();
    expect![[r#"
        Pending ()
        Pending (PodScheduled)
        Pending (PodScheduled) ContainersNotReady first waiting PodInitializing, main waiting PodInitializing
        Pending (PodReadyToStartContainers PodScheduled) ContainersNotReady first running, main waiting PodInitializing
        Running (ContainersReady Initialized PodReadyToStartContainers PodScheduled Ready)  first terminated Completed 0, main running
        Failed (Initialized PodScheduled) PodFailed first terminated Completed 0, main terminated Error 3 why"#]].assert_eq(&pod.steps("Failed").await);
    expect![[r#"
        1x Normal Pulled [spec.initContainers{first}] Container image "localhost/host-python" already present on machine and can be accessed by the pod
        1x Normal Created [spec.initContainers{first}] Container created
        1x Normal Started [spec.initContainers{first}] Container started
        1x Normal Pulled [spec.containers{main}] Container image "localhost/host-python" already present on machine and can be accessed by the pod
        1x Normal Created [spec.containers{main}] Container created
        1x Normal Started [spec.containers{main}] Container started"#]].assert_eq(&pod.said("{main}] Container started").await);
}

#[tokio::test]
async fn a_pod_that_crashes_again_and_again() {
    let namespace = Cluster::under_test().await.namespace().await;
    let mut crashes = pod("crashes", "exit 1");
    crashes["spec"]["restartPolicy"] = "OnFailure".into();
    let pod = Observed::create(&namespace, crashes).await;
    let looping = |pod: &serde_json::Value| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    };
    let looping = pod.once("CrashLoopBackOff", looping).await;
    assert_eq!(looping["status"]["phase"], "Running");
    pod.delete().await;
    let steps = pod.steps("gone").await;
    // So short a run may end before anybody has seen it run.
    let steps: Vec<_> = steps.lines().filter(|step| !step.contains("running")).collect();
    expect![[r#"
        Pending ()
        Pending (PodScheduled)
        Pending (Initialized PodScheduled) ContainersNotReady main waiting ContainerCreating
        Running (Initialized PodReadyToStartContainers PodScheduled) ContainersNotReady main terminated Error 1
        Running (Initialized PodReadyToStartContainers PodScheduled) ContainersNotReady main terminated Error 1 restarts 1
        Running (Initialized PodReadyToStartContainers PodScheduled) ContainersNotReady main waiting CrashLoopBackOff back-off 10s restarting failed container=main pod=crashes_NAMESPACE(UID) restarts 1
        Failed (Initialized PodScheduled) PodFailed main terminated Error 1 restarts 1
        gone"#]].assert_eq(&namespace.normalised(&steps.join("\n")));
    expect![[r#"
        2x Normal Pulled [spec.containers{main}] Container image "localhost/host-python" already present on machine and can be accessed by the pod
        2x Normal Created [spec.containers{main}] Container created
        2x Normal Started [spec.containers{main}] Container started
        1x Warning BackOff [spec.containers{main}] Back-off restarting failed container main in pod crashes_NAMESPACE(UID)"#]].assert_eq(&namespace.normalised(&pod.said("BackOff").await));
}

#[tokio::test]
async fn a_pod_that_ends_when_it_is_asked_to() {
    let namespace = Cluster::under_test().await.namespace().await;
    let script = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
    let pod = Observed::create(&namespace, pod("obeys", script)).await;
    pod.phase("Running").await;
    pod.delete().await;
    expect![[r#"
        Pending ()
        Pending (PodScheduled)
        Pending (Initialized PodScheduled) ContainersNotReady main waiting ContainerCreating
        Running (ContainersReady Initialized PodReadyToStartContainers PodScheduled Ready)  main running
        Succeeded (Initialized PodScheduled) PodCompleted main terminated Completed 0
        gone"#]].assert_eq(&pod.steps("gone").await);
    expect![[r#"
        1x Normal Pulled [spec.containers{main}] Container image "localhost/host-python" already present on machine and can be accessed by the pod
        1x Normal Created [spec.containers{main}] Container created
        1x Normal Started [spec.containers{main}] Container started
        1x Normal Killing [spec.containers{main}] Stopping container main"#]].assert_eq(&pod.said("Killing").await);
}

#[tokio::test]
async fn a_pod_that_does_not_end_in_its_grace_period() {
    let namespace = Cluster::under_test().await.namespace().await;
    let mut deaf = pod("deaf", "trap '' TERM; while :; do sleep 0.1; done");
    deaf["spec"]["terminationGracePeriodSeconds"] = 1.into();
    let pod = Observed::create(&namespace, deaf).await;
    pod.phase("Running").await;
    pod.delete().await;
    expect![[r#"
        Pending ()
        Pending (PodScheduled)
        Pending (Initialized PodScheduled) ContainersNotReady main waiting ContainerCreating
        Running (ContainersReady Initialized PodReadyToStartContainers PodScheduled Ready)  main running
        Failed (Initialized PodScheduled) PodFailed main terminated Error 137
        gone"#]].assert_eq(&pod.steps("gone").await);
}

#[tokio::test]
async fn a_pod_that_takes_more_memory_than_it_may() {
    let namespace = Cluster::under_test().await.namespace().await;
    let gate = Gate::new();
    let script = format!("{}; python3 -c 'print(len(bytearray(400 << 20)))'", gate.wait());
    let mut takes = pod("takes", &script);
    takes["spec"]["containers"][0]["resources"] = json!({ "limits": { "memory": "100Mi" } });
    let pod = Observed::create(&namespace, takes).await;
    pod.phase("Running").await;
    gate.open();
    expect![[r#"
        Pending ()
        Pending (PodScheduled)
        Pending (Initialized PodScheduled) ContainersNotReady main waiting ContainerCreating
        Running (ContainersReady Initialized PodReadyToStartContainers PodScheduled Ready)  main running
        Failed (Initialized PodScheduled) PodFailed main terminated OOMKilled 137"#]].assert_eq(&pod.steps("Failed").await);
}

#[tokio::test]
async fn a_pod_that_is_active_for_too_long() {
    let namespace = Cluster::under_test().await.namespace().await;
    let mut late = pod("late", "trap 'exit 7' TERM; while :; do sleep 0.1; done");
    late["spec"]["activeDeadlineSeconds"] = 5.into();
    let pod = Observed::create(&namespace, late).await;
    expect![[r#"
        Pending ()
        Pending (PodScheduled)
        Pending (Initialized PodScheduled) ContainersNotReady main waiting ContainerCreating
        Running (ContainersReady Initialized PodReadyToStartContainers PodScheduled Ready)  main running
        Failed (Initialized PodScheduled) DeadlineExceeded PodFailed main terminated Error 7"#]].assert_eq(&pod.steps("Failed").await);
    expect![[r#"
        1x Normal Pulled [spec.containers{main}] Container image "localhost/host-python" already present on machine and can be accessed by the pod
        1x Normal Created [spec.containers{main}] Container created
        1x Normal Started [spec.containers{main}] Container started
        1x Normal DeadlineExceeded [] Pod was active on the node longer than the specified deadline
        1x Normal Killing [spec.containers{main}] Stopping container main"#]].assert_eq(&pod.said("DeadlineExceeded").await);
}
