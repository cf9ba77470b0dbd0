//! Fills a cluster, as fast as its API server takes it.
#![expect(clippy::print_stderr, reason = "who waits for minutes is told how far it is")]

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Event, Namespace, Pod, ServiceAccount};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use kubeflow_mcp_tests::waiting::until;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    FEW, FEW_JOBS, Load, MANY, hollow,
    objects::{self, RANKS, State},
};

/// Requests under way, each on a connection.
const AT_ONCE: usize = 24;
const TOLD_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn fill(load: &Load) -> anyhow::Result<()> {
    let client = load.client();
    for (namespace, jobs) in [(FEW, FEW_JOBS), (MANY, load.jobs)] {
        create_namespace(&client, namespace).await?;
        fill_namespace(&client, namespace, jobs).await?;
    }
    Ok(())
}

/// Jobs with their statuses and Pods, and an event for every second one.
async fn fill_namespace(client: &Client, namespace: &str, jobs: usize) -> anyhow::Result<()> {
    let train_jobs = train_jobs(client, namespace);
    many("TrainJobs", jobs, |number| create(&train_jobs, objects::train_job(number))).await?;
    many("statuses", jobs, |number| {
        let status = objects::status(objects::state(number));
        let (name, train_jobs) = (objects::name(number), &train_jobs);
        async move {
            match status {
                Some(status) => write_status(train_jobs, &name, status).await,
                None => Ok(()),
            }
        }
    })
    .await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    many("Pods", jobs * RANKS, |index| {
        let (number, rank, pods) = (index / RANKS, index % RANKS, &pods);
        async move {
            create(pods, objects::pod(number, rank, &hollow::name(number))).await?;
            if objects::state(number) == State::Running {
                let name = objects::pod_name(number, rank);
                write_status(pods, &name, objects::pod_status()).await?;
            }
            Ok(())
        }
    })
    .await?;
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    many("events", jobs / 2, |number| create(&events, objects::event(2 * number, namespace))).await
}

pub(super) fn train_jobs(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("trainer.kubeflow.org", "v1alpha1", "TrainJob");
    Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk(&kind))
}

pub(super) async fn write_status<K>(api: &Api<K>, name: &str, status: Value) -> anyhow::Result<()>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let patch = Patch::Merge(json!({"status": status}));
    let written = api.patch_status(name, &PatchParams::default(), &patch).await;
    written.map(drop).with_context(|| format!("the status of {name}"))
}

pub(super) async fn create<K>(api: &Api<K>, object: Value) -> anyhow::Result<()>
where
    K: Clone + DeserializeOwned + Serialize + std::fmt::Debug,
{
    let object = serde_json::from_value(object)?;
    Ok(api.create(&PostParams::default(), &object).await.map(drop)?)
}

/// Pods are refused before the account that they run as is there.
async fn create_namespace(client: &Client, name: &str) -> anyhow::Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    create(&namespaces, json!({"metadata": {"name": name}})).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), name);
    until("the account of Pods", async || {
        let account = accounts.get_opt("default").await.map_err(|error| error.to_string())?;
        account.map(drop).ok_or_else(|| "none".to_owned())
    })
    .await;
    Ok(())
}

async fn many<F>(what: &str, count: usize, once: impl Fn(usize) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let (begin, done, told) = (Instant::now(), Cell::new(0), Cell::new(Instant::now()));
    let all = stream::iter(0..count).map(once).buffer_unordered(AT_ONCE);
    all.try_for_each(async |()| {
        done.set(done.get() + 1);
        if told.get().elapsed() >= TOLD_EVERY {
            told.set(Instant::now());
            eprintln!("{} of {count} {what}", done.get());
        }
        Ok(())
    })
    .await
    .context(what.to_owned())?;
    eprintln!("{count} {what} in {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}
