//! How a controller reports what happens, and how long it waits after a failure.

use std::{
    collections::HashMap,
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, EventSeries},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{Patch, PatchParams, PostParams},
    runtime::controller::Action,
};
use serde_json::json;

use crate::local::assembly::AssemblyError;

/// The first wait after a failure; each one doubles it, as in controllers written in Go.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1000);

/// How many objects a controller works on at once: enough to keep it busy, when a cluster starts
/// with thousands.
pub(super) const AT_ONCE: u16 = 16;

/// Why an object was not reconciled.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("{}", words(.0))]
    Kubernetes(#[from] kube::Error),
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Severity {
    Normal,
    Warning,
}

pub(super) struct Reporting {
    client: Client,
    controller: &'static str,
    /// The failures in a row of each object that has failed last.
    failures: Mutex<HashMap<String, u32>>,
    /// The events written so far, by what they say, with how often it was said.
    reported: Mutex<HashMap<Report, (String, i32)>>,
}

/// The object's uid, the reason and the message.
type Report = (String, String, String);

/// After so many different events their counts begin anew.
const REMEMBERED: usize = 1024;

impl Reporting {
    pub(super) fn new(client: Client, controller: &'static str) -> Self {
        Self { client, controller, failures: Mutex::default(), reported: Mutex::default() }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Records an event, or that it happened again. A failure to do so must not stop the work.
    pub(super) async fn publish<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        severity: Severity,
        reason: &str,
        message: String,
    ) {
        let report = (key(object), reason.to_owned(), message);
        if let Err(error) = self.write(object, severity, report).await {
            tracing::warn!(%error, reason, "an event was not recorded");
        }
    }

    /// Writes an event in the form of `events.k8s.io`: with a time and a series, in place of a
    /// first and a last time.
    async fn write<K: Resource<DynamicType = ()>>(
        &self,
        object: &K,
        severity: Severity,
        report: Report,
    ) -> kube::Result<()> {
        let namespace = object.namespace().unwrap_or_else(|| "default".into());
        let events: Api<Event> = Api::namespaced(self.client.clone(), &namespace);
        let now = MicroTime(Timestamp::now());
        let known = lock(&self.reported).get(&report).cloned();
        let (name, count) = known.unwrap_or_else(|| {
            let name = format!("{}.{:x}", object.name_any(), now.0.as_nanosecond());
            (name, 0)
        });
        let count = count + 1;
        if count > 1 {
            let series = EventSeries { count: Some(count), last_observed_time: Some(now.clone()) };
            let again = Patch::Merge(json!({"series": series}));
            match events.patch(&name, &PatchParams::default(), &again).await {
                // Events expire. Then it is told as if for the first time.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                other => {
                    self.remember(report, name, count);
                    return other.map(|_| ());
                }
            }
        }
        let event = Event {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(namespace),
                ..Default::default()
            },
            involved_object: object.object_ref(&()),
            type_: Some(format!("{severity:?}")),
            reason: Some(report.1.clone()),
            message: Some(report.2.clone()),
            action: Some("Reconciling".into()),
            event_time: Some(now),
            reporting_component: Some(self.controller.into()),
            reporting_instance: Some(self.controller.into()),
            ..Default::default()
        };
        events.create(&PostParams::default(), &event).await?;
        self.remember(report, name, 1);
        Ok(())
    }

    fn remember(&self, report: Report, name: String, count: i32) {
        let mut reported = lock(&self.reported);
        if reported.len() >= REMEMBERED {
            reported.clear();
        }
        reported.insert(report, (name, count));
    }

    pub(super) fn succeeded<K: Resource<DynamicType = ()>>(&self, object: &K) {
        lock(&self.failures).remove(&key(object));
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
        let mut failures = lock(&reporting.failures);
        let failed = failures.entry(key(&*object)).or_default();
        let wait = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(*failed)).min(LONGEST_WAIT);
        *failed += 1;
        Action::requeue(wait)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key<K: Resource<DynamicType = ()>>(object: &K) -> String {
    object.uid().unwrap_or_default()
}
