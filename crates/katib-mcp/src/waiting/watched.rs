//! What a wait knows of its job from all it has heard so far, judged as plain data.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use workloads::{
    pods::{Member, Trouble},
    waiting::Change,
};

use super::{Outcome, Target};
use crate::{
    api::{Experiment, Objective, TRIAL_LABEL, Trial},
    objective::Ranked,
    pods,
    states::{ExperimentState, TrialState},
    trials::{Best, belongs, slim},
};

/// An optimization job under watch.
pub(super) struct Watched {
    pub(super) experiment: Experiment,
    pub(super) sees_pods: bool,
    gone: bool,
    /// Whether it is known which trials there are.
    knows_trials: bool,
    trials: BTreeMap<String, Trial>,
    /// Of trials.
    pods: BTreeMap<String, Member>,
    /// Of the algorithm.
    suggestion: BTreeMap<String, Member>,
}

/// So many trials that all have failed are no accident.
const FAILURES: usize = 2;

impl Watched {
    pub(super) fn new(experiment: Experiment) -> Self {
        Self {
            experiment,
            sees_pods: true,
            gone: false,
            knows_trials: false,
            trials: BTreeMap::new(),
            pods: BTreeMap::new(),
            suggestion: BTreeMap::new(),
        }
    }

    pub(super) fn hear_of_experiment(&mut self, change: Change<Experiment>) {
        let now = match change {
            Change::All(mut all) => all.pop(),
            Change::Seen(experiment) => Some(experiment),
            Change::Gone(_) => None,
        };
        match now {
            // Another one of that name is not the one that is waited for.
            Some(it) if it.metadata.uid == self.experiment.metadata.uid => self.experiment = it,
            _ => self.gone = true,
        }
    }

    pub(super) fn hear_of_trial(&mut self, change: Change<Trial>) {
        match change {
            Change::All(all) => {
                self.knows_trials = true;
                self.trials.clear();
                all.into_iter().for_each(|it| self.take(it));
            }
            Change::Seen(trial) => self.take(trial),
            Change::Gone(trial) => {
                self.trials.remove(&trial.name_any());
            }
        }
    }

    fn take(&mut self, trial: Trial) {
        if belongs(&trial, &self.experiment) {
            self.trials.insert(trial.name_any(), slim(trial));
        }
    }

    pub(super) fn hear_of_pod(&mut self, change: Change<Pod>) {
        match change {
            Change::All(all) => {
                self.pods.clear();
                self.suggestion.clear();
                all.iter().for_each(|it| self.take_pod(it));
            }
            Change::Seen(pod) => self.take_pod(&pod),
            Change::Gone(pod) => {
                self.pods.remove(&pod.name_any());
                self.suggestion.remove(&pod.name_any());
            }
        }
    }

    fn take_pod(&mut self, pod: &Pod) {
        let of_trial = pod.labels().contains_key(TRIAL_LABEL);
        let pods = if of_trial { &mut self.pods } else { &mut self.suggestion };
        pods.insert(pod.name_any(), pods::member(pod));
    }

    /// Whether the wait is over, and how.
    pub(super) fn outcome(&self, targets: &[Target]) -> Option<Outcome> {
        if self.gone {
            return Some(Outcome::Deleted);
        }
        // What is told at the end is told of all trials.
        if !self.knows_trials {
            return None;
        }
        let state = ExperimentState::of(&self.experiment);
        let reached = |it: &Target| match it {
            Target::FirstTrial => self.ended() > 0,
            Target::Complete => state == ExperimentState::Succeeded,
            Target::Failed => state == ExperimentState::Failed,
            Target::Stuck => false,
        };
        if targets.iter().any(reached) {
            return Some(Outcome::Reached);
        }
        if state.is_final() {
            return Some(Outcome::Ended);
        }
        (targets.contains(&Target::Stuck) && self.stuck().is_some()).then_some(Outcome::Stuck)
    }

    /// What keeps it from getting further, where that will not pass by waiting.
    pub(super) fn stuck(&self) -> Option<String> {
        let counts = self.counts();
        let count = |state| counts.get(&state).copied().unwrap_or_default();
        let silent = count(TrialState::MetricsUnavailable);
        if self.ranked().is_empty() && silent > 0 {
            let metric = self.objective().objective_metric_name;
            return Some(format!(
                "{silent} trials have ended well, and none has printed {metric:?} as expected; \
                 diagnose_optimization_job says why"
            ));
        }
        let failed = count(TrialState::Failed);
        if failed >= FAILURES && failed == self.ended() {
            return Some(format!(
                "all {failed} trials so far have failed; diagnose_optimization_job says why"
            ));
        }
        let lasting = |it: &&Member| {
            matches!(
                it.state.trouble,
                Some(Trouble::CrashLooping | Trouble::ImagePullFailed | Trouble::CannotStart)
            )
        };
        let working = |it: &Member| it.state.phase == "Running" && it.state.trouble.is_none();
        let held_up = self.pods.values().chain(self.suggestion.values()).find(lasting)?;
        // While others get on, one that does not is no reason to stop waiting.
        let others = self.pods.values().any(working);
        (!others).then(|| {
            let reason = held_up.state.reason.as_deref().unwrap_or("no reason given");
            format!("Pod {} is {}: {reason}", held_up.pod, held_up.state.phase)
        })
    }

    pub(super) fn counts(&self) -> BTreeMap<TrialState, usize> {
        let mut counts = BTreeMap::new();
        for trial in self.trials.values() {
            *counts.entry(TrialState::of(trial)).or_default() += 1;
        }
        counts
    }

    /// Whether the experiment counts trials as ended of whose end nothing has been heard yet.
    pub(super) fn lags(&self) -> bool {
        let status = self.experiment.status.as_ref();
        let counted = status.and_then(|it| usize::try_from(it.ended()).ok());
        counted.is_some_and(|it| it > self.ended())
    }

    fn ended(&self) -> usize {
        self.trials.values().filter(|it| TrialState::of(it).is_final()).count()
    }

    fn objective(&self) -> Objective {
        self.experiment.spec.objective.clone().unwrap_or_default()
    }

    fn ranked(&self) -> Vec<Ranked<'_>> {
        self.objective().ranked(self.trials.values())
    }

    pub(super) fn best(&self) -> Option<Best> {
        self.ranked().first().map(|it| Best::of(&self.objective(), *it))
    }

    /// How far it is: in trials, and a fraction of the time limit between two of them.
    pub(super) fn done(&self, elapsed: f64) -> (f64, Option<f64>) {
        let ended = self.ended() as f64;
        let most = self.experiment.spec.max_trial_count.map(f64::from);
        (ended + elapsed.min(0.99), most)
    }

    /// Where it stands, in one line.
    pub(super) fn line(&self) -> String {
        let ended = self.ended();
        let mut line = match self.experiment.spec.max_trial_count {
            Some(most) => format!("{ended} of {most} trials done"),
            None => format!("{ended} trials done"),
        };
        for (state, count) in self.counts() {
            let word = match state {
                TrialState::Running => "running",
                TrialState::Failed => "failed",
                TrialState::EarlyStopped => "stopped early",
                TrialState::MetricsUnavailable => "without metrics",
                _ => continue,
            };
            line += &format!(", {count} {word}");
        }
        let starts = self.suggestion.values().find(|it| it.state.phase == "Pending");
        if let Some(pod) = starts.filter(|_| self.trials.is_empty()) {
            let why = pod.state.reason.as_deref().unwrap_or("no reason given");
            line += &format!(", the algorithm starts: {why}");
        }
        if let Some(best) = self.best() {
            let metric = self.objective().objective_metric_name;
            line += &format!(", best {metric}={}", best.shown());
        }
        line
    }
}
