//! Reads what a diagnosis looks at, in few requests: more is only asked for where it can matter.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Namespace, Pod},
};
use kube::{ResourceExt as _, api::ListParams};
use kubeflow_mcp_core::{Caller, Error};
use serde_json::{Map, Value, json};
use tokio::time::timeout;
use workloads::{
    diagnosis::{self, Next, Printing, Relay},
    events, logs,
    train_job::TrainJob,
    workload::Workload,
};

use super::snapshot::{Snapshot, TrialLog};
use crate::{
    api::{EXPERIMENT_LABEL, Experiment, Trial, kind},
    events::concerns,
    experiments::details::suggestion,
    metrics::printed,
    pods::{self, COLLECTOR},
    states::TrialState,
    trials::Trials,
};

/// As many trials as a diagnosis needs.
const PAGES: usize = 2;
const MOST_PODS: u32 = 500;
/// Nodes that do not answer have nothing to tell.
const LOG_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn gather(caller: &Caller, experiment: Experiment) -> Snapshot {
    let namespace = experiment.namespace();
    let namespace = namespace.as_deref();
    let parts = format!("{EXPERIMENT_LABEL}={}", experiment.name_any());
    let parts = ListParams::default().labels(&parts).limit(MOST_PODS);
    let (all_pods, namespaces) = (caller.api::<Pod>(namespace), caller.cluster_api::<Namespace>());
    let (trials, algorithm, found, told, own) = futures::join!(
        Trials::read(caller, &experiment, PAGES),
        suggestion(caller, &experiment),
        all_pods.list(&parts),
        events::telling(caller, namespace, |it| concerns(&experiment, it)),
        namespaces.get(namespace.unwrap_or_default()),
    );
    let mut unseen = Vec::new();
    let trials = known(&mut unseen, "trials", trials);
    if trials.as_ref().is_some_and(|it| !it.complete) {
        unseen.push("trials: only the first 1000 were looked at".to_owned());
    }
    let told = known(&mut unseen, "events", told).unwrap_or_default();
    if !told.complete && told.looked_at > 0 {
        unseen.push(format!("events: only {} were looked at", told.looked_at));
    }
    let mut snapshot = Snapshot {
        now: Timestamp::now(),
        trials: trials.unwrap_or_default().all,
        suggestion: known(&mut unseen, "suggestions", algorithm).flatten(),
        pods: known(&mut unseen, "pods", found.map_err(Error::from))
            .map(|it| it.items)
            .unwrap_or_default(),
        events: told.events,
        namespace: known(&mut unseen, "namespaces", own.map_err(Error::from)),
        experiment,
        workload: None,
        logs: Vec::new(),
        unseen,
    };
    deepen(caller, &mut snapshot).await;
    snapshot
}

/// One trial of each kind that needs a look: that has not ended, has no metrics, has failed.
async fn deepen(caller: &Caller, snapshot: &mut Snapshot) {
    let active = snapshot.oldest_active().cloned();
    let first = |state| snapshot.of_state(state).first().map(|it| (*it).clone());
    let silent = first(TrialState::MetricsUnavailable);
    let failed = first(TrialState::Failed);
    if let Some(trial) = active.as_ref().filter(|it| TrialState::of(it) == TrialState::Running) {
        snapshot.workload = workload(caller, trial).await;
    }
    for trial in [active, silent, failed].into_iter().flatten() {
        look_at(caller, snapshot, &trial).await;
    }
    snapshot.unseen.dedup();
}

async fn look_at(caller: &Caller, snapshot: &mut Snapshot, trial: &Trial) {
    let name = trial.name_any();
    if snapshot.pods_of(&name).is_empty() {
        match pods::of_trial(caller, trial).await {
            Ok(found) => snapshot.pods.extend(found),
            // It has been said of all Pods.
            Err(_) => return,
        }
    }
    let Some(pod) = pods::primary(trial, snapshot.pods_of(&name)) else { return };
    let member = pods::member(pod);
    let container = pods::metrics_container(trial, &member);
    let started = member.container(&container).is_some_and(|it| !it.waiting);
    if !started {
        return;
    }
    let api = caller.api::<Pod>(trial.namespace().as_deref());
    let read = timeout(LOG_WITHIN, logs::stamped(&api, &member.pod, &container, false)).await;
    match read {
        Ok(Ok(text)) => snapshot.logs.push(TrialLog { trial: name, text }),
        Ok(Err(error)) => {
            let why =
                if error.code() == "forbidden" { FORBIDDEN.to_owned() } else { error.to_string() };
            snapshot.unseen.push(format!("log of {name}: {why}"));
        }
        Err(_) => {
            let late = format!("the node did not answer within {} s", LOG_WITHIN.as_secs());
            snapshot.unseen.push(format!("log of {name}: {late}"));
        }
    }
}

/// Of the kinds that Katib watches by itself.
async fn workload(caller: &Caller, trial: &Trial) -> Option<Value> {
    let (namespace, name) = (trial.namespace(), trial.name_any());
    let kind = trial.spec.run_spec.as_ref()?["kind"].as_str()?;
    let found = match kind {
        "Job" => {
            let job = caller.api::<Job>(namespace.as_deref()).get(&name).await.ok()?;
            serde_json::to_value(job)
        }
        "TrainJob" => {
            let job = caller.api::<TrainJob>(namespace.as_deref()).get(&name).await.ok()?;
            serde_json::to_value(job)
        }
        _ => return None,
    };
    let mut found = found.ok()?;
    found["kind"] = kind.into();
    Some(found)
}

/// What is the matter with a trial's workload and its Pods; nothing where it is of another kind, or gone.
pub(super) async fn of_workload(
    caller: &Caller,
    experiment: &str,
    trial: &Trial,
    given: Option<&str>,
) -> Option<diagnosis::Diagnosis> {
    let (namespace, name) = (trial.namespace(), trial.name_any());
    let namespace = namespace.as_deref();
    let job = match trial.spec.run_spec.as_ref()?["kind"].as_str()? {
        "TrainJob" => Workload::train_job(caller, namespace, &name).await.ok()?,
        "Job" => Workload::job(caller, namespace, &name).await.ok()?,
        _ => return None,
    };
    let relays = kind(trial.spec.metrics_collector.as_ref()) == "StdOut";
    let relay = Relay { container: COLLECTOR.name, line: printed };
    let container = trial.spec.primary_container_name.clone().unwrap_or_default();
    let printing = Printing { container: &container, relay: Some(relay).filter(|_| relays) };
    let snapshot = diagnosis::gather(caller, job, printing).await;
    Some(diagnosis::Diagnosis::of(&snapshot, |next| shown(next, experiment, &name, given)))
}

/// In the words of the tools at hand: what one does with a TrainJob is not what one does with a trial.
fn shown(next: &Next, experiment: &str, trial: &str, namespace: Option<&str>) -> Option<String> {
    let call = |tool: &str, arguments: Value, why: &str| {
        let mut all = Map::from_iter([("name".to_owned(), Value::from(experiment))]);
        all.extend(namespace.map(|it| ("namespace".to_owned(), it.into())));
        all.extend(arguments.as_object().cloned().unwrap_or_default());
        Some(format!("{tool} {}: {why}", Value::Object(all)))
    };
    match next {
        Next::Log { .. } => {
            call("get_optimization_logs", json!({"trial": trial}), "shows the whole log")
        }
        Next::Events => call("get_optimization_events", json!({}), "shows what happened"),
        Next::Advice(text) => Some((*text).to_owned()),
        Next::Resources | Next::Runtimes | Next::Resume | Next::Follow | Next::Delete => None,
    }
}

const FORBIDDEN: &str = "you may not read them";

fn known<T>(unseen: &mut Vec<String>, what: &str, found: Result<T, Error>) -> Option<T> {
    match found {
        Ok(found) => Some(found),
        Err(error) if error.code() == "forbidden" => {
            unseen.push(format!("{what}: {FORBIDDEN}"));
            None
        }
        Err(error) if error.code() == "not_found" => None,
        Err(error) => {
            unseen.push(format!("{what}: {error}"));
            None
        }
    }
}
