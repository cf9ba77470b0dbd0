//! Why a training job does not run or has failed: gathered once, then judged as plain data.

mod finding;
mod gathering;
mod judgement;
mod log_patterns;
mod remedies;
mod rules;
mod snapshot;
mod traceback;

use kube::ResourceExt as _;
use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Sign, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::{
    events::EVENTS,
    logs::POD_LOGS,
    pods::{PODS, ranks},
    train_job::{
        TRAIN_JOBS, TrainJob,
        phase::Phase,
        runtime::{CLUSTER_RUNTIMES, RUNTIMES},
        steps,
    },
};

use crate::{
    capacity::{NODES, QUOTAS},
    logs::JOBS,
};

pub use self::{
    finding::{Certainty, Code, Finding, Next},
    judgement::judge,
    snapshot::{PodLog, Presence, Snapshot},
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<DiagnoseTrainingJob>()];

/// What causes are told by, beside what phases and Pods are.
pub(crate) fn signs() -> Vec<Sign> {
    rules::signs()
}

/// Finds out why a training job waits, fails or hangs: causes with evidence and next steps. Call it
/// first when a job is not as it should be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct DiagnoseTrainingJob {
    /// The job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
}

/// Why a job is not as it should be.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Diagnosis {
    pub name: String,
    pub phase: Phase,
    /// In one sentence.
    pub summary: String,
    /// The first one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// How many more causes were found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_causes: Option<usize>,
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
    /// The steps that it concerns, if not the job as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<String>,
    /// What shows it: fields, events, lines of a log.
    pub evidence: Vec<String>,
    /// What to do: calls of these tools with their arguments, and what a person does.
    pub next: Vec<String>,
}

/// Of several causes, the later ones seldom matter before the first are mended.
const MOST_CAUSES: usize = 3;
const MOST_NEXT: usize = 3;

impl Tool for DiagnoseTrainingJob {
    type Output = Diagnosis;
    const NAME: &str = "diagnose_training_job";
    const TITLE: &str = "Find out why a training job fails";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[
        Need::to(&["get"], TRAIN_JOBS),
        Need::perhaps(&["list"], PODS),
        Need::perhaps(&["list"], EVENTS),
        Need::perhaps(&["get"], POD_LOGS),
        Need::perhaps(&["get"], gathering::JOB_SETS),
        Need::perhaps(&["list"], JOBS),
        Need::perhaps(&["list"], gathering::CLAIMS),
        Need::perhaps(&["list"], QUOTAS),
        Need::perhaps(&["list"], NODES),
        Need::perhaps(&["list"], RUNTIMES),
        Need::perhaps(&["list"], CLUSTER_RUNTIMES),
        Need::perhaps(&["list"], gathering::WORKLOADS),
        Need::perhaps(&["get"], gathering::QUEUES),
    ];

    async fn call(self, caller: &Caller) -> Result<Diagnosis> {
        let job = TrainJob::find(caller, self.namespace.as_deref(), &self.name).await?;
        let snapshot = gathering::gather(caller, job).await;
        Ok(Diagnosis::of(&snapshot, self.namespace.as_deref()))
    }
}

impl Diagnosis {
    /// `namespace` is what calls must be given, if anything.
    pub fn of(snapshot: &Snapshot, namespace: Option<&str>) -> Self {
        let findings = judge(snapshot);
        let standing = snapshot.standing();
        let more = findings.len().checked_sub(MOST_CAUSES).filter(|it| *it > 0);
        let causes = findings.iter().take(MOST_CAUSES);
        Self {
            name: snapshot.job.name_any(),
            phase: standing.phase,
            summary: summary(standing.phase, &findings, &snapshot.unseen),
            causes: causes.map(|it| Cause::of(it, snapshot, namespace)).collect(),
            more_causes: more,
            unseen: snapshot.unseen.clone(),
        }
    }
}

impl Cause {
    fn of(finding: &Finding, snapshot: &Snapshot, namespace: Option<&str>) -> Self {
        let name = snapshot.job.name_any();
        let next = remedies::of(finding, snapshot);
        Self {
            code: finding.code,
            certainty: finding.certainty,
            since: finding.at.map(|it| it.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            what: finding.what.clone(),
            steps: concerned(finding, snapshot),
            evidence: finding.evidence.clone(),
            next: next.iter().take(MOST_NEXT).map(|it| it.shown(&name, namespace)).collect(),
        }
    }
}

/// `node-1`, or how many of which.
fn concerned(finding: &Finding, snapshot: &Snapshot) -> Option<String> {
    let (group, index) = finding.ranks.first()?;
    let first = steps::name(&snapshot.job, group, *index);
    if finding.ranks.len() == 1 {
        return Some(first);
    }
    let of_group = finding.ranks.iter().filter(|it| it.0 == *group).map(|it| it.1);
    Some(format!("first {first}; ranks of {group:?}: {}", ranks(of_group)))
}

fn summary(phase: Phase, findings: &[Finding], unseen: &[String]) -> String {
    let as_far = if unseen.is_empty() { "" } else { ", as far as could be seen" };
    match findings {
        [] => match phase {
            Phase::Succeeded => format!("nothing is wrong: it has succeeded{as_far}"),
            Phase::Failed => "it has failed, and nothing that is left says why".to_owned(),
            Phase::Running => format!("nothing is wrong: it runs{as_far}"),
            Phase::Deleting => "it is being deleted".to_owned(),
            _ => format!("nothing is wrong: it is on its way{as_far}"),
        },
        [only] => only.what.clone(),
        [first, rest @ ..] => format!("{} ({} more found)", first.what, rest.len()),
    }
}

#[cfg(all(test, feature = "local"))]
mod tests;
