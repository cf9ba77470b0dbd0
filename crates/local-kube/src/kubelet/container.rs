//! What is known of one container of a Pod, and whether it is to be started.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1 as core;

use super::run::{Ended, Started};

/// Seconds after which it is looked again whether what was missing has appeared.
const LONGEST_RETRY: i64 = 10;

#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) spec: core::Container,
    pub(super) init: bool,
    pub(super) state: State,
    /// How the run before the current one ended.
    pub(super) last: Option<(u32, Ended)>,
    /// Runs that ended soon after they began, one after another.
    pub(super) strikes: u32,
    /// Starts that could not even be tried since the last one that could.
    pub(super) failures: u32,
    /// No start is tried before this time.
    pub(super) retry_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub(super) enum State {
    Waiting {
        reason: &'static str,
        message: Option<String>,
    },
    /// Its supervisor has been started; the process perhaps not yet.
    Running {
        attempt: u32,
        started: Option<Started>,
        stopping: bool,
    },
    Terminated {
        attempt: u32,
        ended: Ended,
    },
}

/// How long to wait before a container that ended is started again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Backoff {
    /// The first restart is immediate, as the kubelet's is.
    fn after(&self, strikes: u32) -> Duration {
        match strikes.checked_sub(2) {
            None => Duration::ZERO,
            Some(doublings) => self.first.saturating_mul(1 << doublings.min(16)).min(self.longest),
        }
    }
}

#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Start(u32),
    Wait(Timestamp),
    /// It runs, or is over for good.
    Nothing,
}

impl Container {
    pub(super) fn new(spec: core::Container, init: bool) -> Self {
        let reason = if init { "PodInitializing" } else { "ContainerCreating" };
        let state = State::Waiting { reason, message: None };
        Self { spec, init, state, last: None, strikes: 0, failures: 0, retry_at: None }
    }

    pub(super) fn name(&self) -> &str {
        &self.spec.name
    }

    pub(super) fn runs(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Its process, if it has been started and is not known to have ended.
    pub(super) fn process(&self) -> Option<&Started> {
        match &self.state {
            State::Running { started, .. } => started.as_ref(),
            _ => None,
        }
    }

    /// Whether its process is about to be started.
    pub(super) fn starts(&self) -> bool {
        self.runs() && self.process().is_none()
    }

    pub(super) fn waits(&mut self, reason: &'static str, message: impl Into<Option<String>>) {
        self.state = State::Waiting { reason, message: message.into() };
    }

    /// Says why it could not be started, and when that is tried again.
    pub(super) fn refused(&mut self, reason: &'static str, message: String) {
        let seconds = (1_i64 << self.failures.min(4)).min(LONGEST_RETRY);
        self.failures += 1;
        self.retry_at = Timestamp::now().checked_add(SignedDuration::from_secs(seconds)).ok();
        self.waits(reason, message);
    }

    /// How its newest run ended, unless it runs.
    pub(super) fn ended(&self) -> Option<&Ended> {
        match &self.state {
            State::Terminated { ended, .. } => Some(ended),
            State::Waiting { .. } => self.last.as_ref().map(|(_, ended)| ended),
            State::Running { .. } => None,
        }
    }

    pub(super) fn succeeded(&self) -> bool {
        matches!(&self.state, State::Terminated { ended, .. } if ended.exit_code == 0)
    }

    /// Whether it is over and will not be started again.
    pub(super) fn over(&self, policy: &str) -> bool {
        self.ended().is_some_and(|ended| !restarts(policy, self.init, ended))
    }

    /// Takes note of an end; a run of twice the longest back-off wipes the slate.
    pub(super) fn end(&mut self, attempt: u32, ended: Ended, backoff: Backoff) {
        let ran = ended.started_at.map(|from| ended.finished_at.duration_since(from));
        let long = SignedDuration::try_from(backoff.longest * 2).unwrap_or(SignedDuration::MAX);
        self.strikes = if ran.is_some_and(|ran| ran >= long) { 1 } else { self.strikes + 1 };
        self.state = State::Terminated { attempt, ended };
    }

    /// How long it rests between its newest end and its next start.
    pub(super) fn rest(&self, backoff: Backoff) -> Duration {
        backoff.after(self.strikes)
    }

    pub(super) fn next(&self, policy: &str, backoff: Backoff, now: Timestamp) -> Next {
        let (attempt, since) = match (&self.state, &self.last) {
            (State::Running { .. }, _) => return Next::Nothing,
            (State::Terminated { attempt, ended }, _) => (attempt + 1, Some(ended)),
            (State::Waiting { .. }, Some((attempt, ended))) => (attempt + 1, Some(ended)),
            (State::Waiting { .. }, None) => (0, None),
        };
        let mut at = self.retry_at;
        if let Some(ended) = since {
            if !restarts(policy, self.init, ended) {
                return Next::Nothing;
            }
            let due = ended.finished_at.checked_add(self.rest(backoff));
            at = at.max(due.ok());
        }
        match at {
            Some(at) if at > now => Next::Wait(at),
            _ => Next::Start(attempt),
        }
    }
}

fn restarts(policy: &str, init: bool, ended: &Ended) -> bool {
    match policy {
        "Never" => false,
        "Always" if !init => true,
        _ => ended.exit_code != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff =
        Backoff { first: Duration::from_secs(10), longest: Duration::from_secs(300) };

    fn ended(exit_code: i32) -> Ended {
        Ended {
            exit_code,
            signal: None,
            reason: "Error".into(),
            message: None,
            started_at: Some(Timestamp::UNIX_EPOCH),
            finished_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_fails_is_started_again_ever_later() {
        let mut container = Container::new(core::Container::default(), false);
        let mut delays = Vec::new();
        for attempt in 0..9 {
            container.end(attempt, ended(1), BACKOFF);
            delays.push(match container.next("OnFailure", BACKOFF, Timestamp::UNIX_EPOCH) {
                Next::Start(next) => {
                    assert_eq!(next, attempt + 1);
                    0
                }
                Next::Wait(at) => at.as_second(),
                Next::Nothing => -1,
            });
        }
        assert_eq!(delays, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
    }

    #[test]
    fn the_restart_policy_decides_what_is_over() {
        for (policy, init, exit_code, over) in [
            ("Never", false, 1, true),
            ("OnFailure", false, 1, false),
            ("OnFailure", false, 0, true),
            ("Always", false, 0, false),
            ("Always", true, 0, true),
        ] {
            let mut container = Container::new(core::Container::default(), init);
            container.end(0, ended(exit_code), BACKOFF);
            assert_eq!(container.over(policy), over, "{policy} {init} {exit_code}");
        }
    }
}
