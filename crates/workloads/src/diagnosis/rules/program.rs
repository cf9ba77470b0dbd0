//! Programs that ended badly: by their exit, their exception, and what they printed last.

use jiff::SignedDuration;
use kubeflow_mcp_core::Sign;

use super::{Case, disruption, quoted};
use crate::{
    diagnosis::{
        finding::{Certainty, Code, Finding},
        log_patterns::{Recognised, recognise},
        snapshot::{Exit, PodLog, Rank},
        traceback::uncaught,
    },
    logs::Line,
    phase::Phase,
};

pub(super) const SIGNS: &[Sign] = &[OOM_KILLED, NOT_STARTED[0], NOT_STARTED[1], NOT_STARTED[2]];

const OOM_KILLED: Sign = Sign::seen("OOMKilled");
/// Container runtimes say it of a command that they cannot start.
const CRI: &str = "github.com/containerd/containerd internal/cri/server/container_start.go";
const NOT_STARTED: [Sign; 3] = [
    Sign::documented("StartError", CRI),
    Sign::documented("ContainerCannotRun", CRI),
    Sign::documented("RunContainerError", CRI),
];
/// What was printed last, and when: earlier words are of something that was overcome.
const LAST_LINES: usize = 40;
const LAST_TIME: SignedDuration = SignedDuration::from_secs(10);
/// The longest back-off twice over.
const OVERCOME_AFTER: SignedDuration = SignedDuration::from_mins(10);

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    if matches!(case.standing.phase, Phase::Succeeded | Phase::Deleting) {
        return Vec::new();
    }
    let ranks = case.snapshot.ranks(&case.members).into_iter();
    // What is being removed, or was ended from outside, has not failed by itself.
    let by_itself = |it: &Rank<'_>| {
        it.pod.metadata.deletion_timestamp.is_none() && !disruption::is_disrupted(it.pod)
    };
    let exits = ranks.filter(by_itself).filter_map(|it| Some((it, it.exit()?)));
    let exits = exits.filter(|(_, exit)| !is_overcome(case, exit));
    exits.map(|(rank, exit)| of_exit(case, rank, &exit)).collect()
}

/// Whether the container has run well for long since.
fn is_overcome(case: &Case<'_>, exit: &Exit) -> bool {
    exit.runs_since.is_some_and(|it| case.snapshot.now.duration_since(it) > OVERCOME_AFTER)
}

fn of_exit(case: &Case<'_>, rank: Rank<'_>, exit: &Exit) -> Finding {
    let log = case.snapshot.log_of(&rank.member.pod).filter(|it| it.container == exit.container);
    let (group, index) = rank.key();
    let state = if exit.restarted { "lastState" } else { "state" };
    let ended = format!(
        "Pod/{} container {:?} {state}.terminated: {} exit {}{}",
        rank.member.pod,
        exit.container,
        exit.reason,
        exit.code,
        Some(quoted(&exit.message))
            .filter(|it| !it.is_empty())
            .map_or(String::new(), |it| format!(": {it}"))
    );
    let mut finding = judged(log, exit).of_rank(group, index);
    finding.at = finding.at.or(exit.at);
    // The status is the harder evidence where it names the cause itself.
    let place = if exit.reason == OOM_KILLED.name { 0 } else { finding.evidence.len() };
    finding.evidence.insert(place, ended);
    let restarts = rank.member.state.restarts;
    if exit.restarted && restarts > 0 {
        finding.what += &format!("; started again {restarts} times");
    }
    finding
}

fn judged(log: Option<&PodLog>, exit: &Exit) -> Finding {
    if exit.reason == OOM_KILLED.name {
        return Finding::certain(
            Code::OutOfMemory,
            "a container needed more memory than its limit",
        );
    }
    if NOT_STARTED.iter().any(|it| it.name == exit.reason) {
        let recognised = recognise([exit.message.as_str()]);
        return match recognised.filter(|it| it.code == Code::CommandNotFound) {
            Some(it) => Finding::certain(it.code, it.what),
            None => Finding::certain(Code::ContainerNotStarted, "its command cannot be started"),
        };
    }
    let lines = log.map(PodLog::lines).unwrap_or_default();
    let title = log.map(PodLog::title).unwrap_or_default();
    by_exception(&lines, exit, &title)
        .or_else(|| by_last_words(&lines, &title))
        .unwrap_or_else(|| by_exit_code(exit, &lines, &title))
}

/// Python ends with 1 when nothing caught an exception, and so does torchrun when a process did.
fn by_exception(lines: &[Line<'_>], exit: &Exit, title: &str) -> Option<Finding> {
    let exception = uncaught(lines).filter(|_| exit.code == 1)?;
    let raised = match exception.message.as_str() {
        "" => exception.kind.clone(),
        message => format!("{}: {message}", exception.kind),
    };
    let recognised = recognise(std::iter::once(raised.as_str()).chain(exception.text.lines()));
    let finding = match recognised {
        Some(Recognised { code, what, .. }) => Finding::certain(code, what),
        None => Finding::certain(
            Code::PythonException,
            format!("the program stopped with {}", exception.kind),
        ),
    };
    let shown = finding.since(exception.at).shown_by(format!("{title}: {}", quoted(&raised)));
    Some(match exception.place {
        Some(place) => shown.shown_by(format!("raised at {}", quoted(&place))),
        None => shown,
    })
}

/// What a program printed just before its end.
fn by_last_words(lines: &[Line<'_>], title: &str) -> Option<Finding> {
    let end = lines.iter().rev().find_map(|it| it.at);
    let last = |it: &&Line<'_>| match (it.at, end) {
        (Some(at), Some(end)) => end.duration_since(at) <= LAST_TIME,
        _ => true,
    };
    let begin = lines.len().saturating_sub(LAST_LINES);
    let words: Vec<Line<'_>> = lines[begin..].iter().filter(last).copied().collect();
    let Recognised { code, what, shown } = recognise(words.iter().map(|it| it.text))?;
    let at = words.iter().find(|it| it.text.trim() == shown).and_then(|it| it.at);
    let finding = Finding::new(code, Certainty::Likely, what).since(at);
    Some(finding.shown_by(format!("{title}: {}", quoted(&shown))))
}

fn by_exit_code(exit: &Exit, lines: &[Line<'_>], title: &str) -> Finding {
    let code = exit.code;
    let finding = match code {
        126 | 127 => Finding::new(
            Code::CommandNotFound,
            Certainty::Likely,
            format!("its command does not exist, or is no program (exit {code})"),
        ),
        135 => Finding::new(
            Code::SharedMemoryFull,
            Certainty::Likely,
            "it ended by a bus error, most often for want of shared memory",
        ),
        132 | 134 | 136 | 139 => {
            let signal = match code {
                132 => "an illegal instruction (SIGILL)",
                134 => "an abort (SIGABRT)",
                136 => "an arithmetic error (SIGFPE)",
                _ => "a segmentation fault (SIGSEGV)",
            };
            Finding::certain(Code::ProgramCrashed, format!("the program crashed with {signal}"))
        }
        137 => Finding::certain(
            Code::ProgramFailed,
            "it was killed (SIGKILL), and Kubernetes does not name memory as the reason",
        ),
        143 => Finding::certain(Code::ProgramFailed, "it was told to stop (SIGTERM)"),
        2 => Finding::new(
            Code::BadArguments,
            Certainty::Possible,
            "it ended with 2, as programs do that refuse their arguments",
        ),
        _ => Finding::certain(Code::ProgramFailed, format!("the program ended with {code}")),
    };
    match lines.iter().rev().find(|it| !it.text.trim().is_empty()) {
        Some(last) => finding.shown_by(format!("{title}, last line: {}", quoted(last.text))),
        None => finding,
    }
}
