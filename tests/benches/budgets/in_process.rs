//! Calls on a cluster in the process, where nothing but our own work takes time.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams},
};
use kubeflow_mcp as _; // Linking the crate registers every tool set.
use kubeflow_mcp_core::{Caller, Persona, Policy, Progress, Server, ToolSet, local::LocalCluster};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{Binary, Row, milliseconds};

const JOBS: usize = 10_000;
const WAITS: usize = 1_000;

pub(crate) fn measure(_: &Binary) -> anyhow::Result<Vec<Row>> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let sets = ToolSet::linked();
        let cluster = LocalCluster::in_memory(&sets)?;
        let caller = Caller::new(cluster.client(), Policy::of(Persona::PlatformAdmin));
        let server = Server::new(caller, &sets);
        let preview = preview(&server).await?;
        let beside = beside_waits(&server, &cluster.client()).await?;
        let listing = listing(&server, &cluster.client()).await?;
        Ok(vec![
            Row { what: "a preview, median", figure: preview, budget: 1.0, unit: "ms" },
            Row {
                what: "a call beside 1,000 waits, slowest of 50",
                figure: beside,
                budget: 50.0,
                unit: "ms",
            },
            Row {
                what: "first page of 10,000 jobs, beyond the API's own time",
                figure: listing,
                budget: 50.0,
                unit: "ms",
            },
        ])
    })
}

async fn preview(server: &Server) -> anyhow::Result<f64> {
    let submission = json!({"script": "print('accuracy=1')", "name": "preview"});
    let figures = timed(200, || call(server, "run_custom_training", &submission)).await?;
    Ok(figures[figures.len() / 2])
}

/// How long a call takes while many wait for jobs that do not move.
async fn beside_waits(server: &Server, client: &Client) -> anyhow::Result<f64> {
    create(client, "waited", WAITS).await?;
    let mut waits = JoinSet::new();
    for number in 0..WAITS {
        let (progress, mut steps) = Progress::channel();
        let server = server.clone();
        let job = json!({"name": format!("waited-{number}"), "timeout_seconds": 600});
        waits.spawn(async move {
            let arguments = job.as_object().cloned().unwrap_or_default();
            server.call("wait_for_training", arguments, progress).await
        });
        steps.recv().await; // It waits once it has told where the job stands.
    }
    let job = json!({"name": "waited-500"});
    let figures = timed(50, || call(server, "get_training_job", &job)).await?;
    anyhow::ensure!(waits.len() == WAITS && waits.try_join_next().is_none(), "a wait has ended");
    Ok(figures[figures.len() - 1])
}

async fn listing(server: &Server, client: &Client) -> anyhow::Result<f64> {
    create(client, "listed", JOBS - WAITS).await?;
    let page = ListParams::default().limit(500);
    let bare = timed(20, || async { Ok(train_jobs(client).list(&page).await.map(drop)?) }).await?;
    let listed = timed(20, || call(server, "list_training_jobs", &Value::Null)).await?;
    Ok((listed[10] - bare[10]).max(0.0))
}

/// Calls one after the other, from the quickest to the slowest, in milliseconds.
pub(crate) async fn timed<F: Future<Output = anyhow::Result<()>>>(
    count: usize,
    once: impl Fn() -> F,
) -> anyhow::Result<Vec<f64>> {
    let mut figures = Vec::new();
    for _ in 0..count {
        let begin = Instant::now();
        once().await?;
        figures.push(milliseconds(begin.elapsed()));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    figures.sort_by(f64::total_cmp);
    Ok(figures)
}

pub(crate) async fn call(server: &Server, tool: &str, arguments: &Value) -> anyhow::Result<()> {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    Ok(server.call(tool, arguments, Progress::default()).await.map(drop)?)
}

fn train_jobs(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("trainer.kubeflow.org", "v1alpha1", "TrainJob");
    Api::default_namespaced_with(client.clone(), &ApiResource::from_gvk(&kind))
}

/// Jobs that somebody else is to run, so that nothing happens to them.
async fn create(client: &Client, prefix: &str, count: usize) -> anyhow::Result<()> {
    let api = train_jobs(client);
    let job = |number| {
        serde_json::from_value(json!({
            "apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob",
            "metadata": {"name": format!("{prefix}-{number}")},
            "spec": {
                "runtimeRef": {"name": "python"},
                "managedBy": "kueue.x-k8s.io/multikueue",
            },
        }))
    };
    stream::iter(0..count)
        .map(|number| {
            let api = &api;
            async move { anyhow::Ok(api.create(&PostParams::default(), &job(number)?).await.map(drop)?) }
        })
        .buffer_unordered(16)
        .try_collect::<()>()
        .await
}
