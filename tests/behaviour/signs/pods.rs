//! Why Pods do not run, as a cluster writes it into their statuses.

use expect_test::expect;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, waiting::until};
use serde_json::{Value, json};
use workloads::pods::PodState;

use super::{Seen, check};
use crate::pods::observed::{Gate, pod};

pub(super) const SIGNS: &[&str] = &[
    "ContainerCreating",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "ErrImageNeverPull",
    "PodInitializing",
    "SchedulingGated",
    "Unschedulable",
];

/// A Pod whose status has come to say this.
async fn until_it_says(namespace: &Namespace, sign: &'static str, pod: Value) -> Seen {
    let pods = namespace.api::<Pod>();
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let name = pod.metadata.name.clone().unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    until(sign, async || {
        let pod = pods.get(&name).await.unwrap();
        let state = PodState::of(&pod);
        if state.reason.as_deref() != Some(sign) {
            return Err(format!("{state:?}"));
        }
        let written = written(&json!(pod)["status"], sign).unwrap();
        Ok(Seen { sign, written, read: format!("{} {:?}", state.phase, state.trouble) })
    })
    .await
}

/// The part of a status that says it: a condition, or a state of a container.
fn written(status: &Value, sign: &str) -> Option<String> {
    let parts = ["conditions", "initContainerStatuses", "containerStatuses"];
    let parts = parts.into_iter().flat_map(|it| status[it].as_array().into_iter().flatten());
    let mut said = parts.map(|it| if it["type"].is_null() { &it["state"]["waiting"] } else { it });
    let said = said.find(|it| it["reason"] == sign)?;
    // A real scheduler goes on about preemption.
    let message = said["message"].as_str().map(|it| it.split(". ").next().unwrap_or_default());
    let of = said["type"].as_str().map(|it| format!("{it}: ")).unwrap_or_default();
    let message = message.map(|it| format!(": {}", it.trim_end_matches('.')));
    Some(format!("{of}{sign}{}", message.unwrap_or_default()))
}

#[tokio::test]
async fn reasons_of_pods() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let named = |name: &str, change: Value| {
        let mut pod = pod(name, "exit 1");
        json_patch::merge(&mut pod["spec"], &change);
        pod
    };
    let container = |change: Value| {
        let mut container = pod("x", "exit 1")["spec"]["containers"][0].take();
        json_patch::merge(&mut container, &change);
        json!({"containers": [container]})
    };
    let gate = Gate::new();
    let mut first = pod("x", &gate.wait())["spec"]["containers"][0].take();
    first["name"] = json!("first");
    let secret =
        json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": "none", "key": "a"}}}]);
    let volume = json!([{"name": "a", "secret": {"secretName": "none"}}]);
    let all = [
        (
            "ErrImageNeverPull",
            named(
                "image",
                container(json!({"image": "localhost/none", "imagePullPolicy": "Never"})),
            ),
        ),
        ("CreateContainerConfigError", named("secret", container(json!({"env": secret})))),
        ("CrashLoopBackOff", named("crash", json!({"restartPolicy": "Always"}))),
        (
            "Unschedulable",
            named("large", container(json!({"resources": {"requests": {"cpu": "4096"}}}))),
        ),
        (
            "SchedulingGated",
            named("gated", json!({"schedulingGates": [{"name": "example.com/gate"}]})),
        ),
        ("ContainerCreating", named("volume", json!({"volumes": volume}))),
        ("PodInitializing", named("init", json!({"initContainers": [first]}))),
    ];
    let all = all.map(|(sign, pod)| until_it_says(&namespace, sign, pod));
    let all = futures::future::join_all(all).await;
    gate.open();
    check(
        &namespace,
        SIGNS,
        &all,
        &expect![[r#"
        ErrImageNeverPull
          written: ErrImageNeverPull: this node runs Pods as processes and cannot run the container image "localhost/none"; it can run localhost/host-python
          read: Pending Some(ImagePullFailed)
        CreateContainerConfigError
          written: CreateContainerConfigError: secret "none" not found
          read: Pending Some(CannotStart)
        CrashLoopBackOff
          written: CrashLoopBackOff: back-off 10s restarting failed container=main pod=crash_NAMESPACE(UID)
          read: Running Some(CrashLooping)
        Unschedulable
          written: PodScheduled: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu
          read: Pending Some(NotScheduled)
        SchedulingGated
          written: PodScheduled: SchedulingGated: Scheduling is blocked due to non-empty scheduling gates
          read: Pending Some(NotScheduled)
        ContainerCreating
          written: ContainerCreating
          read: Pending None
        PodInitializing
          written: PodInitializing
          read: Pending None
    "#]],
    );
}
