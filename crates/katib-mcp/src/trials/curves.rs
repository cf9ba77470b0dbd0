//! How the metrics of one trial went, from whatever still knows them.

use std::collections::{BTreeMap, HashMap};

use kube::ResourceExt;
use kubeflow_mcp_core::{Caller, Effect, Error, Need, Persona, Result, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::{
    logs::POD_LOGS,
    pods::PODS,
    train_job::{TRAIN_JOBS, TrainJob},
};

use super::{Trials, best::parameters, listed::belongs, printed};
use crate::{
    api::{EXPERIMENTS, Experiment, Metric, TRIALS, Trial, kind},
    experiments::find,
    metrics::{ANNOTATION, Point, curves, kept, thinned},
    states::TrialState,
};

/// Shows a trial's metrics as curves.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetTrialMetrics {
    /// The job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
    /// Default: the best.
    trial: Option<String>,
    /// Of each.
    #[serde(default = "fifty")]
    #[schemars(range(min = 2, max = 500))]
    points: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TrialMetrics {
    /// Its name.
    trial: String,
    /// Of the trial.
    state: TrialState,
    /// That the algorithm chose for it.
    parameters: BTreeMap<String, String>,
    /// Where the values are from.
    source: Source,
    /// The objective first.
    metrics: Vec<Curve>,
    /// How far it is, where the program reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress_percentage: Option<i32>,
    /// What is not there, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Source {
    /// The lines of the trial's log.
    Log,
    /// What the local cluster has kept of them.
    Annotation,
    /// What the program has reported to the Trainer: last values only.
    TrainerStatus,
    /// What Katib has kept: least, greatest and last values only.
    Observation,
    None,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Curve {
    /// Its name.
    metric: String,
    #[serde(flatten)]
    kept: Option<Kept>,
    /// How many values were printed.
    printed: usize,
    /// In the order in which they were printed, thinned evenly.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    points: Vec<Dot>,
}

/// What Katib keeps of a metric once a trial has ended.
#[derive(Debug, Serialize, JsonSchema)]
struct Kept {
    /// The least.
    min: String,
    /// The greatest.
    max: String,
    /// The last.
    latest: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Dot {
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    /// As it was printed.
    value: String,
}

/// As many pages as it takes to find the best.
const REQUESTS: usize = 20;

impl Tool for GetTrialMetrics {
    type Output = TrialMetrics;
    const NAME: &str = "get_trial_metrics";
    const TITLE: &str = "Show how a trial's metrics went";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[
        Need::to(&["get"], EXPERIMENTS),
        Need::to(&["get", "list"], TRIALS),
        Need::perhaps(&["list"], PODS),
        Need::perhaps(&["get"], POD_LOGS),
        Need::perhaps(&["get"], TRAIN_JOBS),
    ];

    async fn call(self, caller: &Caller) -> Result<TrialMetrics> {
        let experiment = find(caller, self.namespace.as_deref(), &self.name).await?;
        let trial = match &self.trial {
            Some(name) => named(caller, &experiment, name).await?,
            None => {
                let trials = Trials::read(caller, &experiment, REQUESTS).await?;
                let best = trials.ranked(&experiment).first().map(|it| it.trial.name_any());
                // Before there is a best one, the first to run tells most.
                let first =
                    || trials.all.iter().min_by_key(|it| (it.creation_timestamp(), it.name_any()));
                let name = best.or_else(|| first().map(ResourceExt::name_any));
                let name = name.ok_or_else(|| {
                    Error::conflict("it has no trials yet", "wait_for_optimization waits for one")
                })?;
                named(caller, &experiment, &name).await?
            }
        };
        Ok(TrialMetrics::of(caller, &experiment, &trial, self.points).await)
    }
}

/// One trial of an experiment.
pub(crate) async fn named(caller: &Caller, experiment: &Experiment, name: &str) -> Result<Trial> {
    let namespace = experiment.namespace();
    let of = experiment.name_any();
    let found = caller.api::<Trial>(namespace.as_deref()).get_opt(name).await;
    let found = match found {
        // A name that no object can have.
        Err(kube::Error::Api(status)) if status.code == 400 => None,
        found => found?,
    };
    let own = |it: &Trial| {
        it.labels().get(crate::api::EXPERIMENT_LABEL) == Some(&of) && belongs(it, experiment)
    };
    found.filter(own).ok_or_else(|| {
        let problem = format!("which is no trial of {of:?}; get_best_results names some");
        Error::value("trial", name, problem)
    })
}

impl TrialMetrics {
    async fn of(caller: &Caller, experiment: &Experiment, trial: &Trial, points: usize) -> Self {
        let objective = trial.spec.objective.clone().or_else(|| experiment.spec.objective.clone());
        let objective = objective.unwrap_or_default();
        let names: Vec<&str> = std::iter::once(&objective.objective_metric_name)
            .chain(&objective.additional_metric_names)
            .map(String::as_str)
            .collect();
        let observed = trial.status.as_ref().and_then(|it| it.observation.as_ref());
        let observed: &[Metric] = observed.map_or(&[], |it| &it.metrics);
        let mut told = Self {
            trial: trial.name_any(),
            state: TrialState::of(trial),
            parameters: parameters(trial),
            source: Source::None,
            metrics: Vec::new(),
            progress_percentage: None,
            missing: Vec::new(),
        };
        let printed = told.printed(caller, trial, &names).await;
        let by_name = curves(&printed);
        told.metrics = names.iter().map(|it| Curve::of(it, observed, &by_name, points)).collect();
        if told.source == Source::None {
            told.ask_trainer(caller, trial).await;
        }
        if told.source == Source::None && !observed.is_empty() {
            told.source = Source::Observation;
        }
        told.say_what_is_missing(&names, trial);
        told
    }

    /// The values in the trial's log, or those that were kept of it.
    async fn printed(&mut self, caller: &Caller, trial: &Trial, names: &[&str]) -> Vec<Point> {
        let collector = kind(trial.spec.metrics_collector.as_ref());
        if !matches!(collector, "StdOut" | "File") {
            self.missing.push(format!(
                "the log: what a {collector} collector takes is not printed line by line"
            ));
        } else {
            let (points, problem) = match printed::read(caller, trial, names).await {
                Ok(printed) => (printed.points, printed.problem),
                Err(error) if error.code() == "forbidden" => {
                    (Vec::new(), Some("you may not read it".to_owned()))
                }
                Err(error) => (Vec::new(), Some(error.to_string())),
            };
            self.missing.extend(problem.map(|it| format!("the log: {it}")));
            if !points.is_empty() {
                self.source = Source::Log;
                return points;
            }
        }
        let kept = trial.annotations().get(ANNOTATION).map(|it| kept(it));
        let kept = kept.unwrap_or_default();
        if !kept.is_empty() {
            self.source = Source::Annotation;
        }
        kept
    }

    /// The last values that a TrainJob's program has reported.
    async fn ask_trainer(&mut self, caller: &Caller, trial: &Trial) {
        let workload = trial.spec.run_spec.as_ref();
        if workload.and_then(|it| it["kind"].as_str()) != Some("TrainJob") {
            return;
        }
        let jobs = caller.api::<TrainJob>(trial.namespace().as_deref());
        let job = match jobs.get(&trial.name_any()).await {
            Ok(job) => job,
            Err(error) => {
                self.missing.push(format!("the TrainJob: {}", Error::from(error)));
                return;
            }
        };
        let Some(reported) = job.status.and_then(|it| it.trainer_status) else { return };
        self.progress_percentage = reported.progress_percentage;
        for metric in reported.metrics {
            if let Some(curve) = self.metrics.iter_mut().find(|it| it.metric == metric.name) {
                self.source = Source::TrainerStatus;
                curve.points.push(Dot { at: None, value: metric.value });
                curve.printed = 1;
            }
        }
    }

    fn say_what_is_missing(&mut self, names: &[&str], trial: &Trial) {
        if self.source == Source::Log {
            let silent: Vec<&str> = (self.metrics.iter().filter(|it| it.printed == 0))
                .map(|it| it.metric.as_str())
                .collect();
            if !silent.is_empty() {
                self.missing.push(format!("no line of the log states {}", silent.join(", ")));
            }
            return;
        }
        if self.source == Source::None {
            let what = names.join(", ");
            self.missing.push(match TrialState::of(trial).is_final() {
                true => format!("nothing that is left states {what}"),
                false => format!("nothing states {what} yet: Katib collects at a trial's end"),
            });
        }
        if self.source != Source::Annotation {
            self.missing.push("Katib's database was not asked: it is no Kubernetes API".to_owned());
        }
    }
}

impl Curve {
    fn of(
        name: &str,
        observed: &[Metric],
        printed: &HashMap<&str, Vec<&Point>>,
        most: usize,
    ) -> Self {
        let points = printed.get(name).cloned().unwrap_or_default();
        let kept = observed.iter().find(|it| it.name == name);
        Self {
            metric: name.to_owned(),
            kept: kept.map(|it| Kept {
                min: it.min.clone(),
                max: it.max.clone(),
                latest: it.latest.clone(),
            }),
            printed: points.len(),
            points: thinned(points, most)
                .into_iter()
                .map(|it| Dot { at: printed::text(it.at), value: it.value.clone() })
                .collect(),
        }
    }
}

fn fifty() -> usize {
    50
}

#[cfg(all(test, feature = "local"))]
mod tests;
