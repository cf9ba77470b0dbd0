//! A wait that ends when the job does, however many others there are.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use kubeflow_mcp_core::Progress;
use serde_json::json;
use tokio::time::timeout;

use super::{
    MANY,
    calls::Measured,
    filling::{create, train_jobs, write_status},
    objects::{self, State},
};
use crate::{Row, milliseconds};

const PATIENCE: Duration = Duration::from_secs(60);

impl Measured<'_> {
    /// How long after its job a wait ends, and what it has asked.
    pub(super) async fn wait(&self) -> anyhow::Result<[Row; 2]> {
        // One more, that runs and whose Pods are on another cluster.
        let number = self.load.jobs.next_multiple_of(4);
        let name = objects::name(number);
        let jobs = train_jobs(&self.load.client(), MANY);
        create(&jobs, objects::train_job(number)).await?;
        let running = objects::status(State::Running).context("a running job has a status")?;
        write_status(&jobs, &name, running).await?;
        let wait = json!({"namespace": MANY, "name": name});
        let arguments = wait.as_object().cloned().unwrap_or_default();
        let (progress, mut steps) = Progress::channel();
        self.recording.take();
        let server = self.server.clone();
        let waiting =
            tokio::spawn(
                async move { server.call("wait_for_training", arguments, progress).await },
            );
        // It waits once it has told where the job stands.
        timeout(PATIENCE, steps.recv()).await.context("the wait does not begin")?;
        let complete = objects::status(State::Complete).context("a complete job has a status")?;
        write_status(&jobs, &name, complete).await?;
        let written = Instant::now();
        let ending = timeout(PATIENCE, waiting).await.context("the wait does not end")???.value;
        let late = milliseconds(written.elapsed());
        anyhow::ensure!(ending["outcome"] == "reached", "{ending}");
        let requests = self.recording.take().len() as f64;
        Ok([
            Row {
                what: "a wait, from its begin to its end",
                figure: requests,
                budget: 6.0,
                unit: "requests",
            },
            Row { what: "a wait's end after its job's", figure: late, budget: 500.0, unit: "ms" },
        ])
    }
}
