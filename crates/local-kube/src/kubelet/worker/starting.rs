//! Starting a Pod's containers, again when they have failed, and what their supervisors tell.

use std::io;

use jiff::Timestamp;

use super::{
    super::{
        adoption,
        container::{Next, State},
        launch::{self, Which},
        prepare,
        run::{Observed, Order, Run},
        status::restart_policy,
    },
    Worker, earlier,
};
use crate::events::Kind;

impl Worker {
    pub(super) async fn advance(&mut self, now: Timestamp) -> Option<Timestamp> {
        if self.prepared.is_none() {
            if let Some(at) = self.retry_at.filter(|at| *at > now) {
                return Some(at);
            }
            if self.preparing.is_none() {
                self.begin_preparing().await;
            }
            return None;
        }
        let policy = restart_policy(&self.pod).to_owned();
        let mut wake = self.refresh(now);
        for number in 0..self.containers.len() {
            let container = &self.containers[number];
            if container.init && container.succeeded() {
                continue;
            }
            wake = earlier(wake, self.advance_container(number, &policy, now).await);
            if self.containers[number].init {
                break;
            }
        }
        wake
    }

    async fn advance_container(
        &mut self,
        number: usize,
        policy: &str,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if self.refuse_image(number) {
            return None;
        }
        let container = &mut self.containers[number];
        let next = container.next(policy, self.kubelet.options.backoff(), now);
        if next == Next::Nothing {
            return None;
        }
        if let State::Terminated { attempt, ended } = &container.state {
            container.last = Some((*attempt, ended.clone()));
            let rest = go_seconds(container.rest(self.kubelet.options.backoff()).as_secs());
            let (name, pod) = (container.name().to_owned(), self.pod_named());
            let container = &mut self.containers[number];
            container.waits(
                "CrashLoopBackOff",
                format!("back-off {rest} restarting failed container={name} pod={pod}"),
            );
            if matches!(next, Next::Wait(_)) {
                let message = format!("Back-off restarting failed container {name} in pod {pod}");
                self.say(Some(number), Kind::Warning, "BackOff", message);
            }
        }
        match next {
            Next::Wait(at) => Some(at),
            Next::Start(attempt) => self.start(number, attempt).await,
            Next::Nothing => None,
        }
    }

    async fn start(&mut self, number: usize, attempt: u32) -> Option<Timestamp> {
        let prepared = self.prepared.as_ref()?;
        let spec = self.containers[number].spec.clone();
        let run = self.run_of(&self.containers[number], attempt);
        let image = spec.image.as_deref().unwrap_or_default();
        let present = format!(
            "Container image {image:?} already present on machine and can be accessed by the pod"
        );
        self.say(Some(number), Kind::Normal, "Pulled", present);
        let order = prepare::order(&self.kubelet, &self.pod, &spec, prepared, &run).await;
        let result = match order {
            Ok(order) => self.launch(number, attempt, &order).await,
            Err(why) => Err(why),
        };
        match result {
            Ok(()) => None,
            Err((reason, message)) => {
                self.say(Some(number), Kind::Warning, "Failed", format!("Error: {message}"));
                let container = &mut self.containers[number];
                container.refused(reason, message);
                container.retry_at
            }
        }
    }

    async fn launch(
        &mut self,
        number: usize,
        attempt: u32,
        order: &Order,
    ) -> Result<(), (&'static str, String)> {
        let container = &self.containers[number];
        let failed = |error: io::Error| ("RunContainerError", error.to_string());
        let run = self.run_of(container, attempt);
        std::fs::create_dir_all(run.path().parent().unwrap_or(run.path())).map_err(failed)?;
        match Run::decide(run.path().to_owned()) {
            Ok(_) => {
                self.say(Some(number), Kind::Normal, "Created", "Container created");
            }
            // Decided by an earlier kubelet: started only if no supervisor ever took it up.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        let which = Which { container: number, attempt };
        match run.observe().map_err(failed)? {
            Observed::Unstarted => {
                let (supervisor, notice) = (&self.kubelet.options.supervisor, self.notice.clone());
                launch::launch(supervisor, &run, order, which, notice).await.map_err(failed)?;
            }
            _ => launch::adopt(run, which, self.notice.clone()),
        }
        // Logs are kept of the newest run and the one before it.
        if let Some(old) = attempt.checked_sub(2) {
            let old = self.run_of(&self.containers[number], old);
            let _ = std::fs::remove_dir_all(old.path());
        }
        let container = &mut self.containers[number];
        container.failures = 0;
        container.retry_at = None;
        container.state = State::Running { attempt, started: None, stopping: false };
        Ok(())
    }

    /// Something has happened to a run.
    pub(super) fn notice(&mut self, which: Which) {
        let number = which.container;
        let container = &self.containers[number];
        let State::Running { attempt, ref started, .. } = container.state else {
            return;
        };
        // The supervisor of an earlier run may have taken its time to end.
        if attempt != which.attempt {
            return;
        }
        let unseen = started.is_none();
        let run = self.run_of(container, attempt);
        let container = &mut self.containers[number];
        adoption::look(container, &run, attempt, self.kubelet.options.backoff());
        // A short run may have ended before its start was seen.
        let seen = match &container.state {
            State::Running { started, .. } => started.is_some(),
            State::Terminated { ended, .. } => ended.started_at.is_some(),
            State::Waiting { .. } => false,
        };
        if unseen && seen {
            self.say(Some(number), Kind::Normal, "Started", "Container started");
        }
        let container = &mut self.containers[number];
        match &container.state {
            State::Terminated { ended, .. } if ended.started_at.is_none() => {
                let message = format!("Error: {}", ended.message.clone().unwrap_or_default());
                self.say(Some(number), Kind::Warning, "Failed", message);
            }
            State::Waiting { .. } => {
                container
                    .refused("RunContainerError", "the supervisor could not be run".to_owned());
            }
            State::Running { .. } | State::Terminated { .. } => {}
        }
    }
}

/// Seconds as Go writes a duration: `10s`, `1m20s`, `5m0s`.
fn go_seconds(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}
