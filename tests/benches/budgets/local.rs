//! The local cluster as users run it: its daemon, its Pods, the demo.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, Config,
    api::{LogParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{WatchStreamExt as _, wait::Condition, watcher},
};
use serde_json::json;
use tempfile::TempDir;

use crate::{Binary, Row, median, milliseconds};

pub(crate) fn measure(binary: &Binary) -> anyhow::Result<Vec<Row>> {
    let ready = median(5, || {
        let begin = Instant::now();
        let _daemon = Daemon::start(binary)?;
        Ok(milliseconds(begin.elapsed()))
    })?;
    let daemon = Daemon::start(binary)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let start = runtime.block_on(create_to_start(&daemon))?;
    demo(binary)?; // The first run may still have to make the environment.
    let demo = demo(binary)?;
    Ok(vec![
        Row { what: "daemon ready", figure: ready, budget: 150.0, unit: "ms" },
        Row { what: "`create` to process start, median", figure: start, budget: 100.0, unit: "ms" },
        Row { what: "demo, environment cached", figure: demo, budget: 10.0, unit: "s" },
    ])
}

fn demo(binary: &Binary) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let status = Command::new(&binary.0).arg("demo").stdout(Stdio::null()).status()?;
    anyhow::ensure!(status.success(), "the demo failed: {status}");
    Ok(begin.elapsed().as_secs_f64())
}

/// A local cluster in a folder of its own; gone when dropped.
pub(crate) struct Daemon<'a> {
    binary: &'a Binary,
    folder: TempDir,
}

impl<'a> Daemon<'a> {
    pub(crate) fn start(binary: &'a Binary) -> anyhow::Result<Self> {
        let daemon = Self { binary, folder: tempfile::tempdir()? };
        let output = daemon.command(&["local", "start"]).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(daemon)
    }

    /// Our binary, with this cluster as the user's.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary.0);
        command.args(arguments).env("KUBEFLOW_MCP_LOCAL_DIR", self.folder.path());
        command
    }

    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        let printed = self.command(&["local", "kubeconfig"]).output()?;
        let kubeconfig = Kubeconfig::read_from(String::from_utf8(printed.stdout)?.trim())?;
        let options = KubeConfigOptions::default();
        Ok(Client::try_from(Config::from_custom_kubeconfig(kubeconfig, &options).await?)?)
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        // The folder goes in any case; a daemon without it ends by itself.
        let _ = self.command(&["local", "delete", "--yes"]).output();
    }
}

/// From the request to create a Pod to the moment that its process reads from the clock.
async fn create_to_start(daemon: &Daemon<'_>) -> anyhow::Result<f64> {
    let pods: Api<Pod> = Api::namespaced(daemon.client().await?, "default");
    let mut figures = Vec::new();
    for number in 0..6 {
        let name = format!("clock-{number}");
        let begin = SystemTime::now();
        pods.create(&PostParams::default(), &clock(&name)?).await?;
        finished(&pods, &name).await?;
        let log = pods.logs(&name, &LogParams::default()).await?;
        let nanoseconds: u64 = log.trim().parse().with_context(|| format!("a time: {log:?}"))?;
        let started = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanoseconds);
        figures.push(milliseconds(started.duration_since(begin)?));
    }
    // The first Pod pays for making the environment.
    figures.remove(0);
    figures.sort_by(f64::total_cmp);
    Ok(figures[figures.len() / 2])
}

fn clock(name: &str) -> anyhow::Result<Pod> {
    Ok(serde_json::from_value(json!({
        "metadata": {"name": name, "annotations": {local_kube::PYTHON_PACKAGES: "six"}},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{
                "name": "clock", "image": local_kube::HOST_PYTHON, "command": ["date", "+%s%N"],
            }],
        },
    }))?)
}

async fn finished(pods: &Api<Pod>, name: &str) -> anyhow::Result<()> {
    let ended = |pod: Option<&Pod>| {
        pod.and_then(|it| it.status.as_ref()?.phase.as_deref()).is_some_and(|it| it == "Succeeded")
    };
    let one = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let events = watcher(pods.clone(), one).applied_objects();
    let wait = events.try_filter(|pod| std::future::ready(ended.matches_object(Some(pod))));
    tokio::time::timeout(Duration::from_secs(120), std::pin::pin!(wait).try_next()).await??;
    Ok(())
}
