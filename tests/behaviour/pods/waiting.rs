//! Pods that cannot start, and why.

use expect_test::expect;
use kubeflow_mcp_tests::cluster::Cluster;
use serde_json::json;

use super::observed::{Observed, pod};

#[tokio::test]
async fn a_pod_whose_config_map_is_missing() {
    let namespace = Cluster::under_test().await.namespace().await;
    let mut lacks = pod("lacks", "true");
    lacks["spec"]["containers"][0]["envFrom"] = json!([{ "configMapRef": { "name": "absent" } }]);
    let pod = Observed::create(&namespace, lacks).await;
    pod.steps("CreateContainerConfigError").await;
    let said = pod.said("Failed").await;
    let said = said.lines().map(|line| line.split_once(' ').unwrap().1).collect::<Vec<_>>();
    expect![[r#"
        Normal Pulled [spec.containers{main}] Container image "localhost/host-python" already present on machine and can be accessed by the pod
        Warning Failed [spec.containers{main}] Error: configmap "absent" not found"#]].assert_eq(&said.join("\n"));
    pod.delete().await;
    expect![[r#"
        Pending ()
        Pending (PodScheduled)
        Pending (Initialized PodScheduled) ContainersNotReady main waiting ContainerCreating
        Pending (Initialized PodReadyToStartContainers PodScheduled) ContainersNotReady main waiting CreateContainerConfigError configmap "absent" not found
        Failed (Initialized PodScheduled) PodFailed main terminated ContainerStatusUnknown 137 The container could not be located when the pod was terminated
        gone"#]].assert_eq(&pod.steps("gone").await);
}

#[tokio::test]
async fn a_pod_whose_volume_is_missing() {
    let namespace = Cluster::under_test().await.namespace().await;
    let mut lacks = pod("unmounted", "true");
    lacks["spec"]["volumes"] = json!([{ "name": "keys", "secret": { "secretName": "absent" } }]);
    let pod = Observed::create(&namespace, lacks).await;
    let said = pod.said("FailedMount").await;
    let said = said.lines().map(|line| line.split_once(' ').unwrap().1).collect::<Vec<_>>();
    expect![[r#"Warning FailedMount [] MountVolume.SetUp failed for volume "keys" : secret "absent" not found"#]].assert_eq(&said.join("\n"));
    expect![[r#"
        Pending ()
        Pending (PodScheduled)
        Pending (Initialized PodScheduled) ContainersNotReady main waiting ContainerCreating"#]]
    .assert_eq(&pod.steps("ContainerCreating").await);
}

#[tokio::test]
async fn a_pod_with_no_such_program() {
    let namespace = Cluster::under_test().await.namespace().await;
    let mut lacks = pod("programless", "");
    lacks["spec"]["containers"][0]["command"] = json!(["no-such-program"]);
    let pod = Observed::create(&namespace, lacks).await;
    expect![[r#"
        Pending ()
        Pending (PodScheduled)
        Pending (Initialized PodScheduled) ContainersNotReady main waiting ContainerCreating
        Failed (Initialized PodScheduled) PodFailed main terminated StartError 128 failed to start "no-such-program": no such file, or not found in $PATH"#]].assert_eq(&pod.steps("Failed").await);
    expect![[r#"
        1x Normal Pulled [spec.containers{main}] Container image "localhost/host-python" already present on machine and can be accessed by the pod
        1x Normal Created [spec.containers{main}] Container created
        1x Warning Failed [spec.containers{main}] Error: failed to start "no-such-program": no such file, or not found in $PATH"#]].assert_eq(&pod.said("Failed").await);
}

#[tokio::test]
async fn a_pod_of_an_image_that_the_node_has_not() {
    let namespace = Cluster::under_test().await.namespace().await;
    let mut foreign = pod("foreign", "true");
    foreign["spec"]["containers"][0]["image"] = "docker.io/library/busybox".into();
    let pod = Observed::create(&namespace, foreign).await;
    expect![[r#"
        Pending ()
        Pending (PodScheduled)
        Pending (Initialized PodScheduled) ContainersNotReady main waiting ErrImageNeverPull this node runs Pods as processes and cannot run the container image "docker.io/library/busybox"; it can run localhost/host-python"#]].assert_eq(&pod.steps("ErrImageNeverPull").await);
    expect![[r#"
        1x Warning ErrImageNeverPull [spec.containers{main}] this node runs Pods as processes and cannot run the container image "docker.io/library/busybox"; it can run localhost/host-python
        1x Warning Failed [spec.containers{main}] Error: ErrImageNeverPull"#]].assert_eq(&pod.said("Error: ErrImageNeverPull").await);
}
