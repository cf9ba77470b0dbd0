//! What holds of every tool that writes: nothing changes before the call is confirmed.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DynamicObject, ListParams},
    discovery::{Discovery, verbs},
};
use kubeflow_mcp_core::{Effect, Local, ToolSet};
use kubeflow_mcp_tests::runtimes;
use serde_json::{Value, json};

use crate::{session::Session, tools};

/// A sound call of a tool that writes, in a cluster where there is one suspended job, `idle`, and a
/// search, `search`.
fn fixture(tool: &str) -> Value {
    match tool {
        "run_custom_training" => json!({"script": "print(1)\n", "name": "mnist"}),
        "run_container_training" => json!({"image": "localhost/host-python", "name": "mnist"}),
        "fine_tune" => json!({"model": "hf://meta-llama/Llama-3.2-1B-Instruct",
            "dataset": "hf://tatsu-lab/alpaca", "name": "tuned"}),
        "retry_training_job" => {
            json!({"job": "idle", "name": "again", "changes": {"num_nodes": 2}})
        }
        "update_training_job" => json!({"name": "idle", "action": "resume"}),
        "delete_training_job" => json!({"name": "idle"}),
        "get_runtime_packages" => json!({"name": "python"}),
        "create_runtime" => {
            json!({"name": "another", "framework": "torch", "spec": {"mlPolicy": {"numNodes": 1}}})
        }
        "patch_runtime" => json!({"name": "python", "patch": {"mlPolicy": {"numNodes": 2}}}),
        "delete_runtime" => json!({"name": "python", "even_if_used": true}),
        "optimize" => search("digits"),
        "update_optimization_job" => json!({"name": "search", "max_trial_count": 12}),
        "delete_optimization_job" => json!({"name": "search"}),
        other => panic!("{other} writes: give it a call to confirm"),
    }
}

fn search(name: &str) -> Value {
    json!({"script": "print('loss=1')\n", "name": name, "objective_metric_name": "loss",
        "parameters": {"lr": {"min": 0.1, "max": 0.9}}})
}

/// Tools that remove again what they make, and wait for it to end, which nothing does here.
const TIDY: &[&str] = &["get_runtime_packages"];

/// The same sets without their controllers, so that only tools change the cluster.
fn at_rest() -> Vec<&'static ToolSet> {
    let at_rest = |set: &'static ToolSet| -> &'static ToolSet {
        let local = set.local.as_ref().map(|it| Local {
            crds: it.crds,
            objects: it.objects,
            admit: it.admit,
            run: |_| futures::future::pending().boxed(),
        });
        Box::leak(Box::new(ToolSet { local, ..*set }))
    };
    ToolSet::linked().into_iter().map(at_rest).collect()
}

/// Every object of the cluster, by its kind, namespace and name.
async fn objects(client: Client) -> BTreeMap<String, Value> {
    let discovery = Discovery::new(client.clone()).run().await.unwrap();
    let mut objects = BTreeMap::new();
    for (kind, capabilities) in discovery.groups().flat_map(|it| it.recommended_resources()) {
        if !capabilities.supports_operation(verbs::LIST) {
            continue;
        }
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
        for object in api.list(&ListParams::default()).await.unwrap() {
            let namespace = object.namespace().unwrap_or_default();
            let name = format!("{} {namespace}/{}", kind.plural, object.name_any());
            objects.insert(name, serde_json::to_value(object).unwrap());
        }
    }
    objects
}

#[tokio::test]
async fn an_unconfirmed_call_changes_nothing_and_a_confirmed_one_does() {
    let sets = at_rest();
    for tool in tools().filter(|it| it.effect != Effect::Reads) {
        let session = Session::through(&sets, |client| client).await;
        runtimes::add_torchtune(&session.kube(), "default", "localhost/host-python").await;
        let idle = json!({"script": "print(0)\n", "name": "idle", "confirmed": true});
        session.call("run_custom_training", idle).await;
        let suspend = json!({"name": "idle", "action": "suspend", "confirmed": true});
        session.call("update_training_job", suspend).await;
        let mut search = search("search");
        search["confirmed"] = json!(true);
        session.call("optimize", search).await;

        let before = objects(session.kube()).await;
        assert!(before.contains_key("trainjobs default/idle"), "{:?}", before.keys());
        let mut call = fixture(tool.name);
        let preview = session.call(tool.name, call.clone()).await;
        assert_eq!(preview["preview"], true, "{}: {preview}", tool.name);
        call["confirmed"] = json!(false);
        assert_eq!(session.call(tool.name, call.clone()).await, preview);
        assert_eq!(objects(session.kube()).await, before, "{}", tool.name);

        if TIDY.contains(&tool.name) {
            continue;
        }
        call["confirmed"] = json!(true);
        let done = session.call(tool.name, call).await;
        assert_eq!(done["preview"], false, "{}: {done}", tool.name);
        assert_ne!(objects(session.kube()).await, before, "{}", tool.name);
    }
}
