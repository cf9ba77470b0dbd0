//! What a trial's collectors have gathered: read from their logs, since there is no database.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ListParams, LogParams},
};

use crate::{
    api::{Observation, TRIAL_LABEL, Trial},
    local::{admission::COLLECTOR, control::Failure},
    metrics::{self, Format, Point},
};

/// What the collector leaves where it has stopped the training.
const STOPPED_EARLY: &str = "early-stopped";

pub(super) struct Collected {
    pub(super) observation: Observation,
    pub(super) points: Vec<Point>,
    pub(super) stopped_early: bool,
}

/// Nothing where no collector has come to its end: then there are no metrics, and never will be.
pub(super) async fn collect(trial: &Trial, client: &Client) -> Result<Option<Collected>, Failure> {
    let Some(objective) = &trial.spec.objective else { return Ok(None) };
    let namespace = trial.namespace().unwrap_or_default();
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    let label = format!("{TRIAL_LABEL}={}", trial.name_any());
    let pods_of_trial = pods.list(&ListParams::default().labels(&label)).await?.items;
    let mut reported: Vec<_> =
        pods_of_trial.iter().filter_map(|pod| Some((reported(pod)?, pod))).collect();
    reported.sort_by_key(|(ended, _)| ended.finished_at.as_ref().map(|it| it.0));
    if reported.is_empty() {
        return Ok(None);
    }
    let format = Format::of(trial.spec.metrics_collector.as_ref());
    let names: Vec<&str> = std::iter::once(&objective.objective_metric_name)
        .chain(&objective.additional_metric_names)
        .map(String::as_str)
        .collect();
    let mut points = Vec::new();
    for (_, pod) in &reported {
        let container = Some(COLLECTOR.to_owned());
        let params = LogParams { container, ..LogParams::default() };
        let log = pods.logs(&pod.name_any(), &params).await?;
        let printed = log.lines().filter_map(metrics::printed);
        points.extend(printed.flat_map(|line| format.read(&names, line)));
    }
    let stopped_early =
        reported.iter().any(|(ended, _)| ended.message.as_deref() == Some(STOPPED_EARLY));
    let observation = metrics::observation(objective, &points);
    Ok(Some(Collected { observation, points, stopped_early }))
}

/// How a Pod's collector has ended, if it has seen its task through.
fn reported(pod: &Pod) -> Option<&ContainerStateTerminated> {
    let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
    let collector = containers.iter().find(|it| it.name == COLLECTOR)?;
    let ended = collector.state.as_ref()?.terminated.as_ref()?;
    (ended.exit_code == 0).then_some(ended)
}
