//! `deploy/rbac.yaml`, proven: the roles of a persona grant what its tools need, and nothing else.

use std::collections::BTreeSet;

use k8s_openapi::api::{core::v1::Pod, rbac::v1::ClusterRole};
use katib_mcp::api::Trial;
use kube::{ResourceExt as _, api::ListParams};
use kubeflow_mcp_core::{Need, Persona, Policy, ToolDef, ToolSet, testing::call_past_gate};
use kubeflow_mcp_tests::{
    agent::Agent, cluster::Cluster, namespace::Namespace, runtimes, waiting::until,
};
use serde_json::{Value, json};

use super::account::Account;
use crate::{optimization, training};

const ROLES: &str = include_str!("../../../deploy/rbac.yaml");

/// Asked for everywhere and granted nowhere: Pods show what their owners keep in them. The tool
/// that would like to count them says that it could not.
const NOT_GRANTED: &str = "list pods everywhere";

/// Likewise: whoever deletes a runtime of the whole cluster is told that they could not see its users.
const NOBODY_S_JOBS: &str = "list trainjobs everywhere";

/// Whether a right is one that the tool only uses where the caller has it anyway.
fn borrowed(tool: &str, refused: &str) -> bool {
    let needs = tools().filter(|it| it.name == tool).flat_map(|it| it.needs);
    needs.filter(|it| it.borrowed).any(|need| {
        let asks = |verb: &str| format!("{verb} {} ", need.resource.plural);
        need.verbs.iter().any(|verb| refused.starts_with(&asks(verb)))
    })
}

#[tokio::test]
async fn readonly_may_do_what_it_is_offered_and_no_more() {
    prove(Persona::Readonly).await;
}

#[tokio::test]
async fn data_scientist_may_do_what_it_is_offered_and_no_more() {
    prove(Persona::DataScientist).await;
}

#[tokio::test]
async fn ml_engineer_may_do_what_it_is_offered_and_no_more() {
    prove(Persona::MlEngineer).await;
}

#[tokio::test]
async fn platform_admin_may_do_what_it_is_offered_and_no_more() {
    prove(Persona::PlatformAdmin).await;
}

async fn prove(persona: Persona) {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let trial = prepare(&namespace).await;
    let account = Account::with(&namespace, &roles(persona)).await;

    let agent = Agent::new(account.client.clone(), Policy::of(persona)).await;
    let offered: BTreeSet<String> = agent.tools().await.into_iter().collect();
    let (meant, others): (Vec<&ToolDef>, _) = tools().partition(|it| it.persona <= persona);
    assert_eq!(offered, meant.iter().map(|it| it.name.to_owned()).collect());

    for (tool, arguments) in calls(&meant, namespace.name(), &trial) {
        let answer = agent.call(tool, arguments).await;
        assert!(answer.get("code").is_none(), "{tool}: {answer}");
        let mut refused = account.witness.refused();
        match tool {
            "get_cluster_resources" => {
                assert_eq!(refused, [NOT_GRANTED], "{answer}");
                assert!(answer["unseen"].to_string().contains("other people's Pods"), "{answer}");
            }
            "delete_runtime" if refused == [NOBODY_S_JOBS] => {
                assert!(answer["unseen"].to_string().contains("training jobs"), "{answer}");
            }
            "pre_flight" => {
                let may_submit = persona >= Persona::DataScientist;
                assert_eq!(answer["would_run"] != "fail", may_submit, "{answer}");
            }
            _ => assert!(answer.get("unseen").is_none(), "{tool}: {answer}"),
        }
        refused.retain(|it| {
            ![NOT_GRANTED, NOBODY_S_JOBS].contains(&it.as_str()) && !borrowed(tool, it)
        });
        assert!(refused.is_empty(), "{tool}: {refused:?}");
    }
    assert!(account.unused().is_empty(), "granted, and never needed: {:?}", account.unused());

    // What keeps the others away is the policy alone, where they need no further right.
    let others: Vec<&ToolDef> = others.into_iter().filter(|it| needs_more(it, &meant)).collect();
    // What is not there could not be refused.
    let runtimes = calls(&others, namespace.name(), &trial);
    let of_runtimes = |name: &str| runtimes.iter().filter(|it| it.0 == name).collect::<Vec<_>>();
    for (tool, call) in of_runtimes("create_runtime") {
        namespace.call(tool, call.clone()).await;
    }
    for (tool, arguments) in calls(&others, namespace.name(), &trial) {
        let tool = others.iter().find(|it| it.name == tool).expect("a call of one of them");
        let policy = Policy::of(Persona::PlatformAdmin);
        let refused = call_past_gate(account.client.clone(), policy, tool, arguments).await;
        assert_eq!(refused["code"], "forbidden", "{}: {refused}", tool.name);
        let message = refused["message"].as_str().expect("a message");
        assert!(message.contains("system:serviceaccount:"), "the API server says it: {message}");
        assert!(!account.witness.refused().is_empty(), "{}", tool.name);
    }
    for (tool, call) in of_runtimes("delete_runtime") {
        namespace.call(tool, call.clone()).await;
    }
    account.remove(&cluster.admin()).await;
}

/// Whether a tool is useless without a right that none of the others needs.
fn needs_more(tool: &ToolDef, others: &[&ToolDef]) -> bool {
    let granted: Vec<&Need> =
        others.iter().flat_map(|it| it.needs).filter(|it| !it.borrowed).collect();
    let lacks = |need: &Need| {
        let has = |verb: &&&str| {
            granted.iter().any(|it| it.resource == need.resource && it.verbs.contains(verb))
        };
        !need.verbs.iter().all(|verb| has(&verb))
    };
    tool.needs.iter().filter(|it| it.required).any(lacks)
}

/// The roles that are published for a persona.
fn roles(persona: Persona) -> Vec<ClusterRole> {
    let documents = ROLES.split("\n---\n").skip(1);
    let roles = documents.map(|it| serde_saphyr::from_str(it).expect("a role"));
    let names = [format!("kubeflow-mcp-{persona}"), format!("kubeflow-mcp-{persona}-cluster")];
    let own: Vec<ClusterRole> =
        roles.filter(|it: &ClusterRole| names.contains(&it.name_any())).collect();
    assert_eq!(own.len(), names.len(), "{names:?}");
    own
}

fn tools() -> impl Iterator<Item = &'static ToolDef> {
    ToolSet::linked().into_iter().flat_map(ToolSet::tools)
}

/// A job that runs, one that is suspended and so has no Pods, one that waits for a node, and one in a
/// queue; and a search, whose only trial is named.
async fn prepare(namespace: &Namespace) -> String {
    let admin = namespace.cluster().admin();
    runtimes::add_host(&admin, namespace.name()).await;
    runtimes::add_torchtune(&admin, namespace.name(), "localhost/host-python").await;
    for name in ["runs", "idle"] {
        let started = namespace.call("run_custom_training", submission(name)).await;
        assert_eq!(started["created"], true, "{started}");
    }
    let mut large = submission("large");
    large["resources_per_node"] = json!({"cpu": 4096});
    let started = namespace.call("run_custom_training", large).await;
    assert_eq!(started["created"], true, "{started}");
    let mut queued = training::train_job("queued", "host", json!({"suspend": true}));
    queued["metadata"]["labels"] = json!({"kueue.x-k8s.io/queue-name": "gpu"});
    training::create(namespace, queued).await;
    let suspend = json!({"name": "idle", "action": "suspend", "confirmed": true});
    let suspended = namespace.call("update_training_job", suspend).await;
    assert_eq!(suspended["changed"], true, "{suspended}");
    let of_idle = ListParams::default().labels("jobset.sigs.k8s.io/jobset-name=idle");
    until("the suspension", async || {
        let job = namespace.call("get_training_job", json!({"name": "idle"})).await;
        // One that is still ending would have a log.
        let pods = namespace.api::<Pod>().list(&of_idle).await.map_err(|it| it.to_string())?.items;
        let rests = job["phase"] == "Suspended" && pods.is_empty();
        if rests { Ok(()) } else { Err(job.to_string()) }
    })
    .await;
    until("the wait of a job that is too large", async || {
        let job = namespace.call("get_training_job", json!({"name": "large"})).await;
        if job["phase"] == "Pending" { Ok(()) } else { Err(job.to_string()) }
    })
    .await;
    let running = json!({"name": "runs", "target_statuses": ["Running"], "timeout_seconds": 300});
    let running = namespace.call("wait_for_training", running).await;
    assert_eq!(running["phase"], "Running", "{running}");
    optimization::label(namespace, json!("enabled")).await;
    let started = namespace.call("optimize", search("search")).await;
    assert_eq!(started["created"], true, "{started}");
    until("the log of a trial", async || {
        let log = namespace.call("get_optimization_logs", json!({"name": "search"})).await;
        let prints = log["text"].as_str().is_some_and(|it| it.contains("loss=1"));
        if prints { Ok(()) } else { Err(log.to_string()) }
    })
    .await;
    let trials = namespace.api::<Trial>().list(&ListParams::default()).await.expect("trials");
    trials.items[0].name_any()
}

fn submission(name: &str) -> Value {
    let script = "import time\ntime.sleep(3600)\n";
    json!({"name": name, "runtime": "host", "script": script, "confirmed": true})
}

fn search(name: &str) -> Value {
    let script = "import time\nprint('loss=1', flush=True)\ntime.sleep(3600)\n";
    json!({"name": name, "runtime": "host", "script": script, "objective_metric_name": "loss",
        "parameters": {"lr": {"min": 0.1, "max": 0.9}}, "max_trial_count": 2,
        "parallel_trial_count": 1, "confirmed": true})
}

/// Calls by which each of the tools asks for all that it may need, and writes; in an order in which
/// none hinders the next.
fn calls(tools: &[&'static ToolDef], namespace: &str, trial: &str) -> Vec<(&'static str, Value)> {
    // Of the whole cluster, in which other tests make theirs.
    let everywhere = format!("{namespace}-runtime");
    let create = |name: &str| {
        let pod = json!({"containers": [{"name": "node", "image": "localhost/host-python"}]});
        let job = json!({"name": "node", "template": {
            "metadata": {"labels": {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}},
            "spec": {"template": {"spec": pod}}}});
        let spec =
            json!({"mlPolicy": {"numNodes": 1}, "template": {"spec": {"replicatedJobs": [job]}}});
        json!({"name": name, "framework": "python", "spec": spec, "confirmed": true})
    };
    let patch = |name: &str| json!({"name": name, "patch": {"mlPolicy": {"numNodes": 2}}, "confirmed": true});
    let delete = |name: &str| json!({"name": name, "even_if_used": true, "confirmed": true});
    let searched = json!({"name": "search"});
    let tried = json!({"name": "search", "trial": trial});
    let within = |mut call: Value| {
        call["namespace"] = json!(namespace);
        call
    };
    let all = [
        ("health_check", json!({})),
        ("get_cluster_resources", json!({})),
        ("estimate_resources", json!({"model": "7B", "runtime": "host"})),
        ("pre_flight", json!({"arguments": {"runtime": "host"}})),
        ("list_runtimes", json!({})),
        ("get_runtime", json!({"name": "host"})),
        ("list_training_jobs", json!({})),
        ("get_training_job", json!({"name": "runs"})),
        ("get_training_logs", json!({"name": "runs"})),
        ("get_training_logs", json!({"name": "idle"})),
        ("get_training_events", json!({"name": "runs"})),
        ("diagnose_training_job", json!({"name": "runs"})),
        ("diagnose_training_job", json!({"name": "large"})),
        ("diagnose_training_job", json!({"name": "queued"})),
        // It watches until its time is over.
        ("wait_for_training", json!({"name": "runs", "timeout_seconds": 1})),
        ("list_optimization_jobs", json!({})),
        ("get_optimization_job", searched.clone()),
        ("get_best_results", searched.clone()),
        ("get_trial_metrics", tried.clone()),
        ("get_optimization_logs", tried),
        ("get_optimization_events", searched.clone()),
        ("diagnose_optimization_job", searched),
        ("wait_for_optimization", json!({"name": "search", "timeout_seconds": 1})),
        ("run_custom_training", submission("mine")),
        ("optimize", search("sought")),
        (
            "update_optimization_job",
            json!({"name": "search", "max_trial_count": 3, "confirmed": true}),
        ),
        ("delete_optimization_job", json!({"name": "search", "confirmed": true})),
        (
            "fine_tune",
            json!({"model": "hf://meta-llama/Llama-3.2-1B-Instruct", "name": "tuned",
            "dataset": "hf://tatsu-lab/alpaca", "confirmed": true}),
        ),
        (
            "run_container_training",
            json!({"image": "localhost/host-python:1", "name": "contained",
            "runtime": "host", "confirmed": true}),
        ),
        ("retry_training_job", json!({"job": "idle", "name": "again", "confirmed": true})),
        ("update_training_job", json!({"name": "idle", "action": "resume", "confirmed": true})),
        ("delete_training_job", json!({"name": "runs", "confirmed": true})),
        ("get_runtime_packages", json!({"name": "host", "confirmed": true})),
        ("create_runtime", create(&everywhere)),
        ("create_runtime", within(create("own"))),
        // The same again finds what it has made.
        ("create_runtime", create(&everywhere)),
        ("create_runtime", within(create("own"))),
        ("patch_runtime", patch(&everywhere)),
        ("patch_runtime", within(patch("own"))),
        ("delete_runtime", delete(&everywhere)),
        ("delete_runtime", within(delete("own"))),
    ];
    for tool in tools {
        assert!(all.iter().any(|(name, _)| *name == tool.name), "{}: give it a call", tool.name);
    }
    let given = |name: &str| tools.iter().any(|tool| tool.name == name);
    all.into_iter().filter(|(name, _)| given(name)).collect()
}
