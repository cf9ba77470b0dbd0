//! One Pod's life on this machine: level-triggered, from what the API server wants and what the processes do.

mod preparing;
mod starting;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ObjectReference, Pod, PodStatus};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, Preconditions},
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Kubelet, adoption,
    container::{Container, State},
    folder,
    launch::{self, Notice, Which},
    prepare::{Prepared, Unready},
    run::Run,
    status::{self, Known, Verdict, restart_policy, terminal},
};
use crate::events::Kind;

const DEADLINE: Verdict = Verdict {
    reason: "DeadlineExceeded",
    message: "Pod was active on the node longer than the specified deadline",
};

/// Seconds that processes get at least before they are killed.
const LEAST_GRACE: i64 = 2;

/// Until the Pod is gone from the API server and its processes from this machine.
pub(super) async fn run(kubelet: Arc<Kubelet>, mut pods: watch::Receiver<Option<Arc<Pod>>>) {
    let Some(pod) = pods.borrow_and_update().clone() else {
        return;
    };
    let (notice, mut notices) = mpsc::unbounded_channel();
    let mut worker = Worker::new(kubelet, pod, notice);
    loop {
        let wake = worker.sync().await;
        let preparing = async {
            match &mut worker.preparing {
                Some(preparing) => preparing.await,
                None => std::future::pending().await,
            }
        };
        let due = async {
            match wake {
                Some(at) => {
                    let left = at.duration_since(Timestamp::now());
                    tokio::time::sleep(left.try_into().unwrap_or_default()).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = pods.changed() => {
                let pod = pods.borrow_and_update().clone();
                match pod.filter(|_| changed.is_ok()) {
                    Some(pod) => worker.pod = pod,
                    None => break,
                }
            }
            Some(which) = notices.recv() => worker.notice(which),
            prepared = preparing => worker.prepared(prepared.unwrap_or_else(|error| Err(error.into()))),
            () = due => {}
        }
    }
    adoption::clear(&worker.kubelet.options.dir, worker.uid()).await;
}

struct Worker {
    kubelet: Arc<Kubelet>,
    pod: Arc<Pod>,
    containers: Vec<Container>,
    started: Timestamp,
    preparing: Option<AbortOnDropHandle<Result<Prepared, Unready>>>,
    prepared: Option<Prepared>,
    /// Preparations that have failed, and when the next one is due.
    failures: u32,
    retry_at: Option<Timestamp>,
    /// When the volumes are due to be brought up to date.
    refresh_at: Option<Timestamp>,
    verdict: Option<Verdict>,
    written: Option<PodStatus>,
    notice: Notice,
}

impl Worker {
    fn new(kubelet: Arc<Kubelet>, pod: Arc<Pod>, notice: Notice) -> Self {
        let status = pod.status.as_ref();
        let started = status.and_then(|status| status.start_time.as_ref()).map(|time| time.0);
        let dir = &kubelet.options.dir;
        let containers = adoption::containers(dir, &pod, kubelet.options.backoff());
        let worker = Self {
            containers,
            started: started.unwrap_or_else(Timestamp::now),
            preparing: None,
            prepared: None,
            failures: 0,
            retry_at: None,
            refresh_at: None,
            verdict: None,
            written: None,
            notice,
            kubelet,
            pod,
        };
        for (number, container) in worker.containers.iter().enumerate() {
            if let State::Running { attempt, .. } = container.state {
                let which = Which { container: number, attempt };
                launch::adopt(worker.run_of(container, attempt), which, worker.notice.clone());
            }
        }
        worker
    }

    /// Does what is due now; returns when to look again if nothing happens.
    async fn sync(&mut self) -> Option<Timestamp> {
        let now = Timestamp::now();
        let deleted = self.pod.metadata.deletion_timestamp.is_some();
        if terminal(self.pod.status.as_ref()) && !self.containers.iter().any(Container::runs) {
            return if deleted { self.delete().await } else { None };
        }
        let mut wake = None;
        if let Some(deadline) = self.deadline() {
            if now >= deadline {
                if self.verdict.is_none() {
                    let message = DEADLINE.message;
                    self.say(None, Kind::Normal, DEADLINE.reason, message);
                }
                self.verdict = Some(DEADLINE);
            } else {
                wake = Some(deadline);
            }
        }
        if deleted || self.verdict.is_some() {
            self.preparing = None;
            self.stop_all();
        } else if self.has_crashed() && !self.write_status().await {
            // An end is told before the next start.
            return soon();
        } else if !self.refuse_all_images() {
            wake = earlier(wake, self.advance(now).await);
        }
        let written = self.write_status().await;
        if written && deleted && !self.containers.iter().any(Container::runs) {
            return self.delete().await;
        }
        if written { wake } else { soon() }
    }

    fn deadline(&self) -> Option<Timestamp> {
        let seconds = self.pod.spec.as_ref()?.active_deadline_seconds?;
        self.started.checked_add(SignedDuration::from_secs(seconds)).ok()
    }

    /// Whether a container has ended that will be started again.
    fn has_crashed(&self) -> bool {
        let policy = restart_policy(&self.pod);
        let crashed =
            |it: &Container| matches!(it.state, State::Terminated { .. }) && !it.over(policy);
        self.containers.iter().any(crashed)
    }

    fn stop_all(&mut self) {
        let pod = &self.pod;
        let spec = pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
        let grace = pod.metadata.deletion_grace_period_seconds.or(spec).unwrap_or(30);
        let grace = grace.max(LEAST_GRACE);
        for number in 0..self.containers.len() {
            let container = &self.containers[number];
            let State::Running { attempt, stopping, .. } = container.state else {
                continue;
            };
            let asked = self.run_of(container, attempt).request_stop(grace.unsigned_abs());
            if let Err(error) = asked {
                tracing::warn!(%error, "a container could not be asked to stop");
            }
            if !stopping {
                let message = format!("Stopping container {}", container.name());
                self.say(Some(number), Kind::Normal, "Killing", message);
            }
            if let State::Running { stopping, .. } = &mut self.containers[number].state {
                *stopping = true;
            }
        }
    }

    /// Tells the API server that nothing of the Pod is left here.
    async fn delete(&self) -> Option<Timestamp> {
        let uid = self.uid().to_owned();
        let now = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions { uid: Some(uid), resource_version: None }),
            ..DeleteParams::default()
        };
        match self.api().delete(self.name(), &now).await {
            Ok(_) => None,
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => None,
            Err(error) => {
                tracing::warn!(%error, pod = self.name(), "a Pod could not be deleted");
                soon()
            }
        }
    }

    /// Whether the API server has the status, or no longer the Pod.
    async fn write_status(&mut self) -> bool {
        // What a container becomes is known in a moment, and told then.
        if self.containers.iter().any(Container::starts) {
            return true;
        }
        let mut pod = Pod::clone(&self.pod);
        if let Some(written) = &self.written {
            status::keep_own_conditions(&mut pod, written);
        }
        let ending = pod.metadata.deletion_timestamp.is_some() || self.verdict.is_some();
        let known = Known {
            pod: &pod,
            containers: &self.containers,
            started: self.started,
            prepared: self.prepared.is_some(),
            over: ending && !self.containers.iter().any(Container::runs),
            verdict: self.verdict.as_ref(),
        };
        let status = status::status(&known, Timestamp::now());
        if self.written.as_ref() == Some(&status) {
            return true;
        }
        // Conditions are merged by their types, so that nobody else's is lost.
        let mut patch = json!({ "metadata": { "uid": self.uid() }, "status": status });
        for condition in patch["status"]["conditions"].as_array_mut().into_iter().flatten() {
            for gone in ["reason", "message"] {
                if condition.get(gone).is_none() {
                    condition[gone] = Value::Null;
                }
            }
        }
        let params = PatchParams::default();
        match self.api().patch_status(self.name(), &params, &Patch::Strategic(patch)).await {
            Ok(_) => self.written = Some(status),
            // It has gone, perhaps with another of its name in its place.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => {}
            Err(error) => {
                tracing::warn!(%error, pod = self.name(), "a Pod's status could not be written");
                return false;
            }
        }
        true
    }

    fn run_of(&self, container: &Container, attempt: u32) -> Run {
        let dir = &self.kubelet.options.dir;
        Run::at(folder::run(dir, self.uid(), container.name(), attempt))
    }

    fn say(
        &self,
        container: Option<usize>,
        kind: Kind,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        let container = container.map(|number| &self.containers[number]);
        let about = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Pod".into()),
            name: self.pod.metadata.name.clone(),
            namespace: self.pod.metadata.namespace.clone(),
            uid: self.pod.metadata.uid.clone(),
            resource_version: self.pod.metadata.resource_version.clone(),
            field_path: container.map(|container| {
                let list = if container.init { "initContainers" } else { "containers" };
                format!("spec.{list}{{{}}}", container.name())
            }),
        };
        self.kubelet.recorder.say(&about, kind, reason, message);
    }

    fn api(&self) -> Api<Pod> {
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or_default();
        Api::namespaced(self.kubelet.client.clone(), namespace)
    }

    fn name(&self) -> &str {
        self.pod.metadata.name.as_deref().unwrap_or_default()
    }

    fn uid(&self) -> &str {
        self.pod.metadata.uid.as_deref().unwrap_or_default()
    }

    fn pod_named(&self) -> String {
        let namespace = self.pod.metadata.namespace.as_deref().unwrap_or_default();
        format!("{}_{namespace}({})", self.name(), self.uid())
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// When to try again what may work the next time.
fn soon() -> Option<Timestamp> {
    Timestamp::now().checked_add(SignedDuration::from_secs(1)).ok()
}
