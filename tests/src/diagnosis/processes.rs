//! Carries the scenarios out on a cluster, and has each job diagnosed until its cause is named.

use futures::{StreamExt as _, stream};
use k8s_openapi::api::{batch::v1::Job, core::v1::ResourceQuota};
use kube::api::{DeleteParams, DynamicObject, PostParams};
use kubeflow_mcp_core::{Caller, Persona, Policy};
use serde_json::{Value, json};
use trainer_mcp::diagnosis::diagnosis;
use workloads::{
    diagnosis::{Printing, gather},
    workload::Workload,
};

use super::{
    Outcome, Source, codes,
    scenarios::{self, Scenario, Start, Until},
};
use crate::{cluster::Cluster, namespace::Namespace, runtimes, waiting::PATIENCE};

const TRAINER: &str = "trainer.kubeflow.org/v1alpha1";
/// Programs that start at the same time take each other's processor.
const AT_ONCE: usize = 6;

/// Every scenario on this cluster, and what is made of it.
pub async fn by_processes(cluster: &Cluster) -> Vec<Outcome> {
    let (namespace, tight) = (cluster.namespace().await, cluster.namespace().await);
    prepare(&namespace, &tight).await;
    let scenarios = stream::iter(scenarios::all());
    let outcomes = scenarios.map(|it| carry_out(it, &namespace, &tight));
    let mut outcomes: Vec<Outcome> = outcomes.buffer_unordered(AT_ONCE).collect().await;
    outcomes.push(namesake(&namespace).await);
    outcomes.sort_by(|one, other| one.name.cmp(&other.name));
    outcomes
}

async fn prepare(namespace: &Namespace, tight: &Namespace) {
    let quota = json!({"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}});
    let quota: ResourceQuota = serde_json::from_value(quota).expect("a quota");
    let quotas = tight.api::<ResourceQuota>();
    quotas.create(&PostParams::default(), &quota).await.expect("a quota");
    let pods = |spec: Value| json!({"backoffLimit": 0, "template": {"spec": spec}});
    let gates = json!({"schedulingGates": [{"name": "example.com/gate"}]});
    let admin = namespace.cluster().admin();
    tokio::join!(
        runtimes::once(namespace),
        runtimes::once(tight),
        runtimes::add_host(&admin, namespace.name()),
        runtimes::python(namespace, "gated", json!({}), pods(gates)),
        runtimes::python(
            namespace,
            "accountless",
            json!({}),
            pods(json!({"serviceAccountName": "none"}))
        ),
        runtimes::python(
            namespace,
            "impatient",
            json!({}),
            pods(json!({"restartPolicy": "OnFailure"}))
        ),
        runtimes::python(namespace, "deleted", json!({}), json!({})),
    );
}

async fn carry_out(scenario: Scenario, namespace: &Namespace, tight: &Namespace) -> Outcome {
    let refused = matches!(scenario.start, Start::Refused | Start::Job { refused: true, .. });
    let namespace = if refused { tight } else { namespace };
    start(&scenario, namespace).await;
    let causes: Vec<String> = scenario.causes.iter().map(|it| (*it).to_owned()).collect();
    let answer = diagnosed(namespace, &scenario, &causes).await;
    Outcome {
        name: scenario.name.to_owned(),
        source: Source::Processes,
        causes,
        diagnosed: codes(&answer),
        answer,
    }
}

async fn start(scenario: &Scenario, namespace: &Namespace) {
    let name = scenario.name;
    let (script, more) = match &scenario.start {
        Start::Script(script, more) => (*script, more.clone()),
        Start::Refused => ("print()\n", json!({})),
        Start::Object(runtime, spec) => return create(namespace, name, runtime, spec).await,
        Start::Job { spec, .. } => {
            let job = json!({"metadata": {"name": name}, "spec": spec});
            let job: Job = serde_json::from_value(job).expect("a Job");
            namespace.api().create(&PostParams::default(), &job).await.expect("a Job");
            return;
        }
    };
    let mut arguments =
        json!({"name": name, "script": script, "runtime": "once", "confirmed": true});
    json_patch::merge(&mut arguments, &more);
    let started = namespace.call("run_custom_training", arguments).await;
    assert_eq!(started["created"], true, "{name}: {started}");
}

async fn create(namespace: &Namespace, name: &str, runtime: &str, spec: &Value) {
    let mut job = json!({"apiVersion": TRAINER, "kind": "TrainJob", "metadata": {"name": name},
        "spec": {"runtimeRef": {"name": runtime, "kind": "TrainingRuntime"}}});
    json_patch::merge(&mut job["spec"], spec);
    let job: DynamicObject = serde_json::from_value(job).expect("a TrainJob");
    let jobs = namespace.objects(TRAINER, "TrainJob");
    jobs.create(&PostParams::default(), &job).await.expect("a TrainJob");
    if runtime == "deleted" {
        let runtimes = namespace.objects(TRAINER, "TrainingRuntime");
        // A runtime in use stays until its finalizer is taken from it.
        runtimes.delete(runtime, &DeleteParams::default()).await.expect("a runtime");
        let free = json!({"metadata": {"finalizers": null}});
        let free = kube::api::Patch::Merge(free);
        let _ = runtimes.patch(runtime, &kube::api::PatchParams::default(), &free).await;
    }
}

/// Asks until all causes are named, or another one is, or it is clear that nothing is wrong.
async fn diagnosed(namespace: &Namespace, scenario: &Scenario, causes: &[String]) -> Value {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let name = json!({"name": scenario.name});
        let answer = match scenario.start {
            Start::Job { .. } => of_job(namespace, scenario.name).await,
            _ => namespace.call("diagnose_training_job", name.clone()).await,
        };
        let named = codes(&answer);
        let early = matches!(scenario.until, Until::Over) && answer["phase"] != "Failed";
        let wrong = !early && named.iter().any(|it| !causes.contains(it));
        let done = match scenario.until {
            Until::Named | Until::Over => named == causes,
            Until::Succeeded => answer["phase"] == "Succeeded",
            Until::Printed(line) => {
                let log = namespace.call("get_training_logs", name).await;
                answer["phase"] == "Running"
                    && log["text"].as_str().is_some_and(|it| it.contains(line))
            }
        };
        if wrong || done || tokio::time::Instant::now() > deadline {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// No tool is about Jobs alone: others look at theirs in this way.
async fn of_job(namespace: &Namespace, name: &str) -> Value {
    let caller = Caller::new(namespace.cluster().admin(), Policy::of(Persona::Readonly));
    let job = Workload::job(&caller, Some(namespace.name()), name).await.expect("a Job");
    let printing = Printing { container: "main", relay: None };
    let snapshot = gather(&caller, job, printing).await;
    serde_json::to_value(diagnosis(&snapshot, None)).expect("JSON")
}

/// A job that runs under the name of one that never found a node, whose events are still there.
async fn namesake(namespace: &Namespace) -> Outcome {
    let name = "namesake";
    let large = json!({"resources_per_node": {"cpu": 4096}});
    let scenario = |start, causes, until| Scenario { name, causes, start, until };
    let first =
        scenario(Start::Script("print()\n", large), &["insufficient_resources"], Until::Named);
    let first = carry_out(first, namespace, namespace).await;
    assert!(first.is_right(), "{first:?}");
    namespace.call("delete_training_job", json!({"name": name, "confirmed": true})).await;
    crate::waiting::until("the end of the first", async || {
        let gone = namespace.call("get_training_job", json!({"name": name})).await;
        if gone["code"] == "not_found" { Ok(()) } else { Err(gone.to_string()) }
    })
    .await;
    let script = "import time\nprint('begun', flush=True)\ntime.sleep(600)\n";
    let second = scenario(Start::Script(script, json!({})), &[], Until::Printed("begun"));
    carry_out(second, namespace, namespace).await
}
