//! Jobs that run a Python script.

use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use workloads::{
    code::{self, Code, Start},
    environment,
    output::Output,
    train_job::{
        choice::{self, Chosen, Takes},
        options::Options,
        plan::{Plan, Program, Size},
    },
};

use super::{
    Submission,
    submit::{self, Place},
};

/// Runs a Python script as a training job on a cluster. Call it unconfirmed first: the preview
/// checks everything and proposes a name.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunCustomTraining {
    /// A whole Python program, not only a function.
    #[schemars(length(min = 1, max = 524_288))]
    script: String,
    /// From list_runtimes.
    pub(super) runtime: Option<String>,
    #[schemars(description = "Needed to confirm.", length(max = 63))]
    pub(super) name: Option<String>,
    /// Default: yours.
    namespace: Option<String>,
    /// Default: the runtime's.
    #[schemars(range(min = 1, max = 1000))]
    num_nodes: Option<i32>,
    /// Default: the runtime's.
    #[schemars(range(min = 0, max = 16))]
    gpu_per_node: Option<u32>,
    /// Reach the script as --key=value and as JSON in $FUNC_ARGS.
    #[serde(default)]
    func_args: Map<String, Value>,
    /// For pip, such as "numpy>=2".
    #[serde(default)]
    #[schemars(length(max = 50))]
    packages: Vec<String>,
    /// Default: the runtime's.
    #[schemars(length(max = 500))]
    image: Option<String>,
    /// First the index, then extra ones.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pip_index_urls: Vec<String>,
    /// Such as {"cpu": 2, "memory": "4Gi"}.
    #[serde(default)]
    resources_per_node: Map<String, Value>,
    /// A secret only as {"secret": NAME, "key": KEY}.
    #[serde(default)]
    env: Map<String, Value>,
    /// pvc://CLAIM/PATH or s3://BUCKET/PATH, in $MODEL_OUTPUT: save the model there.
    output: Option<String>,
    /// queue, priority, time_limit_seconds, node_selector, tolerations, affinity, volumes,
    /// volume_mounts, service_account_name, image_pull_secrets, labels, annotations.
    #[serde(default)]
    options: Map<String, Value>,
}

impl Tool for RunCustomTraining {
    type Output = Submission;
    const NAME: &str = "run_custom_training";
    const TITLE: &str = "Run a training script";
    const EFFECT: Effect = Effect::Creates;
    const PERSONA: Persona = Persona::DataScientist;
    const NEEDS: &[Need] = submit::NEEDS;

    async fn call(self, caller: &Caller) -> Result<Submission> {
        let place = Place::of(caller, self.namespace.as_deref(), self.name.as_deref())?;
        let catalogue = place.runtimes(caller).await?;
        let chosen = choice::choose(&catalogue, self.runtime.as_deref(), Takes::Scripts)?;
        let plan = self.plan(&place.name, chosen)?;
        let start = choice::start(&plan.chosen.runtime);
        let mut submission = submit::submit(caller, &place, &plan).await?;
        submission.command = Some(start.summary(&plan.program.args));
        submission.processes_per_node = Some(processes(&plan, start));
        submission.code_bytes = Some(self.script.len());
        submission.code_digest = Some(code::digest(&self.script));
        submission.env = self.env.keys().cloned().collect();
        submission.packages = self.packages;
        if environment::holds_token(&self.script) {
            let advice = "everyone who may read the job can read it; give it in env from a Secret";
            let warning = format!("the script holds what looks like a token: {advice}");
            submission.warnings.push(warning);
        }
        Ok(submission)
    }
}

impl RunCustomTraining {
    pub(super) fn plan(&self, name: &str, chosen: Chosen) -> Result<Plan> {
        let options = Options::read(&self.options)?;
        let output = self.output.as_deref().map(Output::read).transpose()?;
        let env = environment::variables("env", &self.env)?;
        let code = Code {
            source: &self.script,
            start: choice::start(&chosen.runtime),
            func_args: &self.func_args,
            packages: &self.packages,
            pip_index_urls: &self.pip_index_urls,
            env: environment::with_output(env, output.as_ref())?,
        };
        let size = Size {
            nodes: self.num_nodes,
            gpus: self.gpu_per_node,
            resources: Some(&self.resources_per_node),
        };
        let delivery = code.deliver()?;
        let program = Program {
            image: self.image.clone(),
            command: delivery.command,
            args: delivery.args,
            env: delivery.env,
            packages: Some(self.packages.clone()),
            initializer: None,
        };
        Plan::of(name.into(), chosen, &size, options, program)?.land(output.as_ref(), None)
    }
}

/// How many processes each node starts, and why.
fn processes(plan: &Plan, start: Start) -> String {
    let devices = plan.resources.iter().find(|(name, _)| name.to_lowercase().contains("gpu"));
    match (start, plan.processes, devices) {
        (Start::Python, ..) => "1".to_owned(),
        (Start::Mpirun, ..) => "one a slot of the host file".to_owned(),
        (Start::Torchrun, Some(count), _) => format!("{count}, one a device"),
        (Start::Torchrun, None, Some((name, count))) if count != "0" => {
            format!("{count}, one a {name}")
        }
        (Start::Torchrun, None, _) => match plan.resources.get("cpu") {
            Some(cpus) => format!("{cpus} rounded up, one a CPU, since no GPU is asked for"),
            None => "1, since neither a GPU nor CPUs are asked for".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests;
