//! Why an optimization job gets no further, or has no good results: gathered once, then judged as plain
//! data.

mod finding;
mod gathering;
mod remedies;
mod rules;
mod snapshot;

use kube::ResourceExt as _;
use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Resource, Result, Sign, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::{
    diagnosis::{self, Certainty},
    job::JOBS,
    train_job::TRAIN_JOBS,
};

pub use self::{
    finding::{Code, Finding},
    snapshot::{Snapshot, TrialLog},
};
use crate::{
    api::{EXPERIMENTS, SUGGESTIONS, TRIALS},
    experiments::find,
    states::ExperimentState,
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<DiagnoseOptimizationJob>()];

pub(crate) const NAMESPACES: Resource = Resource::cluster("", "namespaces");

/// What causes are told by.
pub(crate) fn signs() -> Vec<Sign> {
    rules::signs()
}

/// Finds out why an optimization job hangs, fails or has no results.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DiagnoseOptimizationJob {
    /// The job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
}

/// Why an optimization job is not as it should be.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Diagnosis {
    pub name: String,
    /// Of the job.
    pub state: ExperimentState,
    /// In one sentence.
    pub summary: String,
    /// The first one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// How many more causes were found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_causes: Option<usize>,
    /// What is the matter with the workload of one of its trials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_a_trial: Option<diagnosis::Diagnosis>,
    /// What could not be read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Cause {
    /// Stable, for programs.
    pub code: Code,
    /// How sure it is.
    pub certainty: Certainty,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// What it is.
    pub what: String,
    /// Some of the trials that it concerns, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<String>,
    /// What shows it: fields, events, lines of a log.
    pub evidence: Vec<String>,
    /// What to do: calls of these tools with their arguments, and what a person does.
    pub next: Vec<String>,
}

/// Of several causes, the later ones seldom matter before the first are mended.
const MOST_CAUSES: usize = 3;
const MOST_NEXT: usize = 3;
const MOST_TRIALS: usize = 3;

impl Tool for DiagnoseOptimizationJob {
    type Output = Diagnosis;
    const NAME: &str = "diagnose_optimization_job";
    const TITLE: &str = "Find out why an optimization job fails";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &Need::joined::<18>(
        &[
            Need::to(&["get"], EXPERIMENTS),
            Need::perhaps(&["list"], TRIALS),
            Need::perhaps(&["list"], SUGGESTIONS),
            Need::perhaps(&["get"], NAMESPACES),
            Need::perhaps(&["get"], TRAIN_JOBS),
            Need::perhaps(&["get"], JOBS),
        ],
        &diagnosis::NEEDS,
    );

    async fn call(self, caller: &Caller) -> Result<Diagnosis> {
        let experiment = find(caller, self.namespace.as_deref(), &self.name).await?;
        let snapshot = gathering::gather(caller, experiment).await;
        let mut diagnosis = Diagnosis::of(&snapshot, self.namespace.as_deref());
        let of_a_workload = judge(&snapshot).into_iter().find(|it| it.code.is_of_a_workload());
        if let Some(trial) = of_a_workload.and_then(|it| it.trials.into_iter().next())
            && let Some(trial) = snapshot.trial(&trial)
        {
            diagnosis.of_a_trial =
                gathering::of_workload(caller, &self.name, trial, self.namespace.as_deref()).await;
        }
        Ok(diagnosis)
    }
}

/// What keeps the job from good results, the first cause first; nothing where nothing is wrong.
pub fn judge(snapshot: &Snapshot) -> Vec<Finding> {
    let mut findings: Vec<Finding> = rules::RULES.iter().flat_map(|rule| rule(snapshot)).collect();
    let telling =
        |it: &Finding| !it.code.may_follow_from_another() && it.certainty < Certainty::Possible;
    let known = findings.iter().any(telling);
    findings.retain(|it| !known || !it.code.may_follow_from_another());
    // The rules are in the order in which causes are looked for.
    findings.sort_by_key(|it| it.certainty);
    findings
}

impl Diagnosis {
    /// `namespace` is what calls must be given, if anything.
    pub fn of(snapshot: &Snapshot, namespace: Option<&str>) -> Self {
        let findings = judge(snapshot);
        let state = ExperimentState::of(&snapshot.experiment);
        let more = findings.len().checked_sub(MOST_CAUSES).filter(|it| *it > 0);
        let causes = findings.iter().take(MOST_CAUSES);
        Self {
            name: snapshot.experiment.name_any(),
            state,
            summary: summary(state, &findings, &snapshot.unseen),
            causes: causes.map(|it| Cause::of(it, snapshot, namespace)).collect(),
            more_causes: more,
            of_a_trial: None,
            unseen: snapshot.unseen.clone(),
        }
    }
}

impl Cause {
    fn of(finding: &Finding, snapshot: &Snapshot, namespace: Option<&str>) -> Self {
        let next = remedies::of(finding, snapshot, namespace);
        Self {
            code: finding.code,
            certainty: finding.certainty,
            since: finding.at.map(|it| it.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            what: finding.what.clone(),
            trials: finding.trials.iter().take(MOST_TRIALS).cloned().collect(),
            evidence: finding.evidence.clone(),
            next: next.into_iter().take(MOST_NEXT).collect(),
        }
    }
}

fn summary(state: ExperimentState, findings: &[Finding], unseen: &[String]) -> String {
    let as_far = if unseen.is_empty() { "" } else { ", as far as could be seen" };
    match findings {
        [] => match state {
            ExperimentState::Succeeded => format!("nothing is wrong: it has succeeded{as_far}"),
            ExperimentState::Failed => {
                "it has failed, and nothing that is left says why".to_owned()
            }
            ExperimentState::Running => format!("nothing is wrong: it runs{as_far}"),
            ExperimentState::Deleting => "it is being deleted".to_owned(),
            _ => format!("nothing is wrong: it is on its way{as_far}"),
        },
        [only] => only.what.clone(),
        [first, rest @ ..] => format!("{} ({} more found)", first.what, rest.len()),
    }
}

#[cfg(all(test, feature = "local"))]
mod tests;
