//! The metrics in a trial's log, read as the experiment's own collector reads them.

use std::{pin::pin, time::Duration};

use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt as _, api::LogParams};
use kubeflow_mcp_core::{Caller, Result};
use tokio::time::timeout;
use workloads::logs::Line;

use crate::{
    api::Trial,
    metrics::{Format, Point, without_prefix},
    pods,
};

/// Of the end of the log; more of it tells no more of a curve.
const LINES: i64 = 200_000;
const BYTES: i64 = 32 << 20;
/// Held while the log streams by: more points than are ever shown.
const POINTS: usize = 20_000;
const READ_WITHIN: Duration = Duration::from_secs(20);

/// What a log has told.
#[derive(Debug, Default)]
pub(super) struct Printed {
    pub(super) points: Vec<Point>,
    /// What is wrong with it, if something is.
    pub(super) problem: Option<String>,
}

/// Every value of these metrics in the trial's log, or why there is no log.
pub(super) async fn read(caller: &Caller, trial: &Trial, names: &[&str]) -> Result<Printed> {
    let found = pods::of_trial(caller, trial).await?;
    let Some(pod) = pods::primary(trial, &found) else {
        let why = match trial.spec.retain_run {
            Some(true) => "its Pod is gone",
            _ => "its Pod is gone: without retain, Katib deletes a trial's workload at its end",
        };
        return Ok(Printed { problem: Some(why.to_owned()), ..Printed::default() });
    };
    let container = pods::metrics_container(trial, &pods::member(pod));
    let api = caller.api::<Pod>(trial.namespace().as_deref());
    let format = Format::of(trial.spec.metrics_collector.as_ref());
    let mut points = Vec::new();
    let name = pod.name_any();
    let reading = lines(&api, &name, &container, |line| {
        let Line { at, text } = Line::of(line);
        let read = format.read(names, without_prefix(text)).into_iter();
        points.extend(read.map(|it| Point { at: it.at.or(at), ..it }));
        // Every other one is left out: what is shown of so many is thinner still.
        if points.len() > POINTS {
            let mut index = 0;
            points.retain(|_| {
                index += 1;
                index % 2 == 0
            });
        }
    });
    let problem = match timeout(READ_WITHIN, reading).await {
        Ok(Ok(())) => None,
        Ok(Err(kube::Error::Api(status))) if [400, 404].contains(&status.code) => {
            Some(status.message.clone())
        }
        Ok(Err(error)) => return Err(error.into()),
        Err(_) => Some(format!("reading was given up after {} s", READ_WITHIN.as_secs())),
    };
    Ok(Printed { points, problem })
}

/// Each line behind its time, as it streams by.
async fn lines(
    pods: &Api<Pod>,
    pod: &str,
    container: &str,
    mut line: impl FnMut(&str),
) -> kube::Result<()> {
    let parameters = LogParams {
        container: Some(container.to_owned()),
        timestamps: true,
        tail_lines: Some(LINES),
        limit_bytes: Some(BYTES),
        ..LogParams::default()
    };
    let log = pods.log_stream(pod, &parameters).await?;
    let mut read = pin!(log.lines());
    // What came before the connection broke off is still a beginning.
    while let Ok(Some(text)) = read.try_next().await {
        line(&text);
    }
    Ok(())
}

/// When it was printed, where that is known: to the second.
pub(super) fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(|it| it.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
