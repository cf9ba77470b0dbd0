//! Jobs that run and do not get on, and those that are over and left nothing to read.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

use super::{Case, quoted};
use crate::{
    diagnosis::{
        finding::{Certainty, Code, Finding},
        log_patterns::{NO_GPU, NOT_FINITE},
        snapshot::{PodLog, Rank},
    },
    job::condition,
    logs::Line,
    phase::Phase,
    pods::Member,
    train_job::runtime::is_device,
};

/// A program that has printed before and is silent for longer than this, and for much longer than it
/// ever was, is worth a look.
const SILENT: SignedDuration = SignedDuration::from_mins(15);
const TIMES_LONGER: i32 = 10;
/// Ranks that wait for each other from the start print nothing at all.
const NEVER_SPOKE: SignedDuration = SignedDuration::from_mins(30);

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    match case.standing.phase {
        Phase::Running => while_running(case),
        Phase::Failed => over(case),
        _ => Vec::new(),
    }
}

fn while_running(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rank in case.snapshot.ranks(&case.members) {
        let log = case.snapshot.log_of(&rank.member.pod).filter(|it| !it.previous);
        let Some(log) = log.filter(|_| rank.member.state.phase == "Running") else { continue };
        let lines = log.lines();
        let (group, index) = rank.key();
        let found =
            [stalled(case, rank, log, &lines), no_gpu(rank, log, &lines), not_finite(log, &lines)];
        findings.extend(found.into_iter().flatten().map(|it| it.of_rank(group, index)));
    }
    findings
}

fn stalled(case: &Case<'_>, rank: Rank<'_>, log: &PodLog, lines: &[Line<'_>]) -> Option<Finding> {
    let reported = case.snapshot.job.reported();
    let printed: Vec<Timestamp> = lines.iter().filter_map(|it| it.at).collect();
    let started = rank.member.state.started.as_ref().map(|it| it.0)?;
    let last = printed.last().copied().max(reported);
    let silent = case.snapshot.now.duration_since(last.unwrap_or(started));
    let longest =
        printed.windows(2).map(|it| it[1].duration_since(it[0])).max().unwrap_or_default();
    let patience = match last {
        None if case.snapshot.is_distributed() => NEVER_SPOKE,
        // Whether a program that never prints works cannot be seen.
        None => return None,
        Some(_) => SILENT.max(longest * TIMES_LONGER),
    };
    if silent < patience {
        return None;
    }
    let minutes = silent.as_mins();
    let what = format!(
        "it runs, and has printed nothing for {minutes} minutes; whether its GPUs work cannot be seen from here"
    );
    let finding =
        Finding::new(Code::Stalled, Certainty::Possible, what).since(last.or(Some(started)));
    let spoken = lines.iter().rev().find(|it| !it.text.trim().is_empty());
    Some(match spoken {
        Some(line) => {
            finding.shown_by(format!("{}, last line: {}", log.title(), quoted(line.text)))
        }
        None => finding.shown_by(format!("{} is empty", log.title())),
    })
}

/// It was meant to use a GPU if its runtime or its program says so, and it asks for none.
fn no_gpu(rank: Rank<'_>, log: &PodLog, lines: &[Line<'_>]) -> Option<Finding> {
    let line = lines.iter().find(|it| NO_GPU.is_match(it.text))?;
    let containers = rank.pod.spec.iter().flat_map(|it| &it.containers);
    let limits = containers.filter_map(|it| it.resources.as_ref()?.limits.as_ref());
    let asks = limits.flat_map(|it| it.keys()).any(|it| is_device(it));
    let (certainty, what) = if asks {
        (Certainty::Likely, "it has a GPU and its program does not see it")
    } else {
        (
            Certainty::Possible,
            "its program looks for a GPU, and the job asks for none: it runs on CPUs",
        )
    };
    let finding = Finding::new(Code::GpuNotUsed, certainty, what).since(line.at);
    Some(finding.shown_by(format!("{}: {}", log.title(), quoted(line.text))))
}

/// Only what it says now counts: a loss may recover.
fn not_finite(log: &PodLog, lines: &[Line<'_>]) -> Option<Finding> {
    let losses = lines.iter().filter(|it| it.text.to_ascii_lowercase().contains("loss"));
    let last = losses.rev().find(|it| it.text.contains(['=', ':']))?;
    if !NOT_FINITE.is_match(last.text) {
        return None;
    }
    let first = lines.iter().find(|it| NOT_FINITE.is_match(it.text)).and_then(|it| it.at);
    let finding =
        Finding::new(Code::LossNotFinite, Certainty::Likely, "its loss is not a number any more");
    Some(finding.since(first).shown_by(format!("{}: {}", log.title(), quoted(last.text))))
}

fn over(case: &Case<'_>) -> Vec<Finding> {
    let job = &case.snapshot.job;
    let Some(end) = job.end().filter(|it| it.failed) else { return Vec::new() };
    let later = |it: &&Member| {
        let born = it.created.as_ref().map(|it| it.0);
        end.at.zip(born).is_some_and(|(end, born)| born > end) && it.state.phase != "Failed"
    };
    if let Some((pod, ended)) = case.members.iter().find(later).zip(end.at) {
        let what = "it has failed, and was started again although it is over";
        let shown =
            format!("{} Failed=True since {ended}, and Pod/{} is newer", job.kind(), pod.pod);
        return vec![Finding::certain(Code::StartedAgain, what).since(end.at).shown_by(shown)];
    }
    let unread = case.snapshot.ranks(&case.members).iter().all(|it| it.exit().is_none());
    let failed = case.snapshot.jobs.iter().find_map(|job| {
        let failed = condition(job, "Failed")?;
        let (reason, message) = (failed.reason.as_deref()?, failed.message.as_deref()?);
        Some(format!("Job/{} Failed {reason}: {}", job.name_any(), quoted(message)))
    });
    if !unread {
        return Vec::new();
    }
    let what =
        "it failed as often as it may; its Pods were removed then, and what they printed with them";
    let told = format!("{} Failed {}: {}", job.kind(), end.reason, quoted(&end.message));
    let finding = Finding::certain(Code::RetriesExhausted, what).since(end.at);
    vec![finding.shown_by(failed.unwrap_or(told))]
}
