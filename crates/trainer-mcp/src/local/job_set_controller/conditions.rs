//! The conditions of a JobSet, and the events that go with their changes.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::local::{job_set::JobSetStatus, reporting::Severity};

/// A status that is being worked out, and what is to be reported of it.
pub(super) struct Recorder {
    pub(super) status: JobSetStatus,
    pub(super) events: Vec<Report>,
    now: Time,
}

#[derive(Debug)]
pub(super) struct Report {
    pub(super) severity: Severity,
    pub(super) reason: String,
    pub(super) message: String,
}

const RESTARTING: &str = "RestartingJobSet";
const IN_PROGRESS: &str = "StartupPolicyInProgress";
const COMPLETED: &str = "StartupPolicyCompleted";

impl Recorder {
    pub(super) fn new(status: JobSetStatus, now: Timestamp) -> Self {
        // Kubernetes writes conditions in whole seconds.
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        Self { status, events: Vec::new(), now: Time(now) }
    }

    pub(super) fn complete(&mut self) {
        let message = "jobset completed successfully";
        self.set(Severity::Normal, "Completed", true, "AllJobsCompleted", message);
        self.restarted("JobSetCompleted", message);
        self.status.terminal_state = "Completed".into();
    }

    pub(super) fn fail(&mut self, reason: &str, message: &str) {
        self.set(Severity::Warning, "Failed", true, reason, message);
        self.restarted("JobSetFailed", "jobset failed");
        self.status.terminal_state = "Failed".into();
    }

    pub(super) fn suspend(&mut self) {
        let message = "jobset is suspended";
        self.set(Severity::Normal, "Suspended", true, "SuspendedJobs", message);
        self.restarted("JobSetSuspended", message);
    }

    pub(super) fn resume(&mut self) {
        self.set(Severity::Normal, "Suspended", false, "ResumeJobs", "jobset is resumed");
    }

    pub(super) fn restart(&mut self, reason: &str, message: &str) {
        self.set(Severity::Warning, RESTARTING, true, reason, message);
    }

    /// A restart is over, if one was under way.
    pub(super) fn restarted(&mut self, reason: &str, message: &str) {
        self.set(Severity::Normal, RESTARTING, false, reason, message);
    }

    pub(super) fn start_in_order(&mut self) {
        let message = "in order startup policy is in progress";
        let reason = "InOrderStartupPolicyInProgress";
        self.set(Severity::Normal, IN_PROGRESS, true, reason, message);
    }

    pub(super) fn started_in_order(&mut self) {
        let message = "in order startup policy has completed";
        let reason = "InOrderStartupPolicyCompleted";
        self.set(Severity::Normal, COMPLETED, true, reason, message);
    }

    pub(super) fn report(&mut self, severity: Severity, reason: &str, message: &str) {
        self.events.push(Report { severity, reason: reason.into(), message: message.into() });
    }

    /// Sets a condition and reports it, if that changes anything. A condition that was never true
    /// is not made false.
    fn set(&mut self, severity: Severity, name: &str, holds: bool, reason: &str, message: &str) {
        let status = if holds { "True" } else { "False" };
        let mut changed = false;
        if holds && matches!(name, IN_PROGRESS | COMPLETED) {
            let opposite = if name == COMPLETED { IN_PROGRESS } else { COMPLETED };
            for condition in &mut self.status.conditions {
                if condition.type_ == opposite && condition.status == "True" {
                    condition.status = "False".into();
                    changed = true;
                }
            }
        }
        let mut new = Condition {
            type_: name.into(),
            status: status.into(),
            reason: reason.into(),
            message: message.into(),
            last_transition_time: self.now.clone(),
            observed_generation: None,
        };
        match self.status.conditions.iter_mut().find(|condition| condition.type_ == name) {
            Some(old) if old.status == new.status => {
                new.last_transition_time = old.last_transition_time.clone();
                changed |= *old != new;
                *old = new;
            }
            Some(old) => {
                *old = new;
                changed = true;
            }
            None if holds => {
                self.status.conditions.push(new);
                changed = true;
            }
            None => {}
        }
        if changed {
            self.report(severity, reason, message);
        }
    }
}
