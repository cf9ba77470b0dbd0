//! How a model is to be trained, as far as memory depends on it: what was asked for, and what the
//! trainer does unless it is asked for something else.

use std::fmt;

use kubeflow_mcp_core::{Error, Result, did_you_mean};
use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// What is done with the model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Method {
    #[default]
    Full,
    Lora,
    Qlora,
    Inference,
}

/// What runs the training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TrainerType {
    /// Recipes of TorchTune, whose settings are known.
    Builtin,
    /// Somebody's code, which may do anything: it is taken for plain and wasteful.
    Custom,
    Container,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Precision {
    /// Everything in 16 bits, the optimizer too.
    #[serde(alias = "fp16")]
    Bf16,
    /// Computed in 16 bits, with weights and optimizer kept in 32.
    Mixed,
    Fp32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Optimizer {
    #[serde(alias = "adam")]
    Adamw,
    #[serde(rename = "adamw_8bit", alias = "adam_8bit")]
    Adamw8bit,
    /// Its states lie where the driver puts them: in the host's memory, when the GPU's is scarce.
    #[serde(rename = "paged_adamw_8bit")]
    PagedAdamw8bit,
    PagedAdamw,
    #[serde(alias = "momentum")]
    SgdMomentum,
    Lion,
    Sgd,
    Adafactor,
}

/// What is divided among the GPUs instead of repeated on each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sharding {
    /// Nothing, as with DistributedDataParallel.
    #[serde(alias = "ddp")]
    None,
    /// The optimizer's state.
    Zero1,
    /// Gradients too.
    Zero2,
    /// Weights too, as FSDP does.
    #[serde(alias = "fsdp")]
    Zero3,
}

/// Everything that memory depends on beside the model.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) method: Method,
    pub(super) workers: u64,
    /// Of each GPU.
    pub(super) batch: u64,
    pub(super) sequence: u64,
    pub(super) precision: Precision,
    pub(super) optimizer: Optimizer,
    pub(super) sharding: Sharding,
    /// Whether only each layer's input is kept, and the rest computed again.
    pub(super) checkpointing: bool,
    /// Whether the model is compiled, so that norms and losses leave no copies.
    pub(super) compiled: bool,
    /// Whether the loss is computed in pieces.
    pub(super) chunked_loss: bool,
    /// Whether attention never writes out its scores.
    pub(super) flash: bool,
    /// Whether gradients stay from one batch to the next.
    pub(super) accumulates: bool,
    /// Whether each gradient is used and dropped as soon as it is there.
    pub(super) optimizer_in_backward: bool,
    pub(super) offload_optimizer: bool,
    pub(super) offload_activations: bool,
    pub(super) lora_rank: u64,
    pub(super) lora_modules: Vec<Module>,
}

/// Where an adapter sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Module {
    Q,
    K,
    V,
    O,
    Gate,
    Up,
    Down,
}

impl Module {
    pub(super) const ALL: [Self; 7] =
        [Self::Q, Self::K, Self::V, Self::O, Self::Gate, Self::Up, Self::Down];
    /// What TorchTune's own configurations adapt.
    const RECIPES: [Self; 6] = [Self::Q, Self::V, Self::O, Self::Gate, Self::Up, Self::Down];
}

/// What a caller may say of it, by name.
pub(super) struct Settings<'a>(&'a Map<String, Value>);

pub(super) const SETTINGS: [&str; 14] = [
    "trainer",
    "precision",
    "optimizer",
    "sharding",
    "checkpointing",
    "compile",
    "chunked_loss",
    "flash_attention",
    "gradient_accumulation",
    "optimizer_in_backward",
    "offload_optimizer",
    "offload_activations",
    "lora_rank",
    "lora_modules",
];

impl<'a> Settings<'a> {
    pub(super) fn of(given: &'a Map<String, Value>) -> Result<Self> {
        match given.keys().find(|it| !SETTINGS.contains(&it.as_str())) {
            None => Ok(Self(given)),
            Some(name) => {
                let known = SETTINGS.join(", ");
                let problem =
                    format!("is not known{}; known are {known}", did_you_mean(name, SETTINGS));
                Err(Error::argument(format!("settings.{name}"), problem))
            }
        }
    }

    pub(super) fn trainer(&self) -> Result<Option<TrainerType>> {
        self.get("trainer")
    }

    fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let value = self.0.get(name).filter(|it| !it.is_null());
        let read = |value: &Value| {
            T::deserialize(value).map_err(|error| {
                Error::argument(format!("settings.{name}"), format!("cannot be read: {error}"))
            })
        };
        value.map(read).transpose()
    }

    fn flag(&self, name: &str, usual: bool) -> Result<bool> {
        Ok(self.get(name)?.unwrap_or(usual))
    }

    fn rank(&self, usual: u64) -> Result<u64> {
        match self.get("lora_rank")? {
            Some(rank) if !(1..=4096).contains(&rank) => {
                Err(Error::value("settings.lora_rank", rank, "must be between 1 and 4096"))
            }
            rank => Ok(rank.unwrap_or(usual)),
        }
    }
}

/// How much of what is asked for in which way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) workers: u64,
    pub(super) batch: u64,
    pub(super) sequence: u64,
}

impl Plan {
    /// Of recipes what they do; of anybody's code the worst that is usual.
    pub(super) fn of(
        method: Method,
        trainer: TrainerType,
        size: Size,
        asked: &Settings,
    ) -> Result<Self> {
        let recipe = trainer == TrainerType::Builtin;
        let alone = recipe && size.workers == 1 && method == Method::Full;
        let in_backward = asked.flag("optimizer_in_backward", alone)?;
        let whole = recipe || method == Method::Inference;
        let modules: &[Module] = if recipe { &Module::RECIPES } else { &Module::ALL };
        let usual = if alone { Optimizer::PagedAdamw8bit } else { Optimizer::Adamw };
        let sharding = if recipe { Sharding::Zero3 } else { Sharding::None };
        let precision = if whole { Precision::Bf16 } else { Precision::Mixed };
        Ok(Self {
            method,
            workers: size.workers,
            batch: size.batch,
            sequence: size.sequence,
            precision: asked.get("precision")?.unwrap_or(precision),
            optimizer: asked.get("optimizer")?.unwrap_or(usual),
            sharding: asked.get("sharding")?.unwrap_or(sharding),
            checkpointing: asked.flag("checkpointing", recipe)?,
            compiled: asked.flag("compile", false)?,
            chunked_loss: asked.flag("chunked_loss", recipe)?,
            flash: asked.flag("flash_attention", true)?,
            // Nothing can accumulate what is dropped at once.
            accumulates: asked.flag("gradient_accumulation", !recipe)? && !in_backward,
            optimizer_in_backward: in_backward,
            offload_optimizer: asked.flag("offload_optimizer", false)?,
            offload_activations: asked.flag("offload_activations", false)?,
            lora_rank: asked.rank(if recipe { 8 } else { 16 })?,
            lora_modules: asked.get("lora_modules")?.unwrap_or_else(|| modules.to_vec()),
        })
    }

    /// By how many what is sharded from this stage on is divided.
    pub(super) fn shards(&self, from: Sharding) -> u64 {
        if self.sharding >= from { self.workers } else { 1 }
    }

    pub(super) fn adapts(&self) -> bool {
        matches!(self.method, Method::Lora | Method::Qlora)
    }

    pub(super) fn trains(&self) -> bool {
        self.method != Method::Inference
    }

    /// What is taken as given, in a few words each.
    pub(super) fn told(&self) -> Vec<String> {
        let Self { batch, sequence, workers, precision, .. } = self;
        let mut told = vec![
            format!("{batch} sequences of {sequence} tokens a GPU, {workers} GPUs"),
            format!("precision {precision}"),
        ];
        if !self.trains() {
            return told;
        }
        told.push(format!("optimizer {}", self.optimizer));
        if *workers > 1 {
            told.push(format!("sharding {}", self.sharding));
        }
        if self.adapts() {
            told.push(format!(
                "lora_rank {} on {} matrices a layer",
                self.lora_rank,
                self.lora_modules.len()
            ));
        }
        let flags = [
            ("checkpointing", self.checkpointing),
            ("compile", self.compiled),
            ("chunked_loss", self.chunked_loss),
            ("flash_attention", self.flash),
            ("gradient_accumulation", self.accumulates),
            ("optimizer_in_backward", self.optimizer_in_backward),
            ("offload_optimizer", self.offload_optimizer),
            ("offload_activations", self.offload_activations),
        ];
        let (on, off): (Vec<_>, Vec<_>) = flags.into_iter().partition(|(_, on)| *on);
        for (word, flags) in [("with", on), ("without", off)] {
            let names: Vec<&str> = flags.into_iter().map(|(name, _)| name).collect();
            if !names.is_empty() {
                told.push(format!("{word} {}", names.join(", ")));
            }
        }
        told
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bf16 => "bf16",
            Self::Mixed => "mixed",
            Self::Fp32 => "fp32",
        })
    }
}

impl fmt::Display for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Adamw => "adamw",
            Self::Adamw8bit => "adamw_8bit",
            Self::PagedAdamw8bit => "paged_adamw_8bit",
            Self::PagedAdamw => "paged_adamw",
            Self::SgdMomentum => "sgd_momentum",
            Self::Lion => "lion",
            Self::Sgd => "sgd",
            Self::Adafactor => "adafactor",
        })
    }
}

impl fmt::Display for Sharding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Zero1 => "zero1",
            Self::Zero2 => "zero2",
            Self::Zero3 => "zero3",
        })
    }
}
