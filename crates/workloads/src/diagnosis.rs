//! Why a workload does not run or has failed: gathered once, then judged as plain data.

pub mod evidence;
mod finding;
mod gathering;
mod judgement;
mod log_patterns;
mod needs;
mod printing;
mod remedies;
mod rules;
mod snapshot;
mod traceback;

use kubeflow_mcp_core::Sign;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{phase::Phase, pods::ranks};

pub use self::{
    finding::{Certainty, Code, Finding, Next},
    gathering::gather,
    judgement::judge,
    needs::{NEEDS, NODES, QUOTAS},
    printing::{Printing, Relay},
    snapshot::{PodLog, Presence, Snapshot},
};

/// More than a large cluster has; in one request.
pub const MOST_NODES: u32 = 5_000;

/// What causes are told by, beside what phases and Pods are.
pub fn signs() -> Vec<Sign> {
    rules::signs()
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

impl Diagnosis {
    /// `shown` tells a step in the words of the tools at hand, if they have any for it.
    pub fn of(snapshot: &Snapshot, shown: impl Fn(&Next) -> Option<String>) -> Self {
        let findings = judge(snapshot);
        let standing = snapshot.standing();
        let more = findings.len().checked_sub(MOST_CAUSES).filter(|it| *it > 0);
        let causes = findings.iter().take(MOST_CAUSES);
        Self {
            name: snapshot.job.name().to_owned(),
            phase: standing.phase,
            summary: summary(standing.phase, &findings, &snapshot.unseen),
            causes: causes.map(|it| Cause::of(it, snapshot, &shown)).collect(),
            more_causes: more,
            unseen: snapshot.unseen.clone(),
        }
    }
}

impl Cause {
    fn of(finding: &Finding, snapshot: &Snapshot, shown: impl Fn(&Next) -> Option<String>) -> Self {
        let next = remedies::of(finding, snapshot);
        Self {
            code: finding.code,
            certainty: finding.certainty,
            since: finding.at.map(|it| it.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            what: finding.what.clone(),
            steps: concerned(finding, snapshot),
            evidence: finding.evidence.clone(),
            next: next.iter().filter_map(shown).take(MOST_NEXT).collect(),
        }
    }
}

/// `node-1`, or how many of which.
fn concerned(finding: &Finding, snapshot: &Snapshot) -> Option<String> {
    let (group, index) = finding.ranks.first()?;
    let first = snapshot.job.step(group, *index)?;
    if finding.ranks.len() == 1 {
        return Some(first);
    }
    let of_group = finding.ranks.iter().filter(|it| it.0 == *group).map(|it| it.1);
    let part = if group.is_empty() { String::new() } else { format!(" of {group:?}") };
    Some(format!("first {first}; ranks{part}: {}", ranks(of_group)))
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
