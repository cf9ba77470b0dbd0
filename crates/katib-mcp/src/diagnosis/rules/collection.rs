//! Metrics that were printed and did not arrive: the collector beside a trial, and Katib's database.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt as _;
use kubeflow_mcp_core::Sign;
use serde_json::Value;
use workloads::diagnosis::Certainty;

use super::{message, quoted, says, shown};
use crate::{
    api::{INJECTION_LABEL, Trial, kind},
    diagnosis::{
        finding::{Code, Finding},
        snapshot::Snapshot,
    },
    pods::COLLECTOR,
    states::{ExperimentState, TrialState},
};

/// Metrics are in the database within seconds.
const COLLECTED_WITHIN: SignedDuration = SignedDuration::from_secs(90);

pub(super) const SIGNS: &[Sign] =
    &[COLLECTOR, TOO_LATE, DATABASE[0], DATABASE[1], DATABASE[2], SEVERAL_PROCESSES];

const MAIN: &str = "kubeflow/katib cmd/metricscollector/v1beta1/file-metricscollector/main.go";
const TOO_LATE: Sign = Sign::documented(
    "unable to find main pid from the process list",
    "kubeflow/katib pkg/metricscollector/v1beta1/common/pns.go",
);
const DATABASE: [Sign; 3] = [
    Sign::documented("Could not connect to DB manager service", MAIN),
    Sign::documented("Failed to Report logs", MAIN),
    // What the controller says of it, which asks the database, too.
    Sign::documented("code = Unavailable", "google.golang.org/grpc codes/codes.go"),
];
const SEVERAL_PROCESSES: Sign =
    Sign::documented("Multiple children processes are not supported", MAIN);

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let database = database(snapshot);
    let said = [said(snapshot, TOO_LATE), said(snapshot, SEVERAL_PROCESSES)].into_iter().flatten();
    let mut findings: Vec<Finding> = database.into_iter().chain(said).collect();
    findings.extend(label(snapshot));
    findings.extend(snapshot.oldest_active().and_then(|it| overdue(snapshot, it)));
    findings
}

/// Without the label, Katib's webhook does not see the namespace's Pods.
fn label(snapshot: &Snapshot) -> Option<Finding> {
    let namespace = snapshot.namespace.as_ref()?;
    let labelled = namespace.labels().get(INJECTION_LABEL).is_some_and(|it| it == "enabled");
    if labelled || ExperimentState::of(&snapshot.experiment).is_final() {
        return None;
    }
    let name = namespace.name_any();
    let what = format!(
        "namespace {name:?} lacks the label {INJECTION_LABEL}=enabled, so that no metrics are \
            collected in it"
    );
    let labels: Vec<&str> = namespace.labels().keys().map(String::as_str).collect();
    let seen = format!("labels of Namespace/{name}: {}", labels.join(", "));
    Some(Finding::certain(Code::NamespaceNotLabelled, what).shown_by(seen))
}

/// What a collector has said last, for which there is a rule.
fn said(snapshot: &Snapshot, sign: Sign) -> Option<Finding> {
    let (log, line) = snapshot
        .logs
        .iter()
        .find_map(|log| Some((log, log.lines().find(|it| it.contains(sign.name))?)))?;
    let (code, what) = if sign == TOO_LATE {
        (
            Code::CollectorTooLate,
            "a trial's program had ended before the container beside it could follow what it \
                prints",
        )
    } else {
        (
            Code::EarlyStoppingFails,
            "a trial was to be stopped early, and its program has several processes, of which \
                Katib ends none",
        )
    };
    let seen = format!("log of {}: {}", log.trial, quoted(line));
    // A program that failed at once is a cause of its own; here only its output is lost.
    let failed = snapshot.trial(&log.trial).and_then(|it| exit_code(snapshot, it));
    let certainty = match failed {
        Some(code) if code != 0 => Certainty::Possible,
        _ => Certainty::Certain,
    };
    Some(Finding::new(code, certainty, what).shown_by(seen).of_trials([log.trial.clone()]))
}

fn database(snapshot: &Snapshot) -> Option<Finding> {
    let what =
        "Katib's database manager does not answer, so that metrics are neither kept nor found";
    let in_log = snapshot.logs.iter().find_map(|log| {
        let line = log.lines().find(|it| says(it, &DATABASE))?;
        Some(format!("log of {}: {}", log.trial, quoted(line)))
    });
    let in_events = || {
        let events = snapshot.events_that(|it| says(message(it), &DATABASE[2..]));
        events.last().map(|it| shown(it))
    };
    let seen = in_log.or_else(in_events)?;
    Some(Finding::certain(Code::DatabaseUnavailable, what).shown_by(seen))
}

/// A trial whose program has ended, of which Katib does not know yet.
fn overdue(snapshot: &Snapshot, trial: &Trial) -> Option<Finding> {
    if TrialState::of(trial) != TrialState::Running {
        return None;
    }
    let name = trial.name_any();
    let pods = snapshot.pods_of(&name);
    let pod = crate::pods::primary(trial, pods)?;
    let primary = trial.spec.primary_container_name.as_deref().unwrap_or_default();
    let ended = status(pod, primary).and_then(|it| it.state.as_ref()?.terminated.clone());
    let collects = matches!(kind(trial.spec.metrics_collector.as_ref()), "StdOut" | "File");
    if collects && status(pod, COLLECTOR.name).is_none() && !has(pod, COLLECTOR.name) {
        let what = "the trials' Pods lack the container that collects metrics: the namespace's \
            label, or Katib's webhook, was not there when they were made";
        let seen = format!("Pod/{} has no container {:?}", pod.name_any(), COLLECTOR.name);
        return Some(
            Finding::certain(Code::CollectorMissing, what).shown_by(seen).of_trials([name]),
        );
    }
    let at = ended?.finished_at.map(|it| it.0);
    let overdue = snapshot.age(at) >= COLLECTED_WITHIN;
    let collector = status(pod, COLLECTOR.name).and_then(|it| it.state.as_ref());
    let hangs = collector.is_some_and(|it| it.running.is_some());
    let minutes = snapshot.age(at).as_mins();
    if overdue && hangs {
        let what = format!(
            "a trial's program ended {minutes} min ago, and the container that collects its \
                metrics still runs"
        );
        let seen = format!("Pod/{}: {primary} has ended, {} runs", pod.name_any(), COLLECTOR.name);
        let finding = Finding::likely(Code::CollectorHangs, what).since(at).shown_by(seen);
        return Some(finding.of_trials([name]));
    }
    let (over, condition) = over(snapshot.workload.as_ref()?)?;
    if snapshot.age(Some(over)) < COLLECTED_WITHIN {
        return None;
    }
    let what = "a trial's workload has ended, and Katib still calls the trial running: it does \
        not watch the workload's kind, or its controller is stopped";
    let seen = format!("{condition}, and Trial/{name} is running");
    let finding = Finding::likely(Code::WorkloadNotWatched, what).since(Some(over)).shown_by(seen);
    Some(finding.of_trials([name]))
}

/// Of the program of a trial, once it has ended.
fn exit_code(snapshot: &Snapshot, trial: &Trial) -> Option<i32> {
    let pod = crate::pods::primary(trial, snapshot.pods_of(&trial.name_any()))?;
    let primary = trial.spec.primary_container_name.as_deref().unwrap_or_default();
    Some(status(pod, primary)?.state.as_ref()?.terminated.as_ref()?.exit_code)
}

/// When a workload of any kind came to its end, and the condition that says so.
fn over(workload: &Value) -> Option<(Timestamp, String)> {
    let conditions = workload["status"]["conditions"].as_array()?;
    let ends = ["Complete", "Succeeded", "Failed"];
    let end = conditions
        .iter()
        .find(|it| it["status"] == "True" && ends.iter().any(|end| it["type"] == *end))?;
    let at = end["lastTransitionTime"].as_str()?.parse().ok()?;
    let kind = workload["kind"].as_str().unwrap_or("workload");
    Some((at, format!("{kind} {}=True", end["type"].as_str().unwrap_or_default())))
}

fn status<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|it| it.name == container)
}

fn has(pod: &Pod, container: &str) -> bool {
    pod.spec.iter().flat_map(|it| &it.containers).any(|it| it.name == container)
}
