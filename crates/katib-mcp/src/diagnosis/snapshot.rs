//! All that a diagnosis looks at, gathered at one moment: plain objects, which tests also feed.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Event, Namespace, Pod};
use kube::ResourceExt as _;
use kubeflow_mcp_core::Sign;
use serde::Deserialize;
use serde_json::Value;
use workloads::{events::when, logs::Line};

use crate::{
    api::{Experiment, SUGGESTION_LABEL, Suggestion, TRIAL_LABEL, Trial},
    metrics::without_prefix,
    states::TrialState,
};

/// An experiment and what the cluster knows of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    pub now: Timestamp,
    pub experiment: Experiment,
    #[serde(default)]
    pub trials: Vec<Trial>,
    #[serde(default)]
    pub suggestion: Option<Suggestion>,
    /// Of the algorithm, and of trials.
    #[serde(default)]
    pub pods: Vec<Pod>,
    /// Of it and its parts, without the routine.
    #[serde(default)]
    pub events: Vec<Event>,
    #[serde(default)]
    pub namespace: Option<Namespace>,
    /// Of the oldest trial that has not ended.
    #[serde(default)]
    pub workload: Option<Value>,
    /// Of one trial of each kind that needs a look.
    #[serde(default)]
    pub logs: Vec<TrialLog>,
    /// What could not be read, and why.
    #[serde(default)]
    pub unseen: Vec<String>,
}

/// The end of the log in which a trial's metrics are, each line behind its time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialLog {
    pub trial: String,
    pub text: String,
}

impl Snapshot {
    /// The trials of a state, the oldest first.
    pub fn of_state(&self, state: TrialState) -> Vec<&Trial> {
        let mut found: Vec<_> =
            self.trials.iter().filter(|it| TrialState::of(it) == state).collect();
        found.sort_by_key(|it| (it.creation_timestamp(), it.name_any()));
        found
    }

    /// The trial that should have got furthest and has not ended.
    pub fn oldest_active(&self) -> Option<&Trial> {
        let running = self.of_state(TrialState::Running).into_iter();
        running.chain(self.of_state(TrialState::Pending)).next()
    }

    pub fn trial(&self, name: &str) -> Option<&Trial> {
        self.trials.iter().find(|it| it.name_any() == name)
    }

    /// The Pods of a trial, also where Katib has put no label on them.
    pub fn pods_of(&self, trial: &str) -> Vec<&Pod> {
        let marks = [
            TRIAL_LABEL,
            "batch.kubernetes.io/job-name",
            "job-name",
            "jobset.sigs.k8s.io/jobset-name",
        ];
        let own = |pod: &&Pod| {
            marks.iter().any(|it| pod.labels().get(*it).is_some_and(|name| name == trial))
        };
        self.pods.iter().filter(own).collect()
    }

    pub fn pods_of_the_algorithm(&self) -> impl Iterator<Item = &Pod> {
        self.pods.iter().filter(|it| it.labels().contains_key(SUGGESTION_LABEL))
    }

    pub fn log_of(&self, trial: &str) -> Option<&TrialLog> {
        self.logs.iter().find(|it| it.trial == trial)
    }

    /// Those whose message says one of these, the oldest first.
    pub fn events_that(&self, meant: impl Fn(&Event) -> bool) -> Vec<&Event> {
        let mut events: Vec<_> = self.events.iter().filter(|it| meant(it)).collect();
        events.sort_by_key(|it| when(it));
        events
    }

    /// How long ago that was.
    pub fn age(&self, at: Option<Timestamp>) -> SignedDuration {
        at.map_or(SignedDuration::ZERO, |it| self.now.duration_since(it))
    }
}

/// With which a collector begins to speak for itself, once the program has ended.
pub(super) const SIGNS: [Sign; 2] = [
    Sign::documented(
        "Objective metric ",
        "kubeflow/katib pkg/metricscollector/v1beta1/file-metricscollector/file-metricscollector.go",
    ),
    Sign::documented(
        "Metrics reported. :",
        "kubeflow/katib cmd/metricscollector/v1beta1/file-metricscollector/main.go",
    ),
];

impl TrialLog {
    /// The lines of the program, and those of the collector after them.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines().map(|it| without_prefix(Line::of(it).text))
    }

    /// The lines that the program has printed.
    pub fn printed(&self) -> impl Iterator<Item = &str> {
        self.lines().take_while(|line| !SIGNS.iter().any(|it| line.starts_with(it.name)))
    }
}
