//! The diagnosis of a job whose ranks all fail, with thousands of other jobs beside it.

use std::time::Instant;

use serde_json::json;

use super::{MANY, calls::Measured, served};
use crate::{Binary, Row, milliseconds};

const RANKS: usize = 8;
const TIMES: usize = 11;

impl Measured<'_> {
    /// What it asks, and how long a client waits for it.
    pub(super) async fn diagnose(&self, binary: &Binary) -> anyhow::Result<[Row; 2]> {
        let name = "fails";
        let job = json!({
            "namespace": MANY, "name": name, "runtime": "host", "num_nodes": RANKS,
            "script": "raise ValueError('boom')", "confirmed": true,
        });
        self.call("run_custom_training", &job).await?;
        let job = json!({"namespace": MANY, "name": name});
        // A job whose ranks are started again and again is stuck, which ends a wait too.
        let ended = self.call("wait_for_training", &job).await?;
        self.recording.take();
        let diagnosis = self.call("diagnose_training_job", &job).await?;
        let named = diagnosis["causes"][0]["code"] == "python_exception";
        anyhow::ensure!(named, "{ended}: {diagnosis}");
        let requests = self.recording.take().len() as f64;
        let mut server = served::start(binary, self.load)?;
        served::call(&mut server, "diagnose_training_job", &job)?;
        let mut took = Vec::new();
        for _ in 0..TIMES {
            let begin = Instant::now();
            served::call(&mut server, "diagnose_training_job", &job)?;
            took.push(milliseconds(begin.elapsed()));
        }
        took.sort_by(f64::total_cmp);
        Ok([
            Row { what: "a diagnosis of 8 Pods", figure: requests, budget: 12.0, unit: "requests" },
            Row {
                what: "a diagnosis of 8 Pods, as a client waits for it",
                figure: took[TIMES / 2],
                budget: 2_000.0,
                unit: "ms",
            },
        ])
    }
}
