//! Jobs that run an image as it is.

use kubeflow_mcp_core::{Caller, Effect, Error, Need, Persona, Result, Tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use workloads::{
    environment, image,
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

/// Runs a container image as a training job on a cluster. Call it when the program is in the image;
/// unconfirmed first, as the preview checks everything.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunContainerTraining {
    /// With a tag or digest.
    #[schemars(length(min = 1, max = 500))]
    image: String,
    /// Default: the image's.
    #[serde(default)]
    #[schemars(length(max = 128))]
    command: Vec<String>,
    /// $(VAR) stands for a variable.
    #[serde(default)]
    #[schemars(length(max = 128))]
    args: Vec<String>,
    /// From list_runtimes.
    runtime: Option<String>,
    #[schemars(description = "Needed to confirm.", length(max = 63))]
    name: Option<String>,
    /// Default: yours.
    namespace: Option<String>,
    /// Default: the runtime's.
    #[schemars(range(min = 1, max = 1000))]
    num_nodes: Option<i32>,
    /// Default: the runtime's.
    #[schemars(range(min = 0, max = 16))]
    gpu_per_node: Option<u32>,
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

impl Tool for RunContainerTraining {
    type Output = Submission;
    const NAME: &str = "run_container_training";
    const TITLE: &str = "Run a training image";
    const EFFECT: Effect = Effect::Creates;
    const PERSONA: Persona = Persona::MlEngineer;
    const NEEDS: &[Need] = submit::NEEDS;

    async fn call(self, caller: &Caller) -> Result<Submission> {
        let place = Place::of(caller, self.namespace.as_deref(), self.name.as_deref())?;
        let catalogue = place.runtimes(caller).await?;
        let chosen = choice::choose(&catalogue, self.runtime.as_deref(), Takes::Scripts)?;
        let plan = self.plan(&place.name, chosen)?;
        let mut submission = submit::submit(caller, &place, &plan).await?;
        let words: Vec<&str> = self.command.iter().chain(&self.args).map(String::as_str).collect();
        submission.command = (!words.is_empty()).then(|| words.join(" "));
        submission.env = self.env.keys().cloned().collect();
        Ok(submission)
    }
}

impl RunContainerTraining {
    pub(super) fn plan(&self, name: &str, chosen: Chosen) -> Result<Plan> {
        image::check("image", &self.image)?;
        for (argument, words) in [("command", &self.command), ("args", &self.args)] {
            if words.iter().any(|it| environment::holds_token(it)) {
                let problem = "holds what looks like a token, which everyone who may read the job would see: give it in env from a Secret";
                return Err(Error::argument(argument, problem));
            }
        }
        let options = Options::read(&self.options)?;
        let output = self.output.as_deref().map(Output::read).transpose()?;
        let env = environment::variables("env", &self.env)?;
        let program = Program {
            image: Some(self.image.clone()),
            command: self.command.clone(),
            args: self.args.clone(),
            env: environment::with_output(env, output.as_ref())?,
            ..Program::default()
        };
        let size = Size {
            nodes: self.num_nodes,
            gpus: self.gpu_per_node,
            resources: Some(&self.resources_per_node),
        };
        Plan::of(name.into(), chosen, &size, options, program)?.land(output.as_ref(), None)
    }
}
