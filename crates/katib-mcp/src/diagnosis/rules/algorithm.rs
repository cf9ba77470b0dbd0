//! Algorithms that refuse a search, do not start, crash, or do not answer.

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use kubeflow_mcp_core::Sign;
use workloads::pods::{PodState, Trouble};

use super::quoted;
use crate::{
    api::{Suggestion, condition},
    diagnosis::{
        finding::{Code, Finding},
        snapshot::Snapshot,
    },
    states::{ExperimentState, SuggestionState},
};

/// An algorithm that is up answers within seconds.
const ANSWERS_WITHIN: SignedDuration = SignedDuration::from_mins(1);
/// Images are pulled and packages installed before that.
const STARTS_WITHIN: SignedDuration = SignedDuration::from_mins(10);

pub(super) const SIGNS: &[Sign] = &[OUT_OF_MEMORY];

/// As for every container; here it is concluded that the algorithm's limit is too low.
const OUT_OF_MEMORY: Sign = Sign::seen("OOMKilled");

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(suggestion) = &snapshot.suggestion else { return Vec::new() };
    if let Some(refusal) = refusal(suggestion) {
        return vec![refusal];
    }
    if ExperimentState::of(&snapshot.experiment).is_final() {
        return Vec::new();
    }
    [crash(snapshot), silence(snapshot, suggestion)].into_iter().flatten().collect()
}

/// The experiment itself only says that the algorithm has failed.
fn refusal(suggestion: &Suggestion) -> Option<Finding> {
    let failed = condition(&suggestion.status.as_ref()?.conditions, "Failed")?;
    let message = quoted(failed.message.as_deref().unwrap_or_default());
    let algorithm = suggestion.spec.algorithm.as_ref().map_or("", |it| &it.algorithm_name);
    let what = format!(
        "the algorithm {algorithm:?} refuses its settings or the space: \
        {message}"
    );
    let at = failed.last_transition_time.as_ref().map(|it| it.0);
    let seen = format!("Suggestion/{} Failed: {message}", suggestion.name_any());
    Some(Finding::certain(Code::AlgorithmRefuses, what).since(at).shown_by(seen))
}

fn crash(snapshot: &Snapshot) -> Option<Finding> {
    snapshot.pods_of_the_algorithm().find_map(|pod| {
        let state = PodState::of(pod);
        let statuses = pod.status.iter().flat_map(|it| it.container_statuses.iter().flatten());
        let ends = statuses.flat_map(|it| [&it.state, &it.last_state]).flatten();
        let mut ends = ends.filter_map(|it| it.terminated.as_ref());
        let killed = ends.find(|it| it.reason.as_deref() == Some(OUT_OF_MEMORY.name));
        let name = pod.name_any();
        if let Some(killed) = killed {
            let what = "the algorithm needs more memory than its Pod may have: trials so far \
                cost it some each";
            let restarts = state.restarts;
            let finding = Finding::certain(Code::AlgorithmOutOfMemory, what)
                .since(killed.finished_at.as_ref().map(|it| it.0));
            return Some(finding.shown_by(format!("Pod/{name}: OOMKilled, {restarts} restarts")));
        }
        let lasting = [
            Trouble::CrashLooping,
            Trouble::ImagePullFailed,
            Trouble::CannotStart,
            Trouble::Failed,
        ];
        state.trouble.filter(|it| lasting.contains(it))?;
        let reason = state.reason.as_deref().unwrap_or("it has been restarted");
        let message = quoted(state.message.as_deref().unwrap_or_default());
        let what = format!("the algorithm's Pod does not run: {reason}");
        let seen = format!("Pod/{name} is {}: {reason} {message}", state.phase);
        Some(Finding::certain(Code::AlgorithmCrashes, what).shown_by(seen.trim_end()))
    })
}

/// It was asked for more than it has answered.
fn silence(snapshot: &Snapshot, suggestion: &Suggestion) -> Option<Finding> {
    let status = suggestion.status.clone().unwrap_or_default();
    if suggestion.spec.requests <= status.suggestion_count {
        return None;
    }
    let changed = status.conditions.iter().filter_map(|it| it.last_transition_time.as_ref());
    let ended =
        (snapshot.trials.iter()).filter_map(|it| it.status.as_ref()?.completion_time.as_ref());
    let last = changed.chain(ended).map(|it| it.0).max();
    let born = suggestion.creation_timestamp().map(|it| it.0);
    let last: Option<Timestamp> = last.max(born);
    let starts = snapshot
        .pods_of_the_algorithm()
        .any(|it| PodState::of(it).phase == "Pending" && PodState::of(it).trouble.is_none());
    let patience = if starts { STARTS_WITHIN } else { ANSWERS_WITHIN };
    let silent = snapshot.age(last);
    if silent < patience {
        return None;
    }
    let missing = suggestion.spec.requests - status.suggestion_count;
    let what = format!(
        "the algorithm has not answered for {} s: {missing} choices of parameters are missing",
        silent.as_secs()
    );
    let ready = SuggestionState::of(suggestion);
    let seen = format!(
        "Suggestion/{}: {} asked for, {} made; {ready:?}",
        suggestion.name_any(),
        suggestion.spec.requests,
        status.suggestion_count
    );
    Some(Finding::likely(Code::AlgorithmNotReady, what).since(last).shown_by(seen))
}
