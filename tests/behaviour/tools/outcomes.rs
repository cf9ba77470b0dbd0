//! How training jobs end, and that an agent can tell one end from another.

use k8s_openapi::api::core::v1::ResourceQuota;
use kube::api::PostParams;
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, waiting::until};
use serde_json::{Value, json};

use crate::training;

/// Starts a job, in the runtime that does not try again unless the arguments name another.
async fn start(namespace: &Namespace, name: &str, script: &str, more: Value) {
    let mut arguments = json!({"name": name, "script": script, "confirmed": true,
        "runtime": "once"});
    let more = more.as_object().expect("an object").clone();
    arguments.as_object_mut().expect("an object").extend(more);
    let started = namespace.call("run_custom_training", arguments).await;
    assert_eq!(started["created"], true, "{started}");
}

async fn wait(namespace: &Namespace, name: &str, more: Value) -> Value {
    let mut arguments = json!({"name": name, "timeout_seconds": 120});
    let more = more.as_object().expect("an object").clone();
    arguments.as_object_mut().expect("an object").extend(more);
    namespace.call("wait_for_training", arguments).await
}

async fn log(namespace: &Namespace, arguments: Value) -> String {
    let log = namespace.call("get_training_logs", arguments).await;
    log["text"].as_str().expect("a text").to_owned()
}

/// Waits until the job is in a phase that nothing but patience leads to.
async fn phase(namespace: &Namespace, name: &str, phase: &str) -> Value {
    until(phase, async || {
        let job = namespace.call("get_training_job", json!({"name": name})).await;
        if job["phase"] == phase { Ok(job) } else { Err(job.to_string()) }
    })
    .await
}

async fn reasons(namespace: &Namespace, arguments: Value) -> String {
    let events = namespace.call("get_training_events", arguments).await;
    let rows = events["events"].as_array().expect("rows");
    let texts = rows.iter().map(|it| format!("{} {}", it["reason"], it["message"]));
    texts.collect::<Vec<_>>().join("\n")
}

const RENDEZVOUS: &str = r#"
import os, socket, time
rank, port = int(os.environ["PET_NODE_RANK"]), int(os.environ["PET_MASTER_PORT"])
if rank == 0:
    server = socket.create_server(("", port))
    print("heard", server.accept()[0].recv(100).decode(), flush=True)
else:
    for _ in range(300):
        try:
            peer = socket.create_connection((os.environ["PET_MASTER_ADDR"], port))
            break
        except OSError:
            time.sleep(0.1)
    peer.sendall(f"rank {rank}".encode())
print("epoch=2/2 loss=0.25")
print("accuracy=0.97")
"#;

#[tokio::test]
async fn jobs_that_end_tell_why() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    training::once(&namespace).await;
    let memory = json!({"resources_per_node": {"memory": "96Mi"}});
    let hog = "hog = [bytearray(1 << 20) for _ in range(2000)]";
    tokio::join!(
        start(&namespace, "pair", RENDEZVOUS, json!({"num_nodes": 2})),
        start(&namespace, "broken", "raise ValueError('boom')", json!({})),
        start(&namespace, "killed", "import os; os.kill(os.getpid(), 9)", json!({})),
        start(&namespace, "hungry", hog, memory),
    );
    let pair = wait(&namespace, "pair", json!({})).await;
    assert_eq!(
        (&pair["outcome"], &pair["phase"]),
        (&json!("reached"), &json!("Succeeded")),
        "{pair}"
    );
    assert_eq!(pair["metrics"], json!({"accuracy": "0.97", "epoch": "2/2", "loss": "0.25"}));
    let heard = log(&namespace, json!({"name": "pair", "search": "heard"})).await;
    assert!(heard.contains("heard rank 1"), "{heard}");
    let second = log(&namespace, json!({"name": "pair", "rank": 1})).await;
    assert!(second.ends_with("accuracy=0.97"), "{second}");

    let broken = wait(&namespace, "broken", json!({})).await;
    assert_eq!(
        (&broken["outcome"], &broken["phase"]),
        (&json!("ended"), &json!("Failed")),
        "{broken}"
    );
    assert!(broken["log"].as_str().unwrap().ends_with("ValueError: boom"), "{broken}");
    assert_eq!(broken["pods"][0]["exit_code"], 1, "{broken}");

    let killed = wait(&namespace, "killed", json!({})).await;
    assert_eq!(killed["phase"], "Failed", "{killed}");
    assert_eq!(
        (&killed["pods"][0]["exit_code"], &killed["pods"][0]["reason"]),
        (&json!(137), &json!("Error")),
        "{killed}"
    );

    let hungry = wait(&namespace, "hungry", json!({})).await;
    assert_eq!(hungry["phase"], "Failed", "{hungry}");
    assert_eq!(hungry["pods"][0]["reason"], "OOMKilled", "{hungry}");
}

#[tokio::test]
async fn jobs_that_get_no_further_tell_why() {
    let cluster = Cluster::under_test().await;
    let (namespace, tight) = (cluster.namespace().await, cluster.namespace().await);
    let quota = json!({"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}});
    let quota: ResourceQuota = serde_json::from_value(quota).expect("a quota");
    let quotas = tight.api::<ResourceQuota>();
    quotas.create(&PostParams::default(), &quota).await.expect("a quota");
    let same = json!({});
    tokio::join!(
        training::once(&namespace),
        training::python(&namespace, "patient", same.clone(), same),
        training::once(&tight),
    );
    tokio::join!(
        start(
            &namespace,
            "hanging",
            "import time\nprint('begun', flush=True)\ntime.sleep(600)",
            json!({})
        ),
        start(&namespace, "large", "print()", json!({"resources_per_node": {"cpu": 4096}})),
        start(&namespace, "foreign", "print()", json!({"image": "example.com/none:1"})),
        start(&namespace, "again", "raise ValueError('boom')", json!({"runtime": "patient"})),
        start(&tight, "refused", "print()", json!({})),
    );
    let running = wait(&namespace, "hanging", json!({"target_statuses": ["Running"]})).await;
    assert_eq!(running["outcome"], "reached", "{running}");
    let hanging = wait(&namespace, "hanging", json!({"timeout_seconds": 1})).await;
    assert_eq!(
        (&hanging["outcome"], &hanging["phase"]),
        (&json!("time_limit"), &json!("Running")),
        "{hanging}"
    );

    phase(&namespace, "large", "Pending").await;
    let large = reasons(&namespace, json!({"name": "large", "warnings_only": true})).await;
    assert!(large.contains("FailedScheduling") && large.contains("Insufficient cpu"), "{large}");

    phase(&namespace, "foreign", "ImagePullFailed").await;
    let foreign = namespace.call("get_training_logs", json!({"name": "foreign"})).await;
    assert!(foreign["notes"].to_string().contains("ErrImageNeverPull"), "{foreign}");

    phase(&namespace, "again", "CrashLooping").await;
    let again = namespace.call("get_training_logs", json!({"name": "again"})).await;
    assert!(again["text"].as_str().unwrap().ends_with("ValueError: boom"), "{again}");

    let secret = json!({"env": {"TOKEN": {"secret": "none", "key": "token"}}});
    start(&namespace, "secretless", "print()", secret).await;
    until("the missing Secret", async || {
        let log = namespace.call("get_training_logs", json!({"name": "secretless"})).await;
        let told = log["notes"].to_string().contains("CreateContainerConfigError");
        if told { Ok(()) } else { Err(log.to_string()) }
    })
    .await;

    // The names of its Pods would be too long, which the Trainer finds out when it makes the JobSet.
    let name = "a".repeat(60);
    training::create(&namespace, training::train_job(&name, "once", json!({}))).await;
    let job = phase(&namespace, &name, "CreationFailed").await;
    assert!(job["message"].as_str().unwrap().contains("JobSet name is too long"), "{job}");

    until("the refusal of Pods", async || {
        let refused = reasons(&tight, json!({"name": "refused"})).await;
        let told = refused.contains("FailedCreate") && refused.contains("exceeded quota");
        if told { Ok(()) } else { Err(refused) }
    })
    .await;
}
