//! Trials whose workloads are refused, have no Pods, or fail.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt as _;
use kubeflow_mcp_core::Sign;
use workloads::{diagnosis::Certainty, events::when, pods::PodState};

use super::{
    lifecycle::{MODIFIED, RECONCILE_ERROR},
    message, quoted, says, shown, trials_have,
};
use crate::{
    diagnosis::{
        finding::{Code, Finding},
        snapshot::Snapshot,
    },
    events::of_trial,
    states::TrialState,
};

/// Pods that are on their way are there by then.
const STARTS_WITHIN: SignedDuration = SignedDuration::from_mins(1);
/// Images are pulled and packages installed before that.
const PREPARED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

pub(super) const SIGNS: &[Sign] =
    &[PRIMARY_CONTAINER[0], PRIMARY_CONTAINER[1], IMAGE[0], IMAGE[1], WEBHOOK];

const PODS: &str = "kubeflow/katib pkg/webhook/v1beta1/pod/utils.go";
/// Two places look for it.
const PRIMARY_CONTAINER: [Sign; 2] = [
    Sign::documented("unable to find primary container", PODS),
    Sign::documented("Unable to find primary container", PODS),
];
/// What a container without a command runs has to be asked of its registry.
const IMAGE: [Sign; 2] = [
    Sign::documented("Failed to get container image", PODS),
    Sign::documented("Failed to parse image", PODS),
];
const WEBHOOK: Sign =
    Sign::documented("failed calling webhook", "k8s.io/apiserver pkg/admission/plugin/webhook");

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let refused = refused(snapshot);
    let failing = failing(snapshot);
    let waiting = if refused.is_some() { None } else { not_starting(snapshot) };
    [refused, failing, waiting].into_iter().flatten().collect()
}

/// Whether it is about a trial that has not ended, or about what is made for one.
fn of_an_active_trial(snapshot: &Snapshot, event: &Event) -> bool {
    let name = event.involved_object.name.as_deref().unwrap_or_default();
    let trial = of_trial(&snapshot.experiment.name_any(), name);
    let trial = trial.and_then(|it| snapshot.trial(it));
    trial.is_some_and(|it| !TrialState::of(it).is_final())
}

/// Something that has to exist for a trial may not.
fn refused(snapshot: &Snapshot) -> Option<Finding> {
    let active = |it: &Event| of_an_active_trial(snapshot, it);
    let events = snapshot.events_that(|it| {
        let reason = it.reason.as_deref().unwrap_or_default();
        let telling = [RECONCILE_ERROR.name, "FailedCreate"].contains(&reason);
        telling && active(it) && !says(message(it), &[MODIFIED])
    });
    let known = |signs: &[Sign]| events.iter().rev().find(|it| says(message(it), signs)).copied();
    let finding = |code, what: String, event: &Event| {
        let name = event.involved_object.name.as_deref().unwrap_or_default();
        let trial = of_trial(&snapshot.experiment.name_any(), name).map(str::to_owned);
        Finding::certain(code, what).since(when(event)).shown_by(shown(event)).of_trials(trial)
    };
    if let Some(event) = known(&[WEBHOOK]) {
        let what = "Katib's webhook, or another one that must agree, does not answer".to_owned();
        return Some(finding(Code::WebhookUnavailable, what, event));
    }
    if let Some(event) = known(&PRIMARY_CONTAINER) {
        let template = snapshot.experiment.spec.trial_template.as_ref();
        let name = template.and_then(|it| it.primary_container_name.as_deref()).unwrap_or_default();
        let what = format!(
            "a Pod of the trials has no container {name:?}, which the job names as the primary \
                one"
        );
        return Some(finding(Code::PrimaryContainerMissing, what, event));
    }
    if let Some(event) = known(&IMAGE) {
        let what = "the trial's container has no command, and Katib could not ask the registry \
            what its image runs";
        return Some(finding(Code::CommandUnknown, what.to_owned(), event));
    }
    let pending = |it: &&&Event| {
        it.involved_object.kind.as_deref() == Some("Trial")
            && it.reason.as_deref() == Some(RECONCILE_ERROR.name)
            && (it.involved_object.name.as_deref())
                .and_then(|it| snapshot.trial(it))
                .is_some_and(|it| TrialState::of(it) == TrialState::Pending)
    };
    let event = events.iter().rev().find(pending)?;
    let what = format!("Kubernetes refuses to make a trial's workload: {}", quoted(message(event)));
    Some(finding(Code::WorkloadRefused, what, event))
}

fn failing(snapshot: &Snapshot) -> Option<Finding> {
    let failed = snapshot.of_state(TrialState::Failed);
    let first = failed.first()?;
    let ended = snapshot.trials.iter().filter(|it| TrialState::of(it).is_final()).count();
    // That some choices of parameters fail is part of a search.
    let certainty = if failed.len() * 2 > ended { Certainty::Certain } else { Certainty::Possible };
    let said = first.status.iter().flat_map(|it| &it.conditions).rfind(|it| it.type_ == "Failed");
    let message = said.and_then(|it| it.message.as_deref()).unwrap_or_default();
    let at = said.and_then(|it| it.last_transition_time.as_ref()).map(|it| it.0);
    let what = format!("{} of {ended} trials that have ended failed", failed.len());
    Some(
        Finding::new(Code::TrialsFail, certainty, what)
            .since(at)
            .shown_by(format!("Trial/{}: {}", first.name_any(), quoted(message)))
            .of_trials(failed.iter().map(|it| it.name_any())),
    )
}

/// Katib calls a trial running as soon as its workload exists.
fn not_starting(snapshot: &Snapshot) -> Option<Finding> {
    let waits = |trial: &&&crate::api::Trial| {
        let started = trial.status.as_ref().and_then(|it| it.start_time.as_ref()).map(|it| it.0);
        let pods = snapshot.pods_of(&trial.name_any());
        let states: Vec<PodState> = pods.iter().map(|it| PodState::of(it)).collect();
        let mut well = states.iter().filter(|it| it.trouble.is_none()).map(|it| it.phase.as_str());
        let prepares = well.clone().any(|it| it == "Pending");
        let works = well.any(|it| it != "Pending");
        let patience = if prepares { PREPARED_WITHIN } else { STARTS_WITHIN };
        snapshot.age(started) >= patience && !works
    };
    let running = snapshot.of_state(TrialState::Running);
    let waiting: Vec<_> = running.iter().filter(waits).collect();
    let first = waiting.first()?;
    let name = first.name_any();
    let pods = snapshot.pods_of(&name);
    if pods.is_empty() && snapshot.unseen.iter().any(|it| it.starts_with("pods")) {
        return None;
    }
    let seen = match pods.first() {
        None => format!("Trial/{name} is running, and has no Pods"),
        Some(pod) => {
            let state = PodState::of(pod);
            let reason = state.reason.as_deref().unwrap_or_default();
            let message = quoted(state.message.as_deref().unwrap_or_default());
            format!("Pod/{} is {}: {reason} {message}", pod.name_any(), state.phase)
        }
    };
    let what = format!("{} no Pod that runs", trials_have(waiting.len()));
    let at = first.status.as_ref().and_then(|it| it.start_time.as_ref()).map(|it| it.0);
    Some(
        Finding::likely(Code::TrialsNotStarting, what)
            .since(at)
            .shown_by(seen.trim_end())
            .of_trials(waiting.iter().map(|it| it.name_any())),
    )
}
