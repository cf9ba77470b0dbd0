//! From findings to causes: each once, the first first, without those that only follow from another.

use super::{
    finding::{Certainty, Finding},
    rules::{Case, RULES},
    snapshot::Snapshot,
};
use crate::phase::Phase;

/// What keeps the job from succeeding, the first cause first; nothing where nothing is wrong.
pub fn judge(snapshot: &Snapshot) -> Vec<Finding> {
    let case = Case::of(snapshot);
    if case.standing.phase == Phase::Succeeded || case.standing.remote {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&case)).collect();
    findings.sort_by_key(|it| (it.at.is_none(), it.at, it.certainty));
    without_consequences(once_each(findings))
}

/// Findings of one kind are one cause, of several ranks; the first stands for them.
fn once_each(findings: Vec<Finding>) -> Vec<Finding> {
    let mut causes: Vec<Finding> = Vec::new();
    for finding in findings {
        match causes.iter_mut().find(|it| it.code == finding.code) {
            Some(known) => {
                let new = finding.ranks.into_iter().filter(|it| !known.ranks.contains(it));
                let new: Vec<_> = new.collect();
                known.ranks.extend(new);
                known.certainty = known.certainty.min(finding.certainty);
            }
            None => causes.push(finding),
        }
    }
    causes
}

/// Once one rank has failed, the others lose their connections to it, and are stopped; a failed program
/// of which nothing more is known says nothing beside a cause that is known.
fn without_consequences(causes: Vec<Finding>) -> Vec<Finding> {
    let first =
        |it: &Finding| !it.code.may_follow_from_another() && it.certainty < Certainty::Possible;
    let begun = causes.iter().find(|it| first(it)).map(|it| it.at);
    let stays = |it: &Finding| match begun {
        Some(at) if it.code.may_follow_from_another() => {
            it.at < at && it.at.is_some() && it.code.is_specific()
        }
        _ => true,
    };
    causes.into_iter().filter(stays).collect()
}
