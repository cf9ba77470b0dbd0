//! Starting a search for good hyper-parameters of training code.

mod advice;
mod aim;
mod experiment;
mod output;
mod parameters;
mod program;
mod rehearsal;
mod shell;
mod source;
#[cfg(all(test, feature = "local"))]
mod tests;
mod trial;

use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Resource, Result, Sign, Tool, ToolDef};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use workloads::{
    creation,
    pods::PODS,
    train_job::{
        TRAIN_JOBS, names,
        runtime::{CLUSTER_RUNTIMES, RUNTIMES},
    },
};

use self::{aim::Direction, output::Optimization, parameters::Parameters};
use crate::{
    algorithms,
    api::{EXPERIMENTS, GROUP, VERSION},
    search_space::SearchSpace,
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<Optimize>()];

/// What is concluded from of what a cluster says to a new job.
pub const SIGNS: [Sign; 2] = rehearsal::SIGNS;

pub(crate) const JOBS: Resource = Resource::namespaced("batch", "jobs");
/// What proposed names start with.
const NAMES: &str = "tune";

/// Searches good hyper-parameters by running training code many times. Call it unconfirmed first.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Optimize {
    /// Searched or fixed: {"lr": {"min": 1e-4, "max": 0.1, "log": true}, "width": {"type": "int",
    /// "min": 8, "max": 64}, "opt": ["sgd", "adam"], "epochs": 5}. Reach the code as --name=value.
    parameters: Map<String, Value>,
    /// The code must print NAME=VALUE.
    objective_metric_name: String,
    /// Default: by name.
    objective_type: Option<Direction>,
    /// Ends the search.
    objective_goal: Option<f64>,
    /// Others.
    #[serde(default)]
    additional_metric_names: Vec<String>,
    /// A whole Python program; or command, or train_job.
    script: Option<String>,
    /// For pip.
    #[serde(default)]
    packages: Vec<String>,
    /// From list_runtimes.
    runtime: Option<String>,
    /// Default: the runtime's.
    image: Option<String>,
    /// Parameters follow it, or stand for ${trialParameters.NAME}.
    #[serde(default)]
    command: Vec<String>,
    /// Each trial repeats it.
    train_job: Option<String>,
    /// random (default), grid, tpe, multivariate-tpe, bayesianoptimization, cmaes, sobol, hyperband,
    /// pbt.
    algorithm_name: Option<String>,
    /// {"random_state": 1}.
    #[serde(default)]
    algorithm_settings: Map<String, Value>,
    /// medianstop's settings, or {}.
    early_stopping: Option<Map<String, Value>>,
    /// Default: 10.
    #[schemars(range(min = 1))]
    max_trial_count: Option<i32>,
    /// Default: 3.
    #[schemars(range(min = 1))]
    parallel_trial_count: Option<i32>,
    /// Default: 3.
    #[schemars(range(min = 0))]
    max_failed_trial_count: Option<i32>,
    /// {"cpu": 2, "memory": "4Gi"}.
    #[serde(default)]
    resources_per_trial: Map<String, Value>,
    /// Or {"secret": NAME, "key": KEY}.
    #[serde(default)]
    env: Map<String, Value>,
    #[schemars(description = "Needed to confirm.")]
    name: Option<String>,
    /// Yours.
    namespace: Option<String>,
    /// As of run_custom_training: queue, volumes …
    #[serde(default)]
    options: Map<String, Value>,
}

impl Tool for Optimize {
    type Output = Optimization;
    const NAME: &str = "optimize";
    const TITLE: &str = "Search good hyper-parameters";
    const EFFECT: Effect = Effect::Creates;
    const PERSONA: Persona = Persona::DataScientist;
    const NEEDS: &[Need] = &[
        Need::to(&["create"], EXPERIMENTS),
        Need::perhaps(&["get"], EXPERIMENTS),
        Need::perhaps(&["get"], TRAIN_JOBS),
        Need::perhaps(&["list"], CLUSTER_RUNTIMES),
        Need::perhaps(&["list"], RUNTIMES),
        // One trial is only rehearsed; who makes them is Katib's controller.
        Need::borrowed(&["create"], TRAIN_JOBS),
        Need::borrowed(&["create"], JOBS),
        Need::borrowed(&["create"], PODS),
    ];

    async fn call(self, caller: &Caller) -> Result<Optimization> {
        let namespace = caller.namespace(self.namespace.as_deref()).to_owned();
        let name = match &self.name {
            Some(name) => name.clone(),
            None if caller.rehearses() => names::propose(NAMES, caller.digest()),
            None => return Err(names::missing(NAMES, caller.digest())),
        };
        let parameters = Parameters::read(&self.parameters)?;
        let space = SearchSpace::check(&parameters.searched).map_err(experiment::space_refused)?;
        let (objective, unusual) = aim::objective(
            &self.objective_metric_name,
            self.objective_type,
            self.objective_goal,
            &self.additional_metric_names,
        )?;
        let mut experiment = self.experiment(&name, &parameters, &space, objective)?;
        let told = algorithms::check(&experiment, &space).map_err(experiment::refused)?;
        let trial = self.trial(caller, &name, &namespace, &parameters).await?;
        let mut warnings: Vec<String> = unusual.into_iter().chain(told).collect();
        warnings.extend(self.advice(&parameters));
        warnings.extend(trial.warnings.iter().cloned());

        let rehearsed = rehearsal::of_trial(caller, &namespace, &name, &trial, &space).await?;
        let mut template = trial.template();
        template.trial_parameters = parameters.of_trials();
        template.trial_spec = Some(rehearsed.workload);
        experiment.spec.trial_template = Some(template);
        warnings.extend(rehearsed.warnings);

        let sent = experiment::sent(&experiment)?;
        let path = format!("/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{}", EXPERIMENTS.plural);
        let creation = creation::create(caller, &path, sent.clone()).await;
        let creation = creation.map_err(|error| rehearsal::explained(error, &namespace))?;
        warnings.extend(creation.warnings);
        if caller.rehearses() {
            rehearsal::runnable(&warnings)?;
        }
        let mut output = self.output(name, namespace, &experiment, &parameters, &space, trial);
        output.created = creation.created;
        output.set_by_cluster = creation::set_by_cluster(&sent, &creation.object);
        output.warnings = warnings;
        Ok(output)
    }
}
