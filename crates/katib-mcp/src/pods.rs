//! The Pods of a trial, and the container in them whose log tells how it goes.

use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt as _, api::ListParams};
use kubeflow_mcp_core::{Caller, Result, Sign};
use workloads::pods::{Labels, Member};

use crate::api::{TRIAL_LABEL, Trial, kind};

/// What Katib's webhook adds to a trial's Pod where metrics are read from text.
pub(crate) const COLLECTOR: Sign = Sign::documented(
    "metrics-logger-and-collector",
    "kubeflow/katib pkg/webhook/v1beta1/pod/inject_webhook.go",
);

/// Trials have one Pod that counts, so that ranks and groups are told by nothing.
const LABELS: Labels = Labels {
    group: "jobset.sigs.k8s.io/replicatedjob-name",
    index: "batch.kubernetes.io/job-completion-index",
};

/// Those of one trial, also where Katib's webhook has put no label on them.
pub(crate) async fn of_trial(caller: &Caller, trial: &Trial) -> Result<Vec<Pod>> {
    let pods = caller.api::<Pod>(trial.namespace().as_deref());
    let labelled = ListParams::default().labels(&format!("{TRIAL_LABEL}={}", trial.name_any()));
    let found = pods.list(&labelled).await?.items;
    let Some(label) = workload_label(trial).filter(|_| found.is_empty()) else {
        return Ok(found);
    };
    let named = ListParams::default().labels(&format!("{label}={}", trial.name_any()));
    Ok(pods.list(&named).await?.items)
}

/// By which the workload's own controller marks its Pods.
fn workload_label(trial: &Trial) -> Option<&'static str> {
    match trial.spec.run_spec.as_ref()?["kind"].as_str()? {
        "Job" => Some("batch.kubernetes.io/job-name"),
        "TrainJob" | "JobSet" => Some("jobset.sigs.k8s.io/jobset-name"),
        _ => None,
    }
}

/// The newest Pod of those whose metrics count.
pub(crate) fn primary<'a>(
    trial: &Trial,
    pods: impl IntoIterator<Item = &'a Pod>,
) -> Option<&'a Pod> {
    let marks = &trial.spec.primary_pod_labels;
    let counts =
        |pod: &&Pod| marks.iter().all(|(name, value)| pod.labels().get(name) == Some(value));
    let age = |it: &&Pod| (it.creation_timestamp(), it.name_any());
    pods.into_iter().filter(counts).max_by_key(age)
}

pub(crate) fn member(pod: &Pod) -> Member {
    Member::of(pod, LABELS)
}

/// The container that has printed what the program did. With `StdOut`, Katib sends all of that to
/// the collector.
pub(crate) fn log_container(trial: &Trial, pod: &Member) -> String {
    match kind(trial.spec.metrics_collector.as_ref()) {
        "StdOut" => metrics_container(trial, pod),
        _ => trial.spec.primary_container_name.clone().unwrap_or_default(),
    }
}

/// The container that has printed the lines in which metrics are: the collector repeats them.
pub(crate) fn metrics_container(trial: &Trial, pod: &Member) -> String {
    match pod.container(COLLECTOR.name) {
        Some(collector) => collector.name.clone(),
        None => trial.spec.primary_container_name.clone().unwrap_or_default(),
    }
}
