//! What the controllers share: a client, the recording of events, and the wait after a failure.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{
    Client, Resource, ResourceExt as _,
    api::{PatchParams, PostParams},
    runtime::controller::Action,
};
use local_kube::events::{Kind, Recorder, Source};

/// The program's name, under which it writes.
const MANAGER: &str = "katib-controller";

/// The first wait after a failure; each one doubles it, as in controllers written in Go.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1000);

/// How many objects a controller works on at once.
pub(super) const AT_ONCE: u16 = 16;

/// Why an object was not reconciled.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{}", words(.0))]
    Kubernetes(#[from] kube::Error),
    /// What is there does not fit what is to be made.
    #[error("{0}")]
    State(String),
}

/// What the API server said, without the client's own words around it.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

pub(super) struct Control {
    pub(super) client: Client,
    recorder: Recorder,
    /// The failures in a row of each object that has failed last, by its uid.
    failures: Mutex<HashMap<String, u32>>,
}

impl Control {
    pub(super) fn new(client: Client, component: &'static str) -> Arc<Self> {
        let source = Source { component, host: None, action: None };
        let recorder = Recorder::new(client.clone(), source);
        Arc::new(Self { client, recorder, failures: Mutex::default() })
    }

    pub(super) fn say<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        kind: Kind,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.recorder.say(&object.object_ref(&()), kind, reason, message);
    }

    /// What comes of one go at an object: the next, or a failure, which is said after `told`.
    pub(super) fn settle<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        outcome: Result<Action, Failure>,
        told: &str,
    ) -> Result<Action, Failure> {
        match &outcome {
            Ok(_) => {
                let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
                failures.remove(&object.meta().uid.clone().unwrap_or_default());
            }
            // Two writes have met, and the second one looks again.
            Err(failure) if failure.is_conflict() => {}
            Err(failure) => {
                self.say(object, Kind::Warning, "ReconcileError", format!("{told}{failure}"));
            }
        }
        outcome
    }

    /// What to do after a failure: the error policy of a `kube` controller.
    pub(super) fn retry<K: Resource<DynamicType = ()>>(
        object: Arc<K>,
        failure: &Failure,
        control: Arc<Self>,
    ) -> Action {
        if failure.is_conflict() {
            return Action::requeue(FIRST_WAIT);
        }
        let mut failures = control.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = failures.entry(object.meta().uid.clone().unwrap_or_default()).or_default();
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(*failed)).min(LONGEST_WAIT);
        *failed += 1;
        Action::requeue(wait)
    }
}

impl Failure {
    fn is_conflict(&self) -> bool {
        matches!(self, Self::Kubernetes(kube::Error::Api(status)) if status.reason == "Conflict")
    }
}

/// The reference to the controller of what it makes, which holds up a deletion in the foreground.
pub(super) fn owned_by<K: Resource<DynamicType = ()>>(owner: &K) -> Option<Vec<OwnerReference>> {
    let reference = owner.controller_owner_ref(&())?;
    Some(vec![OwnerReference { block_owner_deletion: Some(true), ..reference }])
}

/// Whether an object was made for a former owner of the same name.
pub(super) fn belongs_to_another<K: Resource<DynamicType = ()>>(
    object: &impl Resource<DynamicType = ()>,
    owner: &K,
) -> bool {
    let controller = object.meta().owner_references.iter().flatten();
    let mut controller = controller.filter(|it| it.controller == Some(true));
    controller.any(|it| it.kind == K::kind(&()) && Some(&it.uid) != owner.meta().uid.as_ref())
}

/// The finalizers that an object should have: `ours` as long as it is not deleted. Nothing where
/// these are what it has.
pub(super) fn finalizers<K: Resource<DynamicType = ()>>(
    object: &K,
    ours: &str,
) -> Option<Vec<String>> {
    let present = object.finalizers();
    let deleted = object.meta().deletion_timestamp.is_some();
    match (deleted, present.iter().any(|it| it == ours)) {
        (false, false) => Some([present, &[ours.to_owned()]].concat()),
        (true, true) => Some(present.iter().filter(|it| *it != ours).cloned().collect()),
        _ => None,
    }
}

pub(super) fn writing() -> PostParams {
    PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() }
}

pub(super) fn patching() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() }
}

pub(super) fn ignore<T>(result: kube::Result<T>, code: u16) -> kube::Result<()> {
    match result {
        Err(kube::Error::Api(status)) if status.code == code => Ok(()),
        other => other.map(drop),
    }
}
