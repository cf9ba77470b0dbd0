//! The Experiment that a call asks for, except for what runs in its trials.

use kubeflow_mcp_core::{Error, Problem, Result};
use serde_json::{Map, Value, json};

use super::{Optimize, parameters::Parameters};
use crate::{
    algorithms::{self, Subject},
    api::{Algorithm, Collector, Experiment, ExperimentSpec, MetricsCollector, Objective, Setting},
    search_space::{self, SearchSpace},
};

const TRIALS: i32 = 10;
const PARALLEL: i32 = 3;
/// A program that cannot run fails in every trial: a few are enough to know.
const FAILED: i32 = 3;

impl Optimize {
    pub(super) fn experiment(
        &self,
        name: &str,
        parameters: &Parameters,
        space: &SearchSpace,
        objective: Objective,
    ) -> Result<Experiment> {
        let combinations = space.combinations().and_then(|it| i32::try_from(it).ok());
        let most = self.max_trial_count;
        let most = most.unwrap_or_else(|| combinations.map_or(TRIALS, |it| it.min(TRIALS)));
        let algorithm_name = self.algorithm_name.as_deref().unwrap_or("random");
        let early_stopping = match &self.early_stopping {
            Some(given) => Some(Algorithm {
                algorithm_name: "medianstop".to_owned(),
                algorithm_settings: settings("early_stopping", given)?,
            }),
            None => None,
        };
        // What is exhausted cannot be continued; else a larger budget may be wanted later.
        let exhausted = algorithm_name == "grid" && combinations == Some(most);
        let resume_policy = match algorithm_name {
            // It hands checkpoints on in a volume.
            "pbt" => "FromVolume",
            _ if exhausted => "Never",
            _ => "LongRunning",
        };
        let spec = ExperimentSpec {
            parameters: parameters.searched.clone(),
            objective: Some(objective),
            algorithm: Some(Algorithm {
                algorithm_name: algorithm_name.to_owned(),
                algorithm_settings: settings("algorithm_settings", &self.algorithm_settings)?,
            }),
            early_stopping,
            max_trial_count: Some(most),
            parallel_trial_count: Some(self.parallel_trial_count.unwrap_or(PARALLEL.min(most))),
            max_failed_trial_count: Some(self.max_failed_trial_count.unwrap_or(FAILED.min(most))),
            metrics_collector_spec: Some(MetricsCollector {
                collector: Some(Collector {
                    kind: Some("StdOut".to_owned()),
                    ..Collector::default()
                }),
                ..MetricsCollector::default()
            }),
            resume_policy: Some(resume_policy.to_owned()),
            ..ExperimentSpec::default()
        };
        for (argument, count) in [
            ("parallel_trial_count", spec.parallel_trial_count),
            ("max_failed_trial_count", spec.max_failed_trial_count),
        ] {
            if let Some(count) = count.filter(|it| *it > most) {
                let problem = format!("must be at most max_trial_count, which is {most}");
                return Err(Error::value(argument, count, problem));
            }
        }
        let mut experiment = Experiment::new(name, spec);
        let label = ("app.kubernetes.io/managed-by".to_owned(), "kubeflow-mcp".to_owned());
        experiment.metadata.labels = Some([label].into());
        Ok(experiment)
    }
}

/// Every setting is a string in Katib.
fn settings(argument: &str, given: &Map<String, Value>) -> Result<Vec<Setting>> {
    let settings = given.iter().map(|(name, value)| {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            other => {
                let argument = format!("{argument}.{name}");
                return Err(Error::value(argument, other.clone(), "must be a string or a number"));
            }
        };
        Ok(Setting { name: name.clone(), value })
    });
    settings.collect()
}

/// The Experiment as it is sent, which has no status yet.
pub(super) fn sent(experiment: &Experiment) -> Result<Value> {
    let mut sent = serde_json::to_value(experiment).map_err(Error::Output)?;
    if let Some(fields) = sent.as_object_mut() {
        fields.remove("status");
    }
    sent["metadata"]["annotations"] = json!({});
    Ok(sent)
}

pub(super) fn space_refused(objections: Vec<search_space::Objection>) -> Error {
    let problem = |it: search_space::Objection| Problem {
        argument: format!("parameters.{}", it.parameter),
        problem: it.problem,
    };
    Error::Arguments(objections.into_iter().map(problem).collect())
}

pub(super) fn refused(objections: Vec<algorithms::Objection>) -> Error {
    let argument = |subject| match subject {
        Subject::Name => "name".to_owned(),
        Subject::Algorithm | Subject::ResumePolicy => "algorithm_name".to_owned(),
        Subject::Setting(name) => format!("algorithm_settings.{name}"),
        Subject::EarlyStopping => "early_stopping".to_owned(),
        Subject::StoppingSetting(name) => format!("early_stopping.{name}"),
        Subject::Parameter(name) => format!("parameters.{name}"),
        Subject::MaxTrials => "max_trial_count".to_owned(),
        Subject::ParallelTrials => "parallel_trial_count".to_owned(),
    };
    let problem =
        |it: algorithms::Objection| Problem { argument: argument(it.subject), problem: it.problem };
    Error::Arguments(objections.into_iter().map(problem).collect())
}
