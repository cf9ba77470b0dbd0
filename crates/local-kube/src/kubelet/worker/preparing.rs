//! What comes before a Pod's first start: its environment, its volumes, and whether its images can run at all.

use jiff::Timestamp;
use tokio_util::task::AbortOnDropHandle;

use super::{
    super::{
        container::{Container, State},
        prepare::{self, Prepared, Unready},
    },
    Worker,
};
use crate::events::Kind;

impl Worker {
    pub(super) async fn begin_preparing(&mut self) {
        let packages = prepare::packages(&self.pod);
        if let Ok(None) = self.kubelet.environments.existing(&packages).await {
            let message =
                format!("creating a virtual environment with {}", prepare::listed(&packages));
            self.say(None, Kind::Normal, "CreatingEnvironment", message.clone());
            self.hold("ContainerCreating", &message);
        }
        self.prepare();
    }

    fn prepare(&mut self) {
        let (kubelet, pod) = (self.kubelet.clone(), self.pod.clone());
        let preparing = tokio::spawn(async move { prepare::prepare(&kubelet, &pod).await });
        self.preparing = Some(AbortOnDropHandle::new(preparing));
    }

    /// Tokens expire, and ConfigMaps change: what runs sees it in its volumes.
    pub(super) fn refresh(&mut self, now: Timestamp) -> Option<Timestamp> {
        let at = self.refresh_at.filter(|_| self.has_volumes() && self.preparing.is_none())?;
        if at > now {
            return Some(at);
        }
        self.prepare();
        None
    }

    fn has_volumes(&self) -> bool {
        let volumes = self.pod.spec.as_ref().and_then(|spec| spec.volumes.as_ref());
        volumes.is_some_and(|volumes| !volumes.is_empty())
    }

    pub(super) fn prepared(&mut self, result: Result<Prepared, Unready>) {
        self.preparing = None;
        self.refresh_at = Timestamp::now().checked_add(self.kubelet.options.refresh).ok();
        match result {
            Ok(prepared) => {
                self.prepared = Some(prepared);
                self.failures = 0;
                for container in &mut self.containers {
                    if let State::Waiting { message, .. } = &mut container.state {
                        *message = None;
                    }
                }
            }
            Err(unready) if self.prepared.is_some() => {
                self.say(None, Kind::Warning, unready.event, unready.message);
            }
            Err(unready) => {
                self.failures += 1;
                self.say(None, Kind::Warning, unready.event, unready.message.clone());
                if let Some(reason) = unready.reason {
                    self.hold(reason, &unready.message);
                }
                let options = &self.kubelet.options;
                // What is missing may be created any moment; an index will not change so soon.
                let first = match unready.event {
                    "FailedMount" => options.first_backoff / 20,
                    _ => options.first_backoff,
                };
                let wait = first.saturating_mul(1 << (self.failures - 1).min(16));
                let wait = wait.min(options.longest_backoff);
                self.retry_at = Timestamp::now().checked_add(wait).ok();
            }
        }
    }

    /// Says on all containers that wait what they wait for.
    fn hold(&mut self, reason: &'static str, message: &str) {
        for container in &mut self.containers {
            if matches!(container.state, State::Waiting { .. }) && container.last.is_none() {
                container.waits(reason, message.to_owned());
            }
        }
    }

    fn known_image(&self, container: &Container) -> bool {
        let image = container.spec.image.as_deref().unwrap_or_default();
        self.kubelet.options.host_images.iter().any(|known| known == image)
    }

    /// Whether nothing of the Pod can run here, which is then said of the containers that would be first.
    pub(super) fn refuse_all_images(&mut self) -> bool {
        if self.containers.iter().any(|container| self.known_image(container)) {
            return false;
        }
        let inits = self.containers.iter().filter(|container| container.init).count();
        let first = if inits > 0 { 0..1 } else { 0..self.containers.len() };
        for number in first {
            self.refuse_image(number);
        }
        true
    }

    /// Whether the container's image is none that this machine can stand for.
    pub(super) fn refuse_image(&mut self, number: usize) -> bool {
        const REASON: &str = "ErrImageNeverPull";
        let container = &self.containers[number];
        if self.known_image(container) {
            return false;
        }
        if !matches!(container.state, State::Waiting { reason: REASON, .. }) {
            let message = format!(
                "this node runs Pods as processes and cannot run the container image {:?}; it can run {}",
                container.spec.image.as_deref().unwrap_or_default(),
                self.kubelet.options.host_images.join(", "),
            );
            self.say(Some(number), Kind::Warning, REASON, message.clone());
            self.say(Some(number), Kind::Warning, "Failed", format!("Error: {REASON}"));
            self.containers[number].waits(REASON, message);
        }
        true
    }
}
