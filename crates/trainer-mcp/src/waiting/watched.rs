//! What a wait knows of its job from all it has heard so far, judged as plain data.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use workloads::{
    logs::Line,
    phase::{Phase, Standing},
    pods::{Member, Trouble, newest},
    progress::Tracker,
    train_job::{TrainJob, steps},
    waiting::Change,
};

use super::{Outcome, Target};

/// A job under watch.
pub(super) struct Watched {
    pub(super) job: TrainJob,
    gone: bool,
    pods: BTreeMap<String, Member>,
    /// What its first rank prints.
    pub(super) tracker: Tracker,
    /// What the program reports to the Trainer, which is better than what it prints.
    percent: Option<f64>,
    remaining: Option<SignedDuration>,
}

impl Watched {
    pub(super) fn new(job: TrainJob) -> Self {
        let (pods, tracker) = (BTreeMap::new(), Tracker::default());
        Self { job, gone: false, pods, tracker, percent: None, remaining: None }
    }

    pub(super) fn hear_of_job(&mut self, change: Change<TrainJob>) {
        let now = match change {
            Change::All(mut all) => all.pop(),
            Change::Seen(job) => Some(job),
            Change::Gone(_) => None,
        };
        match now {
            // Another job of that name is not the one that is waited for.
            Some(job) if job.metadata.uid == self.job.metadata.uid => self.job = job,
            _ => self.gone = true,
        }
        let status = self.job.status.as_ref().and_then(|it| it.trainer_status.as_ref());
        let Some(status) = status else { return };
        self.percent = status.progress_percentage.map(f64::from).or(self.percent);
        let remaining = status.estimated_remaining_seconds.map(i64::from);
        self.remaining = remaining.map(SignedDuration::from_secs).or(self.remaining);
        self.tracker
            .metrics
            .extend(status.metrics.iter().map(|it| (it.name.clone(), it.value.clone())));
    }

    pub(super) fn hear_of_pod(&mut self, change: Change<Pod>) {
        match change {
            Change::All(all) => {
                let own = |it: &Pod| Some((it.name_any(), steps::member(&self.job, it)?));
                self.pods = all.iter().filter_map(own).collect();
            }
            Change::Seen(pod) => {
                let own = steps::member(&self.job, &pod);
                self.pods.extend(own.map(|it| (pod.name_any(), it)));
            }
            Change::Gone(pod) => {
                self.pods.remove(&pod.name_any());
            }
        }
    }

    pub(super) fn hear_line(&mut self, line: &str) {
        let Line { at, text } = Line::of(line);
        self.tracker.hear(at, text);
    }

    /// How far it is, in per cent.
    pub(super) fn percent(&self) -> Option<f64> {
        self.percent.or_else(|| Some(self.tracker.progress(Timestamp::now())?.percent))
    }

    /// How long it still takes.
    pub(super) fn remaining(&self) -> Option<SignedDuration> {
        self.remaining.or_else(|| self.tracker.progress(Timestamp::now())?.remaining)
    }

    /// The newest Pod of each rank.
    pub(super) fn members(&self) -> Vec<Member> {
        newest(self.pods.values().cloned())
    }

    pub(super) fn standing(&self) -> Standing {
        Standing::now(&self.job, &self.members())
    }

    /// Whether the wait is over, and how.
    pub(super) fn outcome(&self, standing: &Standing, targets: &[Target]) -> Option<Outcome> {
        if self.gone {
            return Some(Outcome::Deleted);
        }
        let phase = standing.phase;
        if targets.iter().any(|it| it.is_reached(phase)) {
            return Some(Outcome::Reached);
        }
        if targets.contains(&Target::Stuck) && self.is_stuck(phase) {
            return Some(Outcome::Stuck);
        }
        phase.is_final().then_some(Outcome::Ended)
    }

    /// Whether a Pod says what keeps the job from running, and it will not pass by waiting.
    fn is_stuck(&self, phase: Phase) -> bool {
        let lasting = |it: &Member| {
            matches!(
                it.state.trouble,
                Some(Trouble::CrashLooping | Trouble::ImagePullFailed | Trouble::CannotStart)
            )
        };
        let held_up =
            [Phase::Starting, Phase::Initializing, Phase::CrashLooping, Phase::ImagePullFailed];
        held_up.contains(&phase) && self.members().iter().any(lasting)
    }

    /// The Pod whose log tells how the training goes: rank 0, once it runs.
    pub(super) fn narrator(&self, standing: &Standing) -> Option<Member> {
        if standing.phase != Phase::Running {
            return None;
        }
        let place = steps::place(&self.job, "node-0")?;
        let first = |it: &Member| it.group == place.group && it.index == place.index;
        self.members().into_iter().find(|it| first(it) && it.state.phase == "Running")
    }

    /// How far it is: of a hundred where the program says so, else a fraction of the time limit.
    pub(super) fn done(&self, elapsed: f64) -> (f64, Option<f64>) {
        match self.percent() {
            Some(percent) => (percent.max(elapsed), Some(100.0)),
            None => (elapsed, None),
        }
    }

    /// Where it stands, in one line.
    pub(super) fn line(&self, standing: &Standing) -> String {
        let mut line = format!("{:?}", standing.phase);
        let members = self.members();
        let running = members.iter().filter(|it| it.state.phase == "Running").count();
        if members.len() > 1 {
            line += &format!(", {running} of {} Pods run", members.len());
        }
        if let Some(reason) = &standing.reason {
            line += &format!(", {reason}");
        }
        if let Some(message) = &standing.message {
            line += &format!(": {}", message.chars().take(200).collect::<String>());
        }
        if let Some(remaining) = self.remaining().filter(|_| standing.phase == Phase::Running) {
            line += &format!(", about {} left", in_words(remaining));
        }
        for (name, value) in self.tracker.metrics.iter().take(6) {
            line += &format!(", {name}={value}");
        }
        line
    }
}

/// As people say it.
fn in_words(time: SignedDuration) -> String {
    match time.as_secs() {
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", (seconds + 30) / 60),
        seconds => format!("{:.1} h", seconds as f64 / 3_600.0),
    }
}
