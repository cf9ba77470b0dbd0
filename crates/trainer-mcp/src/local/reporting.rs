//! How a controller reports what happens, and how long it waits after a failure.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kube::{
    Client, Resource, ResourceExt as _,
    runtime::{
        controller::Action,
        events::{Event, EventType, Recorder, Reporter},
    },
};

use crate::local::assembly::AssemblyError;

/// The first wait after a failure; each one doubles it, as in controllers written in Go.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1000);

/// Why an object was not reconciled.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{}", words(.0))]
    Kubernetes(#[from] kube::Error),
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    #[error("{0}")]
    Runtime(String),
}

/// What the API server said, without the client's own words around it.
fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

pub(super) struct Reporting {
    client: Client,
    recorder: Recorder,
    /// The failures in a row of each object that has failed last.
    failures: Mutex<HashMap<String, u32>>,
}

impl Reporting {
    pub(super) fn new(client: Client, controller: &str) -> Self {
        let reporter =
            Reporter { controller: controller.to_owned(), instance: Some(controller.to_owned()) };
        let recorder = Recorder::new(client.clone(), reporter);
        Self { client, recorder, failures: Mutex::default() }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Records an event. A failure to do so must not stop the work.
    pub(super) async fn publish<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        type_: EventType,
        reason: &str,
        message: String,
    ) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(message),
            action: "Reconciling".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, &object.object_ref(&())).await {
            tracing::warn!(%error, reason, "an event was not recorded");
        }
    }

    pub(super) fn succeeded<K: Resource<DynamicType = ()>>(&self, object: &K) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.remove(&key(object));
    }

    /// What to do after a failure: the error policy of a `kube` controller.
    pub(super) fn retry<K: Resource<DynamicType = ()>>(
        object: Arc<K>,
        error: &Failure,
        reporting: Arc<Self>,
    ) -> Action {
        if matches!(error, Failure::Kubernetes(kube::Error::Api(status)) if status.code == 409) {
            return Action::requeue(FIRST_WAIT);
        }
        let mut failures = reporting.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = failures.entry(key(&*object)).or_default();
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(*failed)).min(LONGEST_WAIT);
        *failed += 1;
        Action::requeue(wait)
    }
}

fn key<K: Resource<DynamicType = ()>>(object: &K) -> String {
    object.uid().unwrap_or_default()
}
