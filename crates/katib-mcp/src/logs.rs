//! What the program of a trial has printed, or the algorithm that chooses parameters.

use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt as _, api::ListParams};
use kubeflow_mcp_core::{Caller, Effect, Error, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::{
    logs::{self, Log, POD_LOGS, Query},
    pods::{Member, PODS},
};

use crate::{
    api::{EXPERIMENTS, Experiment, SUGGESTION_LABEL, TRIALS, Trial},
    experiments::find,
    metrics::without_prefix,
    pods::{self, COLLECTOR},
    states::TrialState,
    trials::{Trials, named},
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<GetOptimizationLogs>()];

/// Shows the log of a trial, or of the algorithm.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetOptimizationLogs {
    /// The job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
    /// best, failed, suggestion or a name.
    trial: Option<String>,
    /// Lines.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 1000))]
    tail: u32,
    /// Regex or text.
    search: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TrialLog {
    /// The trial, or `suggestion` for the algorithm.
    of: String,
    /// Of the trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<TrialState>,
    /// The Pod that the log is of; there may be none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<String>,
    #[serde(flatten)]
    log: Log,
}

/// As many pages as it takes to find the best.
const REQUESTS: usize = 20;
/// What Katib calls the container of an algorithm.
const SUGGESTION: &str = "suggestion";

fn hundred() -> u32 {
    100
}

impl Tool for GetOptimizationLogs {
    type Output = TrialLog;
    const NAME: &str = "get_optimization_logs";
    const TITLE: &str = "Show the log of a trial";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[
        Need::to(&["get"], EXPERIMENTS),
        Need::to(&["get", "list"], TRIALS),
        Need::to(&["list"], PODS),
        Need::to(&["get"], POD_LOGS),
    ];

    async fn call(self, caller: &Caller) -> Result<TrialLog> {
        let query = Query {
            tail: self.tail,
            since_seconds: None,
            search: self.search.as_deref().filter(|it| !it.is_empty()).map(logs::pattern),
            previous: None,
        };
        let experiment = find(caller, self.namespace.as_deref(), &self.name).await?;
        match self.trial.as_deref() {
            Some(SUGGESTION) => of_the_algorithm(caller, &experiment, &query).await,
            wanted => {
                let trial = chosen(caller, &experiment, wanted).await?;
                of_trial(caller, &trial, &query).await
            }
        }
    }
}

/// The trial that is meant: what failed before what is best, while nothing is good.
async fn chosen(caller: &Caller, experiment: &Experiment, wanted: Option<&str>) -> Result<Trial> {
    if let Some(name) = wanted.filter(|it| !matches!(*it, "best" | "failed")) {
        return named(caller, experiment, name).await;
    }
    let trials = Trials::read(caller, experiment, REQUESTS).await?;
    let best = || trials.ranked(experiment).first().map(|it| it.trial);
    let newest = |states: &[TrialState]| {
        let of_state = trials.all.iter().filter(|it| states.contains(&TrialState::of(it)));
        of_state.max_by_key(|it| (it.creation_timestamp(), it.name_any()))
    };
    let failed = || newest(&[TrialState::Failed, TrialState::MetricsUnavailable]);
    let active = || newest(&[TrialState::Running, TrialState::Pending]);
    let found = match wanted {
        Some("failed") => failed(),
        Some(_) => best(),
        None => best().or_else(failed).or_else(active),
    };
    found.cloned().ok_or_else(|| {
        let what = match wanted {
            Some("failed") => "none of its trials has failed",
            Some(_) => "none of its trials has a number yet",
            None => "it has no trials yet",
        };
        Error::conflict(what, "get_optimization_job shows how its trials stand")
    })
}

async fn of_trial(caller: &Caller, trial: &Trial, query: &Query) -> Result<TrialLog> {
    let state = TrialState::of(trial);
    let mut found =
        TrialLog { of: trial.name_any(), state: Some(state), pod: None, log: Log::default() };
    let all = pods::of_trial(caller, trial).await?;
    let Some(pod) = pods::primary(trial, &all) else {
        found.log.notes = gone(trial, state, all.len());
        return Ok(found);
    };
    let member = pods::member(pod);
    let usual = pods::log_container(trial, &member);
    found.read(caller, pod, &member, &usual, query).await?;
    Ok(found)
}

async fn of_the_algorithm(
    caller: &Caller,
    experiment: &Experiment,
    query: &Query,
) -> Result<TrialLog> {
    let label = format!("{SUGGESTION_LABEL}={}", experiment.name_any());
    let api = caller.api::<Pod>(experiment.namespace().as_deref());
    let all = api.list(&ListParams::default().labels(&label)).await?.items;
    let mut found =
        TrialLog { of: SUGGESTION.to_owned(), state: None, pod: None, log: Log::default() };
    match all.iter().max_by_key(|it| (it.creation_timestamp(), it.name_any())) {
        Some(pod) => {
            found.read(caller, pod, &pods::member(pod), SUGGESTION, query).await?;
        }
        None => found.log.notes.push(
            "the algorithm has no Pod: it is made at the start, and removed at the end unless \
             the job can be resumed at once"
                .to_owned(),
        ),
    }
    Ok(found)
}

impl TrialLog {
    async fn read(
        &mut self,
        caller: &Caller,
        pod: &Pod,
        member: &Member,
        usual: &str,
        query: &Query,
    ) -> Result<()> {
        let container = logs::container(member, usual)?;
        let api = caller.api::<Pod>(pod.namespace().as_deref());
        self.log = logs::read(&api, &member.pod, container, query).await?;
        if container.name == COLLECTOR.name {
            let lines: Vec<&str> = self.log.text.lines().map(without_prefix).collect();
            self.log.text = lines.join("\n");
        }
        let silent = self.log.lines == 0 && self.log.matches.is_none();
        if let Some(reason) = member.state.reason.as_ref().filter(|_| silent) {
            let message = member.state.message.as_deref().unwrap_or_default();
            let why = format!("the Pod is {}: {reason} {message}", member.state.phase);
            self.log.notes.push(why.trim_end().to_owned());
        }
        self.pod = Some(member.pod.clone());
        Ok(())
    }
}

/// Why a trial has no Pod.
fn gone(trial: &Trial, state: TrialState, others: usize) -> Vec<String> {
    let why = match state {
        _ if others > 0 => "none of its Pods has the labels that say which one counts",
        TrialState::Pending => "its workload does not exist yet",
        TrialState::Running => "its workload has no Pod yet",
        _ if trial.spec.retain_run != Some(true) => {
            "its Pod is gone: without retain, Katib deletes a trial's workload at its end"
        }
        _ => "its Pod is gone, and its log with it",
    };
    let last = trial.status.as_ref().and_then(|it| it.conditions.last());
    let told = last.and_then(|it| it.message.clone()).filter(|it| !it.is_empty());
    let told =
        told.map(|it| format!("the trial says: {}", it.chars().take(300).collect::<String>()));
    std::iter::once(why.to_owned()).chain(told).collect()
}

#[cfg(all(test, feature = "local"))]
mod tests;
