//! What a diagnosis of an optimization job finds: a cause with its code, how sure it is, and what shows it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::diagnosis::Certainty;

/// What keeps an optimization job from good results. Codes stay as they are; new ones may come.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// No controller has taken it up.
    NotReconciled,
    /// Its deletion does not come to an end.
    DeletionHangs,
    /// A searched parameter is used by no parameter of the trials, so that no trial can be made.
    ParameterNotReferenced,
    /// The algorithm refuses its settings or the space that is searched.
    AlgorithmRefuses,
    /// The algorithm's Pod needs more memory than its limit.
    AlgorithmOutOfMemory,
    /// The algorithm's Pod crashes or cannot be started.
    AlgorithmCrashes,
    /// The algorithm does not answer.
    AlgorithmNotReady,
    /// The namespace lacks the label by which Katib collects metrics in it.
    NamespaceNotLabelled,
    /// Trials' Pods lack the container that collects metrics.
    CollectorMissing,
    /// A webhook that must agree does not answer.
    WebhookUnavailable,
    /// Trials' Pods have no container of the name that the job gives as the primary one.
    PrimaryContainerMissing,
    /// Katib does not find out what an image runs, and the trial's container has no command.
    CommandUnknown,
    /// Kubernetes refuses to make a trial's workload.
    WorkloadRefused,
    /// Trials have no running Pods.
    TrialsNotStarting,
    /// A trial's program has ended, and the container that collects its metrics runs on.
    CollectorHangs,
    /// A trial's program ended before its metrics could be collected.
    CollectorTooLate,
    /// The container that collects metrics does not reach Katib's database.
    DatabaseUnavailable,
    /// A trial's workload has ended, and Katib does not notice: it does not watch its kind.
    WorkloadNotWatched,
    /// Early stopping cannot end a program that has several processes.
    EarlyStoppingFails,
    /// Trials end well without ever printing the objective as expected.
    MetricsNotPrinted,
    /// Trials print an objective that is no number.
    ObjectiveNotFinite,
    /// Trials fail by their own program.
    TrialsFail,
    /// It is over, and trials of it still run.
    TrialsOutliveIt,
    /// Katib's controller reports another error.
    ControllerError,
}

/// One thing that a rule has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub code: Code,
    pub certainty: Certainty,
    /// When it began.
    pub at: Option<Timestamp>,
    pub what: String,
    /// Which trials; none where it concerns the job as a whole.
    pub trials: Vec<String>,
    pub evidence: Vec<String>,
}

impl Code {
    /// What is only said for want of a better cause.
    pub fn may_follow_from_another(self) -> bool {
        matches!(
            self,
            Self::AlgorithmNotReady
                | Self::TrialsNotStarting
                | Self::MetricsNotPrinted
                | Self::ControllerError
                | Self::WorkloadNotWatched
                | Self::CollectorHangs
        )
    }

    /// Whether the diagnosis of a trial's workload says more.
    pub fn is_of_a_workload(self) -> bool {
        matches!(self, Self::TrialsFail | Self::TrialsNotStarting)
    }
}

impl Finding {
    pub fn new(code: Code, certainty: Certainty, what: impl Into<String>) -> Self {
        Self {
            code,
            certainty,
            at: None,
            what: what.into(),
            trials: Vec::new(),
            evidence: Vec::new(),
        }
    }

    pub fn certain(code: Code, what: impl Into<String>) -> Self {
        Self::new(code, Certainty::Certain, what)
    }

    pub fn likely(code: Code, what: impl Into<String>) -> Self {
        Self::new(code, Certainty::Likely, what)
    }

    pub fn since(self, at: Option<Timestamp>) -> Self {
        Self { at, ..self }
    }

    pub fn of_trials(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.trials.extend(names);
        self
    }

    pub fn shown_by(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }
}
