//! A thousand searches, and one of a thousand trials, which are written by hand.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicUsize, Ordering},
};

use anyhow::Context as _;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use katib_mcp::{
    TOOL_SET,
    api::{EXPERIMENT_LABEL, Experiment, Trial},
};
use kube::{
    Api, Client, Resource,
    api::{ListParams, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
};
use kubeflow_mcp_core::{Caller, Local, Persona, Policy, Server, ToolSet, local::LocalCluster};
use kubeflow_mcp_tests::counting::counting;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    Binary, Row,
    in_process::{call, timed},
};

const SEARCHES: usize = 1_000;
const TRIALS: usize = 1_000;
/// What one request for trials asks for.
const PAGE: u32 = 500;

/// Katib's kinds, and nobody who acts on them.
static BY_HAND: LazyLock<ToolSet> = LazyLock::new(|| ToolSet {
    name: TOOL_SET.name,
    about: TOOL_SET.about,
    guide: TOOL_SET.guide,
    tools: TOOL_SET.tools,
    local: TOOL_SET.local.map(|katib| Local {
        admit: |_, _| async { Ok(()) }.boxed(),
        run: |_| futures::future::pending().boxed(),
        ..katib
    }),
});

pub(crate) fn measure(_: &Binary) -> anyhow::Result<Vec<Row>> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let sets: [&'static ToolSet; 1] = [&*BY_HAND];
        let cluster = LocalCluster::in_memory(&sets)?;
        let client = cluster.client();
        fill(&client).await?;
        let count = Arc::new(AtomicUsize::new(0));
        let caller = Caller::new(counting(client.clone(), &count), Policy::of(Persona::Readonly));
        let server = Server::new(caller, &sets);
        let asked = async |tool, arguments: &Value| {
            let before = count.load(Ordering::SeqCst);
            call(&server, tool, arguments).await?;
            anyhow::Ok((count.load(Ordering::SeqCst) - before) as f64)
        };
        let search = json!({"name": "search-0"});
        // The first call asks what kinds the cluster has.
        asked("list_optimization_jobs", &Value::Null).await?;
        let page = asked("list_optimization_jobs", &Value::Null).await?;
        let best = asked("get_best_results", &search).await?;
        let bare = timed(20, || bare(&client)).await?;
        let ranked = timed(20, || call(&server, "get_best_results", &search)).await?;
        Ok(vec![
            Row { what: "a page of 1,000 searches", figure: page, budget: 1.0, unit: "requests" },
            Row { what: "best of 1,000 trials", figure: best, budget: 3.0, unit: "requests" },
            Row {
                what: "best of 1,000 trials, beyond the API's own time",
                figure: (ranked[10] - bare[10]).max(0.0),
                budget: 100.0,
                unit: "ms",
            },
        ])
    })
}

/// What the ranking has to ask for, with nothing made of it.
async fn bare(client: &Client) -> anyhow::Result<()> {
    Api::<Experiment>::default_namespaced(client.clone()).get("search-0").await?;
    let trials: Api<Trial> = Api::default_namespaced(client.clone());
    let mut page =
        ListParams::default().labels(&format!("{EXPERIMENT_LABEL}=search-0")).limit(PAGE);
    loop {
        let found = trials.list(&page).await?;
        let Some(token) = found.metadata.continue_.filter(|it| !it.is_empty()) else {
            return Ok(());
        };
        page = page.continue_token(&token);
    }
}

async fn fill(client: &Client) -> anyhow::Result<()> {
    let parameters = json!([{"name": "lr", "parameterType": "double",
        "feasibleSpace": {"min": "0.0001", "max": "0.1", "distribution": "logUniform"}}]);
    let spec = json!({
        "objective": {"type": "maximize", "objectiveMetricName": "accuracy"},
        "algorithm": {"algorithmName": "random"}, "parameters": parameters,
        "maxTrialCount": TRIALS, "parallelTrialCount": 8, "trialTemplate": {"trialSpec": workload()},
    });
    let succeeded = json!({"conditions": [{"type": "Succeeded", "status": "True"}]});
    let experiments = (0..SEARCHES).map(|number| {
        let metadata = json!({"name": format!("search-{number}")});
        json!({"metadata": metadata, "spec": spec, "status": succeeded})
    });
    create::<Experiment>(client, experiments).await?;
    let trials = (0..TRIALS).map(|number| {
        let accuracy = (number * 7919 % TRIALS) as f64 / TRIALS as f64;
        let value = accuracy.to_string();
        let metrics = json!([{"name": "accuracy", "min": value, "max": value, "latest": value}]);
        let mut status = succeeded.clone();
        status["observation"] = json!({"metrics": metrics});
        json!({
            "metadata": {"name": format!("search-0-{number}"), "labels": {EXPERIMENT_LABEL: "search-0"}},
            "spec": {"parameterAssignments": [{"name": "lr", "value": "0.01"}], "runSpec": workload()},
            "status": status,
        })
    });
    create::<Trial>(client, trials).await
}

/// As much as a real one carries: the program stands in every trial.
fn workload() -> Value {
    let container =
        json!({"name": "main", "image": "i", "command": ["python", "-c", "#".repeat(4_000)]});
    json!({"apiVersion": "batch/v1", "kind": "Job",
           "spec": {"template": {"spec": {"containers": [container]}}}})
}

async fn create<K>(client: &Client, objects: impl Iterator<Item = Value>) -> anyhow::Result<()>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let api: Api<K> = Api::default_namespaced(client.clone());
    stream::iter(objects)
        .map(|mut object| {
            let api = &api;
            async move {
                object["apiVersion"] = K::api_version(&()).into();
                object["kind"] = K::kind(&()).into();
                let status = Patch::Merge(json!({"status": object["status"].take()}));
                let name = object["metadata"]["name"].as_str().context("a name")?.to_owned();
                api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
                api.patch_status(&name, &PatchParams::default(), &status).await?;
                anyhow::Ok(())
            }
        })
        .buffer_unordered(16)
        .try_collect::<()>()
        .await
}
