//! The algorithms of search and of early stopping: what they can be told, and what they can search.
//!
//! Katib checks most of it only after admission, and the experiment fails then.

pub mod hyperband;
mod limits;
mod settings;
mod table;
#[cfg(test)]
mod tests;

use std::fmt::{self, Display};

use kubeflow_mcp_core::did_you_mean;

pub use self::table::{ALGORITHMS, Algorithm, MEDIAN_STOP, Rule, Setting};
use crate::{api::Experiment, search_space::SearchSpace};

/// What stands against a search, and where it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    pub subject: Subject,
    pub problem: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Name,
    Algorithm,
    /// A setting of the algorithm, by its name.
    Setting(String),
    EarlyStopping,
    /// A setting of early stopping, by its name.
    StoppingSetting(String),
    Parameter(String),
    MaxTrials,
    ParallelTrials,
    ResumePolicy,
}

/// What is said of a search before it begins.
#[derive(Debug, Default)]
struct Findings {
    objections: Vec<Objection>,
    warnings: Vec<String>,
}

/// Whether an experiment's algorithms can do what is asked of them; with warnings of what they will
/// do otherwise than asked.
pub fn check(experiment: &Experiment, space: &SearchSpace) -> Result<Vec<String>, Vec<Objection>> {
    let mut findings = Findings::default();
    let asked = experiment.spec.algorithm.clone().unwrap_or_default();
    match known(&asked.algorithm_name) {
        Ok(algorithm) => {
            settings::check(algorithm, &asked, &mut findings, Subject::Setting);
            limits::search(algorithm, experiment, space, &mut findings);
        }
        Err(problem) => findings.object(Subject::Algorithm, problem),
    }
    if let Some(stopping) = &experiment.spec.early_stopping {
        match stopping.algorithm_name.as_str() {
            "medianstop" => {
                settings::check(&MEDIAN_STOP, stopping, &mut findings, Subject::StoppingSetting);
                limits::stopping(experiment, &mut findings);
            }
            other => findings.object(
                Subject::EarlyStopping,
                format!("{other:?} is unknown: Katib has only medianstop"),
            ),
        }
    }
    if findings.objections.is_empty() { Ok(findings.warnings) } else { Err(findings.objections) }
}

/// The algorithm of that name, or what is wrong with the name.
pub fn known(name: &str) -> Result<&'static Algorithm, String> {
    if let Some(algorithm) = ALGORITHMS.iter().find(|it| it.name == name) {
        return Ok(algorithm);
    }
    let names = ALGORITHMS.iter().map(|it| it.name);
    Err(match name {
        "enas" | "darts" => format!(
            "{name:?} searches the architecture of a network, not parameters: create its Experiment \
             from a manifest"
        ),
        _ => format!(
            "{name:?} is unknown{}: the algorithms are {}",
            did_you_mean(name, names.clone()),
            names.collect::<Vec<_>>().join(", ")
        ),
    })
}

impl Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("name"),
            Self::Algorithm => f.write_str("algorithm"),
            Self::Setting(name) => write!(f, "setting {name}"),
            Self::EarlyStopping => f.write_str("early stopping"),
            Self::StoppingSetting(name) => write!(f, "early stopping setting {name}"),
            Self::Parameter(name) => write!(f, "parameter {name}"),
            Self::MaxTrials => f.write_str("maxTrialCount"),
            Self::ParallelTrials => f.write_str("parallelTrialCount"),
            Self::ResumePolicy => f.write_str("resumePolicy"),
        }
    }
}

impl Findings {
    fn object(&mut self, subject: Subject, problem: impl Display) {
        self.objections.push(Objection { subject, problem: problem.to_string() });
    }

    fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }
}
