//! How much memory training a model takes, before it is tried.

mod activations;
mod description;
mod known;
mod memory;
mod model;
mod plan;
mod savings;

use std::collections::BTreeMap;

use kubeflow_mcp_core::{Caller, Effect, Error, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::{
    memory::{Memory, Moment},
    model::Model,
    plan::{Method, Plan, Settings, Size, TrainerType},
    savings::Saving,
};
use workloads::train_job::{
    catalogue::Catalogue,
    runtime::{CLUSTER_RUNTIMES, RUNTIMES, Runtime},
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<EstimateResources>()];

const GIB: f64 = (1 << 30) as f64;
/// What GPUs of the usual kinds have.
const GPUS: [f64; 10] = [16.0, 24.0, 32.0, 40.0, 48.0, 80.0, 96.0, 141.0, 192.0, 288.0];
/// What the driver and its libraries take of each GPU.
const CONTEXT: f64 = 1.0;
/// What the allocator loses between pieces of different sizes.
const FRAGMENTATION: f64 = 1.1;

/// Estimates a model's memory per GPU, line by line. Call it before choosing GPUs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EstimateResources {
    /// Name, 7B, or config.json.
    model: Option<String>,
    /// Default: full.
    method: Option<Method>,
    /// Its trainer sets defaults.
    runtime: Option<String>,
    /// GPUs in all.
    #[schemars(range(min = 1))]
    num_workers: Option<u32>,
    /// Per GPU.
    #[schemars(range(min = 1))]
    batch_size: Option<u32>,
    /// Tokens.
    #[schemars(range(min = 1))]
    sequence_length: Option<u32>,
    /// precision, sharding, checkpointing, …
    #[serde(default)]
    settings: Map<String, Value>,
}

#[derive(Serialize, JsonSchema)]
struct Estimate {
    /// What is known of the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Subject>,
    /// At the fullest moment; nothing for the driver and the allocator's losses.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_gpu_gib: Option<f64>,
    /// The same with those.
    #[serde(skip_serializing_if = "Option::is_none")]
    needed_gib: Option<f64>,
    /// The smallest usual GPU that has it, or that none has.
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<String>,
    /// Of the host's memory for each GPU, beside what loading takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    host_gib: Option<f64>,
    /// When memory is fullest.
    #[serde(skip_serializing_if = "Option::is_none")]
    peak: Option<&'static str>,
    /// What lies in one GPU's memory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<Row>,
    /// What it was reckoned with, asked for or usual.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    assumed: Vec<String>,
    /// What would take less.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    savings: Vec<Saving>,
    /// What the runtime gives to each node, which its image was made for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    runtime_resources: BTreeMap<String, String>,
    /// How far to trust it.
    certainty: Certainty,
    /// What that rests on.
    because: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct Subject {
    name: String,
    /// In all.
    parameters: String,
    /// That learn.
    #[serde(skip_serializing_if = "Option::is_none")]
    trainable: Option<String>,
    /// Layers, widths and words.
    #[serde(skip_serializing_if = "Option::is_none")]
    shape: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Row {
    /// Its name.
    what: &'static str,
    /// Its size.
    gib: f64,
    /// Where that comes from.
    formula: String,
    /// Where it is no part of per_gpu_gib, why.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_counted: Option<&'static str>,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Certainty {
    High,
    Medium,
    Low,
}

impl Tool for EstimateResources {
    type Output = Estimate;
    const NAME: &str = "estimate_resources";
    const TITLE: &str = "Estimate a training job's memory";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] =
        &[Need::perhaps(&["list"], CLUSTER_RUNTIMES), Need::perhaps(&["list"], RUNTIMES)];

    async fn call(self, caller: &Caller) -> Result<Estimate> {
        let runtime = match &self.runtime {
            Some(name) => Some(runtime(caller, name).await?),
            None => None,
        };
        let settings = Settings::of(&self.settings)?;
        let trainer = settings.trainer()?.unwrap_or(match &runtime {
            Some(runtime) if runtime.is_builtin() => TrainerType::Builtin,
            Some(_) if self.model.is_none() => TrainerType::Container,
            _ => TrainerType::Custom,
        });
        let runtime_resources: BTreeMap<String, String> = runtime
            .iter()
            .flat_map(Runtime::resources)
            .map(|(name, amount)| (name.to_owned(), amount.to_owned()))
            .collect();
        let Some(model) = &self.model else {
            return of_runtime(trainer, runtime_resources, runtime.is_some());
        };
        let model = description::read(model)?;
        let size = Size {
            workers: self.num_workers.map_or_else(|| devices(runtime.as_ref()), u64::from),
            batch: self.batch_size.unwrap_or(4).into(),
            sequence: self.sequence_length.unwrap_or(2048).into(),
        };
        let plan = Plan::of(self.method.unwrap_or_default(), trainer, size, &settings)?;
        Ok(Estimate { runtime_resources, ..Estimate::of(&model, &plan, trainer) })
    }
}

/// What can be said without a model: what the image was given by whoever made the runtime.
fn of_runtime(
    trainer: TrainerType,
    resources: BTreeMap<String, String>,
    named: bool,
) -> Result<Estimate> {
    if trainer != TrainerType::Container {
        return Err(Error::argument("model", "is required, unless the trainer is a container"));
    }
    if !named {
        let problem = "is required where there is no model: what a container takes is only known from what its runtime gives it";
        return Err(Error::argument("runtime", problem));
    }
    let because = match resources.is_empty() {
        true => {
            "the runtime says nothing of resources, and a container's image tells nothing: run it once with much, and look"
        }
        false => {
            "a container's image tells nothing of its memory: this is what its runtime gives it; with model it is reckoned"
        }
    };
    Ok(Estimate {
        model: None,
        per_gpu_gib: None,
        needed_gib: None,
        gpu: None,
        host_gib: None,
        peak: None,
        lines: Vec::new(),
        assumed: Vec::new(),
        savings: Vec::new(),
        runtime_resources: resources,
        certainty: Certainty::Low,
        because,
    })
}

async fn runtime(caller: &Caller, name: &str) -> Result<Runtime> {
    let catalogue = Catalogue::of(caller, None).await?;
    let entry = catalogue.find(name).ok_or_else(|| catalogue.unknown(name))?;
    entry.runtime.clone().map_err(|problem| {
        Error::value("runtime", name, format!("which cannot be read: {problem}"))
    })
}

/// As many GPUs as the runtime starts with.
fn devices(runtime: Option<&Runtime>) -> u64 {
    let Some(runtime) = runtime else { return 1 };
    let each = runtime.device().and_then(|(_, count)| count.parse().ok()).unwrap_or(1);
    let nodes = u64::try_from(runtime.nodes()).unwrap_or(1);
    nodes.saturating_mul(each).clamp(1, u32::MAX.into())
}

impl Estimate {
    fn of(model: &Model, plan: &Plan, trainer: TrainerType) -> Self {
        let memory = Memory::of(model, plan);
        let needed = memory.peak_bytes() / GIB * FRAGMENTATION + CONTEXT;
        let row = |line: &memory::Line| Row {
            what: line.what,
            gib: rounded(line.bytes / GIB),
            formula: line.formula.clone(),
            not_counted: match (line.on_host, memory.counts(line)) {
                (true, _) => Some("in the host's memory"),
                (false, true) => None,
                (false, false) => Some("not there at the peak"),
            },
        };
        let (certainty, because) = certainty(model, trainer);
        let host = memory.host_bytes() / GIB;
        Self {
            model: Some(Subject::of(model, memory.trainable)),
            per_gpu_gib: Some(rounded(memory.peak_bytes() / GIB)),
            needed_gib: Some(rounded(needed)),
            gpu: Some(match GPUS.iter().find(|it| **it >= needed) {
                Some(size) => format!("{size} GiB"),
                None => format!("none has {needed:.0} GiB: use more of them, or savings"),
            }),
            host_gib: (host > 0.0).then(|| rounded(host)),
            peak: Some(match (plan.method, memory.peak) {
                (Method::Inference, _) => "at the end of the longest sequence",
                (_, Moment::Loss) => "when the loss is computed",
                (_, Moment::Layer) => "when the last layer's activations are computed again",
                (_, Moment::Gradients) => "when all gradients are there",
            }),
            lines: memory.lines.iter().map(row).collect(),
            assumed: plan.told(),
            savings: savings::of(model, plan, memory.peak_bytes()),
            runtime_resources: BTreeMap::new(),
            certainty,
            because,
        }
    }
}

impl Subject {
    fn of(model: &Model, trainable: f64) -> Self {
        let shape = model.shape.as_ref().map(|it| {
            let experts = it.experts.map_or_else(String::new, |experts| {
                format!(", {} experts of which {} are met", experts.count, experts.active)
            });
            format!(
                "{} layers, {} wide, {} heads ({} of keys) of {}, {} intermediate, {} words{experts}",
                it.layers, it.hidden, it.heads, it.kv_heads, it.head_size, it.intermediate, it.vocabulary
            )
        });
        Self {
            name: model.name.clone(),
            parameters: memory::short(memory::of(model.parameters)),
            trainable: (trainable > 0.0).then(|| memory::short(trainable)),
            shape,
        }
    }
}

fn certainty(model: &Model, trainer: TrainerType) -> (Certainty, &'static str) {
    match (&model.shape, trainer) {
        (None, _) => (
            Certainty::Low,
            "only the number of parameters is known: activations and logits are missing, and may be most of it; give a name or a config.json",
        ),
        (Some(_), TrainerType::Builtin) => (
            Certainty::High,
            "shape and recipe are known; published measurements of such recipes lie within 20 %",
        ),
        (Some(_), _) => (
            Certainty::Medium,
            "the shape is known, but the code decides what is kept: what was not given is assumed to be wasteful",
        ),
    }
}

/// To a hundredth where it is little, else to a tenth.
fn rounded(gib: f64) -> f64 {
    let scale = if gib < 10.0 { 100.0 } else { 10.0 };
    (gib * scale).round() / scale
}

#[cfg(test)]
#[cfg(feature = "local")]
mod tests;
