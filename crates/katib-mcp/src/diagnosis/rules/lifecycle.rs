//! Experiments that nobody takes up, whose deletion hangs, or that are over and go on.

use jiff::SignedDuration;
use kube::ResourceExt as _;
use kubeflow_mcp_core::Sign;
use workloads::diagnosis::Certainty;

use super::{message, says, shown};
use crate::{
    api::TrialParameter,
    diagnosis::{
        finding::{Code, Finding},
        snapshot::Snapshot,
    },
    states::{ExperimentState, TrialState},
};

/// A controller that is up takes far less.
const RECONCILED_WITHIN: SignedDuration = SignedDuration::from_secs(30);
/// Its trials are deleted first.
const DELETED_WITHIN: SignedDuration = SignedDuration::from_secs(60);

pub(super) const SIGNS: &[Sign] = &[RECONCILE_ERROR, UNREFERENCED, DELETE_LOGS, MODIFIED];

pub(super) const RECONCILE_ERROR: Sign =
    Sign::documented("ReconcileError", "kubeflow/katib pkg/controller.v1beta1/consts/const.go");
const UNREFERENCED: Sign = Sign::documented(
    "unable to find parameter from ParameterAssignment in TrialParameters",
    "kubeflow/katib pkg/controller.v1beta1/experiment/manifest/generator.go",
);
/// What holds a trial until its metrics are out of the database.
const DELETE_LOGS: Sign = Sign::documented(
    "clean-metrics-in-db",
    "kubeflow/katib pkg/controller.v1beta1/trial/trial_controller_util.go",
);

/// Two of Katib's controllers at one object are ordinary, and passing.
pub(super) const MODIFIED: Sign = Sign::documented(
    "the object has been modified",
    "k8s.io/apiserver pkg/registry/generic/registry/store.go",
);

pub(super) fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let state = ExperimentState::of(&snapshot.experiment);
    let found = match state {
        ExperimentState::NotReconciled => not_reconciled(snapshot),
        ExperimentState::Deleting => deletion(snapshot),
        _ if state.is_final() => still_running(snapshot),
        _ => None,
    };
    [found, unreferenced(snapshot), other_error(snapshot)].into_iter().flatten().collect()
}

fn not_reconciled(snapshot: &Snapshot) -> Option<Finding> {
    let born = snapshot.experiment.creation_timestamp().map(|it| it.0);
    let age = snapshot.age(born);
    (age >= RECONCILED_WITHIN).then(|| {
        let seconds = age.as_secs();
        let what = format!(
            "nothing has been done about it for {seconds} s: Katib's controller may be stopped"
        );
        Finding::likely(Code::NotReconciled, what)
            .since(born)
            .shown_by(format!("Experiment/{} has no conditions", snapshot.experiment.name_any()))
    })
}

fn deletion(snapshot: &Snapshot) -> Option<Finding> {
    let at = snapshot.experiment.metadata.deletion_timestamp.as_ref().map(|it| it.0);
    if snapshot.age(at) < DELETED_WITHIN {
        return None;
    }
    let held =
        snapshot.trials.iter().filter(|it| it.finalizers().iter().any(|it| it == DELETE_LOGS.name));
    let held = held.map(kube::ResourceExt::name_any).collect::<Vec<_>>();
    let what = match held.len() {
        0 => {
            "its deletion does not come to an end: a webhook refuses the last step, or Katib's \
                controller is stopped"
        }
        _ => {
            "its deletion waits for trials whose metrics cannot be deleted: Katib's database \
                manager does not answer"
        }
    };
    let finalizers = snapshot.experiment.finalizers().join(", ");
    let finding = Finding::likely(Code::DeletionHangs, what).since(at);
    Some(finding.shown_by(format!("finalizers of the Experiment: {finalizers}")).of_trials(held))
}

fn still_running(snapshot: &Snapshot) -> Option<Finding> {
    let running = snapshot.of_state(TrialState::Running);
    if running.is_empty() {
        return None;
    }
    let what = format!(
        "it is over, and {} of its trials still run: Katib does not stop them",
        running.len()
    );
    let finding = Finding::new(Code::TrialsOutliveIt, Certainty::Possible, what);
    let names: Vec<String> = running.into_iter().map(kube::ResourceExt::name_any).collect();
    Some(finding.shown_by(format!("state running: {}", names[0])).of_trials(names))
}

/// Nothing at admission keeps a parameter from being forgotten.
fn unreferenced(snapshot: &Snapshot) -> Option<Finding> {
    let spec = &snapshot.experiment.spec;
    let told =
        snapshot.events_that(|it| says(message(it), &[UNREFERENCED])).last().map(|it| shown(it));
    let references: Vec<&str> = (spec.trial_template.iter())
        .flat_map(|it| &it.trial_parameters)
        .map(|it: &TrialParameter| it.reference.as_str())
        .collect();
    let forgotten: Vec<&str> = (spec.parameters.iter().map(|it| it.name.as_str()))
        .filter(|it| !references.contains(it))
        .collect();
    if forgotten.is_empty() && told.is_none() || !snapshot.trials.is_empty() {
        return None;
    }
    let what = match forgotten.is_empty() {
        true => "a searched parameter is used by no trial parameter, so that no trial can be made"
            .to_owned(),
        false => format!(
            "{} is searched and used by no trial parameter, so that no trial can be made",
            forgotten.join(", ")
        ),
    };
    let seen = format!("references of trialParameters: {}", references.join(", "));
    let finding = Finding::certain(Code::ParameterNotReferenced, what).shown_by(seen);
    Some(told.into_iter().fold(finding, Finding::shown_by))
}

/// What Katib itself reports, and no other rule knows.
fn other_error(snapshot: &Snapshot) -> Option<Finding> {
    let kinds = ["Experiment", "Suggestion"];
    let errors = snapshot.events_that(|it| {
        let kind = it.involved_object.kind.as_deref().unwrap_or_default();
        it.reason.as_deref() == Some(RECONCILE_ERROR.name) && kinds.contains(&kind)
    });
    let error = errors.last()?;
    if says(message(error), &[MODIFIED]) || ExperimentState::of(&snapshot.experiment).is_final() {
        return None;
    }
    let what = "Katib's controller reports an error";
    let finding = Finding::new(Code::ControllerError, Certainty::Possible, what);
    Some(finding.since(workloads::events::when(error)).shown_by(shown(error)))
}
