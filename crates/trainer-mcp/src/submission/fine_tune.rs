//! Jobs that fine-tune a model with a training program that the runtime brings.

mod recipe;
mod settings;
mod sources;

use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use workloads::{
    output::Output,
    train_job::{
        choice::{self, Chosen, Takes},
        options::Options,
        plan::{Plan, Program, Size},
        runtime::{DATASET_INITIALIZER, MODEL_INITIALIZER, Runtime},
    },
};

use self::{
    settings::Settings,
    sources::{Environments, Source},
};
use super::{
    Submission,
    submit::{self, Place},
};

/// Fine-tunes a language model on a data set with a recipe of the cluster. Call it unconfirmed
/// first.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FineTune {
    /// hf://ORG/NAME or s3://BUCKET/PATH.
    #[schemars(length(max = 2048))]
    model: String,
    /// The same, perhaps with a folder or file.
    #[schemars(length(max = 2048))]
    dataset: String,
    /// What trains.
    #[serde(default)]
    backend: Backend,
    /// Default: the model's.
    runtime: Option<String>,
    #[schemars(description = "Needed to confirm.", length(max = 63))]
    name: Option<String>,
    /// Default: yours.
    namespace: Option<String>,
    /// Over the data.
    #[schemars(range(min = 1, max = 1000))]
    epochs: Option<u32>,
    /// Per device.
    #[schemars(range(min = 1, max = 1024))]
    batch_size: Option<u32>,
    /// rank, alpha, dropout, attn_modules, apply_to_mlp, apply_to_output, quantize_base (QLoRA),
    /// use_dora. Absent: all weights are trained.
    lora: Option<Map<String, Value>>,
    /// Of the data: source, split, train_on_input, system_prompt, column_map.
    #[serde(default)]
    dataset_format: Map<String, Value>,
    /// dtype, loss, and others of TorchTune such as optimizer.lr.
    #[serde(default)]
    settings: Map<String, Value>,
    /// {"model": VARIABLES, "dataset": …, "node": …}, as {"ACCESS_TOKEN": {"secret": NAME, "key":
    /// KEY}, "ENDPOINT": URL}.
    #[serde(default)]
    env: Map<String, Value>,
    /// Default: the runtime's.
    #[schemars(range(min = 1, max = 1000))]
    num_nodes: Option<i32>,
    /// Such as {"gpu": 1}.
    #[serde(default)]
    resources_per_node: Map<String, Value>,
    /// pvc://CLAIM/PATH.
    output: Option<String>,
    /// queue, priority, time_limit_seconds, node_selector, tolerations, affinity, volumes,
    /// volume_mounts, service_account_name, image_pull_secrets, labels, annotations.
    #[serde(default)]
    options: Map<String, Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Backend {
    #[default]
    Torchtune,
}

impl Backend {
    /// How runtimes call it in their label.
    fn framework(self) -> &'static str {
        match self {
            Self::Torchtune => "torchtune",
        }
    }
}

impl Tool for FineTune {
    type Output = Submission;
    const NAME: &str = "fine_tune";
    const TITLE: &str = "Fine-tune a model";
    const EFFECT: Effect = Effect::Creates;
    const PERSONA: Persona = Persona::DataScientist;
    const NEEDS: &[Need] = submit::NEEDS;

    async fn call(self, caller: &Caller) -> Result<Submission> {
        let place = Place::of(caller, self.namespace.as_deref(), self.name.as_deref())?;
        let catalogue = place.runtimes(caller).await?;
        let takes = Takes::Model { framework: self.backend.framework(), model: &self.model };
        let chosen = choice::choose(&catalogue, self.runtime.as_deref(), takes)?;
        let plan = self.plan(&place.name, chosen)?;
        let mut submission = submit::submit(caller, &place, &plan).await?;
        submission.recipe = Some(recipe::name(&plan));
        submission.command = Some(plan.program.args.join(" "));
        submission.warnings.extend(self.warnings(&plan));
        Ok(submission)
    }
}

impl FineTune {
    pub(super) fn plan(&self, name: &str, chosen: Chosen) -> Result<Plan> {
        recipe::check_initializers(&chosen)?;
        let options = Options::read(&self.options)?;
        let output = self.output.as_deref().map(Output::read).transpose()?;
        let environments = Environments::read(&self.env)?;
        let model = Source::model(&self.model)?;
        let dataset = Source::dataset(&self.dataset)?;
        let settings = Settings::read(self.lora.as_ref(), &self.dataset_format, &self.settings)?;
        let program = Program {
            command: vec!["tune".to_owned(), "run".to_owned()],
            args: settings.arguments(self.batch_size, self.epochs, &dataset),
            env: environments.node,
            initializer: Some(serde_json::json!({
                "dataset": dataset.initializer(environments.dataset)?,
                "model": model.initializer(environments.model)?,
            })),
            ..Program::default()
        };
        let size =
            Size { nodes: self.num_nodes, gpus: None, resources: Some(&self.resources_per_node) };
        let folder = recipe::output_folder(&chosen.runtime).map(str::to_owned);
        let plan = Plan::of(name.into(), chosen, &size, options, program)?;
        recipe::check(&plan)?;
        recipe::land(plan, output.as_ref(), folder.as_deref())
    }

    /// What is allowed, and probably not meant.
    fn warnings(&self, plan: &Plan) -> Vec<String> {
        let mut warnings = Vec::new();
        let (runtime, framework) = (&plan.chosen.reference.name, self.backend.framework());
        if !choice::is_named_after(runtime, framework, &self.model) {
            warnings.push(format!(
                "runtime {runtime:?} does not seem to be made for {:?}: other architectures fail when their weights are loaded",
                self.model
            ));
        }
        let has_token = plan.program.initializer.as_ref().is_some_and(|it| {
            let env = it["model"]["env"].as_array().into_iter().flatten();
            env.into_iter().any(|it| it["name"] == "ACCESS_TOKEN")
        });
        if self.model.starts_with("hf://meta-llama/") && !has_token {
            warnings.push("Hugging Face gives models of meta-llama to those alone who have accepted their licence: give env.model.ACCESS_TOKEN from a Secret".to_owned());
        }
        if self.output.is_none() && plan.output.is_some() {
            warnings.push("the model lands on a volume that is deleted with the job: copy it before, or give output".to_owned());
        }
        warnings
    }
}

/// The Jobs without which a model or a data set would never arrive.
fn lacks_initializer(runtime: &Runtime) -> Option<&'static str> {
    let there = runtime.initializers();
    [DATASET_INITIALIZER, MODEL_INITIALIZER].into_iter().find(|it| !there.contains(it))
}

#[cfg(test)]
mod tests;
