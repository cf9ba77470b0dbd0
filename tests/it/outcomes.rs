//! How training jobs end, and that an agent can tell one end from another.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, ResourceQuota};
use kube::{
    Api, Resource,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::session::Session;

/// Starts a job, in the runtime that does not try again unless the arguments name another.
async fn start(session: &Session, name: &str, script: &str, more: Value) {
    let mut arguments = json!({"name": name, "script": script, "confirmed": true,
        "runtime": "once"});
    let more = more.as_object().expect("an object").clone();
    arguments.as_object_mut().expect("an object").extend(more);
    let started = session.call("run_custom_training", arguments).await;
    assert_eq!(started["created"], true, "{started}");
}

async fn wait(session: &Session, name: &str, more: Value) -> Value {
    let mut arguments = json!({"name": name, "timeout_seconds": 120});
    let more = more.as_object().expect("an object").clone();
    arguments.as_object_mut().expect("an object").extend(more);
    session.call("wait_for_training", arguments).await
}

async fn log(session: &Session, arguments: Value) -> String {
    let log = session.call("get_training_logs", arguments).await;
    log["text"].as_str().expect("a text").to_owned()
}

/// Waits until the job is in a phase that nothing but patience leads to.
async fn until(session: &Session, name: &str, phase: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let job = session.call("get_training_job", json!({"name": name})).await;
        if job["phase"] == phase {
            return job;
        }
        assert!(Instant::now() < deadline, "{name} is not {phase}: {job}");
        sleep(Duration::from_millis(200)).await;
    }
}

async fn reasons(session: &Session, arguments: Value) -> String {
    let events = session.call("get_training_events", arguments).await;
    let rows = events["events"].as_array().expect("rows");
    let texts = rows.iter().map(|it| format!("{} {}", it["reason"], it["message"]));
    texts.collect::<Vec<_>>().join("\n")
}

async fn create<K>(api: Api<K>, object: Value)
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned + Serialize,
{
    let object: K = serde_json::from_value(object).expect("an object");
    api.create(&PostParams::default(), &object).await.expect("created");
}

/// A cluster with a runtime whose jobs fail at the first failure, and keep their Pods.
async fn session() -> Session {
    let session = Session::new().await;
    let kind = GroupVersionKind::gvk("trainer.kubeflow.org", "v1alpha1", "ClusterTrainingRuntime");
    let api: Api<DynamicObject> = Api::all_with(session.kube(), &ApiResource::from_gvk(&kind));
    let mut once = api.get("python").await.expect("the runtime of every local cluster");
    once.metadata = kube::api::ObjectMeta {
        name: Some("once".to_owned()),
        labels: once.metadata.labels,
        ..Default::default()
    };
    let job = &mut once.data["spec"]["template"]["spec"]["replicatedJobs"][0]["template"]["spec"];
    job["backoffLimit"] = json!(0);
    job["template"]["spec"]["restartPolicy"] = json!("Never");
    api.create(&PostParams::default(), &once).await.expect("a runtime");
    session
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_end_tell_why() {
    let session = session().await;
    let memory = json!({"resources_per_node": {"memory": "96Mi"}});
    let hog = "hog = [bytearray(1 << 20) for _ in range(2000)]";
    tokio::join!(
        start(&session, "pair", RENDEZVOUS, json!({"num_nodes": 2})),
        start(&session, "broken", "raise ValueError('boom')", json!({})),
        start(&session, "killed", "import os; os.kill(os.getpid(), 9)", json!({})),
        start(&session, "hungry", hog, memory),
    );
    let pair = wait(&session, "pair", json!({})).await;
    assert_eq!(
        (&pair["outcome"], &pair["phase"]),
        (&json!("reached"), &json!("Succeeded")),
        "{pair}"
    );
    assert_eq!(pair["metrics"], json!({"accuracy": "0.97", "epoch": "2/2", "loss": "0.25"}));
    let heard = log(&session, json!({"name": "pair", "search": "heard"})).await;
    assert!(heard.contains("heard rank 1"), "{heard}");
    let second = log(&session, json!({"name": "pair", "rank": 1})).await;
    assert!(second.ends_with("accuracy=0.97"), "{second}");

    let broken = wait(&session, "broken", json!({})).await;
    assert_eq!(
        (&broken["outcome"], &broken["phase"]),
        (&json!("ended"), &json!("Failed")),
        "{broken}"
    );
    assert!(broken["log"].as_str().unwrap().ends_with("ValueError: boom"), "{broken}");
    assert_eq!(broken["pods"][0]["exit_code"], 1, "{broken}");

    let killed = wait(&session, "killed", json!({})).await;
    assert_eq!(killed["phase"], "Failed", "{killed}");
    assert_eq!(
        (&killed["pods"][0]["exit_code"], &killed["pods"][0]["reason"]),
        (&json!(137), &json!("Error")),
        "{killed}"
    );

    let hungry = wait(&session, "hungry", json!({})).await;
    assert_eq!(hungry["phase"], "Failed", "{hungry}");
    assert_eq!(hungry["pods"][0]["reason"], "OOMKilled", "{hungry}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_get_no_further_tell_why() {
    let session = session().await;
    let tight = json!({"namespace": "tight"});
    create::<Namespace>(Api::all(session.kube()), json!({"metadata": {"name": "tight"}})).await;
    let quota = json!({"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}});
    create::<ResourceQuota>(Api::namespaced(session.kube(), "tight"), quota).await;
    tokio::join!(
        start(
            &session,
            "hanging",
            "import time\nprint('begun', flush=True)\ntime.sleep(600)",
            json!({})
        ),
        start(&session, "large", "print()", json!({"resources_per_node": {"cpu": 4096}})),
        start(&session, "foreign", "print()", json!({"image": "example.com/none:1"})),
        start(&session, "again", "raise ValueError('boom')", json!({"runtime": "python"})),
        start(&session, "refused", "print()", tight.clone()),
    );
    let running = wait(&session, "hanging", json!({"target_statuses": ["Running"]})).await;
    assert_eq!(running["outcome"], "reached", "{running}");
    let hanging = wait(&session, "hanging", json!({"timeout_seconds": 1})).await;
    assert_eq!(
        (&hanging["outcome"], &hanging["phase"]),
        (&json!("time_limit"), &json!("Running")),
        "{hanging}"
    );

    until(&session, "large", "Pending").await;
    let large = reasons(&session, json!({"name": "large", "warnings_only": true})).await;
    assert!(large.contains("FailedScheduling") && large.contains("Insufficient cpu"), "{large}");

    until(&session, "foreign", "ImagePullFailed").await;
    let foreign = session.call("get_training_logs", json!({"name": "foreign"})).await;
    assert!(foreign["notes"].to_string().contains("ErrImageNeverPull"), "{foreign}");

    until(&session, "again", "CrashLooping").await;
    let again = session.call("get_training_logs", json!({"name": "again"})).await;
    assert!(again["text"].as_str().unwrap().ends_with("ValueError: boom"), "{again}");

    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let refused = reasons(&session, json!({"name": "refused", "namespace": "tight"})).await;
        if refused.contains("FailedCreate") && refused.contains("exceeded quota") {
            break;
        }
        assert!(Instant::now() < deadline, "{refused}");
        sleep(Duration::from_millis(200)).await;
    }
}
