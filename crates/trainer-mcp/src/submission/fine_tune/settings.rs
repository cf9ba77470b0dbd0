//! TorchTune's settings: what the arguments say, as the words of its command line.

use std::collections::BTreeMap;

use kubeflow_mcp_core::{Error, Result, read_fields};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Number, Value};
use workloads::code::unexpanded;

use super::sources::Source;
use crate::torchtune::OF_THE_RUNTIME;

#[derive(Debug)]
pub(super) struct Settings {
    lora: Option<Lora>,
    format: Format,
    basic: Basic,
    /// As they are given, for whatever else a recipe knows.
    others: Vec<(String, String)>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Lora {
    #[schemars(range(min = 1, max = 1024))]
    rank: Option<u32>,
    #[schemars(range(min = 1, max = 4096))]
    alpha: Option<u32>,
    #[schemars(with = "Option<f64>", range(min = 0.0, max = 1.0))]
    dropout: Option<Number>,
    #[serde(default = "usual_modules")]
    #[schemars(length(min = 1, max = 4))]
    attn_modules: Vec<Module>,
    apply_to_mlp: Option<bool>,
    apply_to_output: Option<bool>,
    quantize_base: Option<bool>,
    use_dora: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
enum Module {
    #[serde(rename = "q_proj")]
    Query,
    #[serde(rename = "k_proj")]
    Key,
    #[serde(rename = "v_proj")]
    Value,
    #[serde(rename = "output_proj")]
    Output,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Format {
    source: Option<Form>,
    #[schemars(length(min = 1, max = 256))]
    split: Option<String>,
    train_on_input: Option<bool>,
    #[schemars(length(min = 1, max = 4096))]
    system_prompt: Option<String>,
    #[serde(default)]
    column_map: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Form {
    Json,
    Csv,
    Parquet,
    Arrow,
    Text,
    Xml,
}

/// The settings that every recipe has.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Basic {
    dtype: Option<Dtype>,
    loss: Option<Loss>,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Dtype {
    Bf16,
    Fp32,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
enum Loss {
    #[serde(rename = "torchtune.modules.loss.CEWithChunkedOutputLoss")]
    Chunked,
}

impl Settings {
    pub(super) fn read(
        lora: Option<&Map<String, Value>>,
        format: &Map<String, Value>,
        settings: &Map<String, Value>,
    ) -> Result<Self> {
        let is_basic = |name: &str| ["dtype", "loss"].contains(&name);
        let (basic, others): (Map<String, Value>, Map<String, Value>) =
            settings.clone().into_iter().partition(|(name, _)| is_basic(name));
        let format: Format = read_fields("dataset_format", format)?;
        check_format(&format)?;
        Ok(Self {
            lora: lora.map(|it| read_fields("lora", it)).transpose()?,
            format,
            basic: read_fields("settings", &basic)?,
            others: others.iter().map(|(name, value)| other(name, value)).collect::<Result<_>>()?,
        })
    }

    /// In the order in which the Kubeflow SDK writes them.
    pub(super) fn arguments(
        &self,
        batch_size: Option<u32>,
        epochs: Option<u32>,
        dataset: &Source<'_>,
    ) -> Vec<String> {
        let mut args = Vec::new();
        let mut set = |key: &str, value: Option<String>| {
            args.extend(value.map(|it| unexpanded(&format!("{key}={it}"))));
        };
        set("dtype", self.basic.dtype.map(|it| it.name().to_owned()));
        set("batch_size", batch_size.map(|it| it.to_string()));
        set("epochs", epochs.map(|it| it.to_string()));
        set("loss", self.basic.loss.map(|it| it.name().to_owned()));
        let data = dataset.data();
        if let Some((key, value)) = data.split_once('=') {
            set(key, Some(value.to_owned()));
        }
        if let Some(lora) = &self.lora {
            set("model.apply_lora_to_mlp", lora.apply_to_mlp.map(boolean));
            set("model.apply_lora_to_output", lora.apply_to_output.map(boolean));
            set("model.lora_rank", lora.rank.map(|it| it.to_string()));
            set("model.lora_alpha", lora.alpha.map(|it| it.to_string()));
            set("model.lora_dropout", lora.dropout.as_ref().map(Number::to_string));
            set("model.quantize_base", lora.quantize_base.map(boolean));
            set("model.use_dora", lora.use_dora.map(boolean));
            let modules: Vec<&str> = lora.attn_modules.iter().map(|it| it.name()).collect();
            set("model.lora_attn_modules", Some(format!("[{}]", modules.join(","))));
        }
        // Without these the Trainer would have the recipe's own data fetched, and train with them.
        set("dataset", Some("torchtune.datasets.instruct_dataset".to_owned()));
        let form = self.format.source.map(Form::name).or(dataset.form()).unwrap_or("parquet");
        set("dataset.source", Some(form.to_owned()));
        set("dataset.split", self.format.split.clone());
        set("dataset.train_on_input", self.format.train_on_input.map(boolean));
        set("dataset.new_system_prompt", self.format.system_prompt.as_deref().map(scalar));
        if !self.format.column_map.is_empty() {
            let columns = self.format.column_map.iter();
            let columns: Vec<String> =
                columns.map(|(key, it)| format!("'{key}': '{it}'")).collect();
            set("dataset.column_map", Some(format!("{{{}}}", columns.join(", "))));
        }
        for (key, value) in &self.others {
            set(key, Some(value.clone()));
        }
        args
    }
}

fn check_format(format: &Format) -> Result<()> {
    let prompt = format.system_prompt.as_deref().unwrap_or_default();
    if prompt.contains("${") {
        let problem = "must not hold \"${\", which TorchTune would replace";
        return Err(Error::argument("dataset_format.system_prompt", problem));
    }
    for (column, name) in &format.column_map {
        let argument = format!("dataset_format.column_map.{column}");
        if !["input", "output"].contains(&column.as_str()) {
            let problem = "is no column of TorchTune's: give \"input\" or \"output\"";
            return Err(Error::argument(argument, problem));
        }
        if name.is_empty() || name.contains(|it: char| it.is_control() || "'\"\\$".contains(it)) {
            let problem = "must be a column's name without quotes, '$' and '\\'";
            return Err(Error::argument(argument, problem));
        }
    }
    Ok(())
}

/// A setting that no argument of its own stands for.
fn other(name: &str, value: &Value) -> Result<(String, String)> {
    let argument = format!("settings.{name}");
    let wrong = |problem: &str| Err(Error::argument(argument.clone(), problem));
    let letters = |it: char| it.is_ascii_alphanumeric() || "._".contains(it);
    if !name.starts_with(|it: char| it.is_ascii_alphabetic()) || !name.chars().all(letters) {
        return wrong("must be a name of TorchTune's such as optimizer.lr");
    }
    if OF_THE_RUNTIME.contains(&name) {
        return wrong("is set by the runtime");
    }
    let taken = [
        ("batch_size", "batch_size"),
        ("epochs", "epochs"),
        ("dataset", "dataset_format"),
        ("model", "lora"),
    ];
    let root = name.split('.').next().unwrap_or_default();
    if let Some((_, other)) = taken.iter().find(|(taken, _)| *taken == root) {
        return wrong(&format!("is what the argument {other} is for"));
    }
    let text = match value {
        Value::Bool(value) => boolean(*value),
        Value::Number(number) => number.to_string(),
        Value::String(text) if !text.contains(|it: char| it.is_control()) => text.clone(),
        _ => return wrong("must be a number, a boolean or a line of text"),
    };
    Ok((name.to_owned(), text))
}

/// As Python writes it, and so the SDK.
fn boolean(value: bool) -> String {
    if value { "True" } else { "False" }.to_owned()
}

/// A text that TorchTune reads as YAML: quoted, unless it is plain prose.
fn scalar(text: &str) -> String {
    let prose = |it: char| it.is_alphanumeric() || " ,.;!?()/_-".contains(it);
    let plain = text.starts_with(char::is_alphabetic)
        && text.contains(' ')
        && !text.ends_with(' ')
        && text.chars().all(prose);
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

fn usual_modules() -> Vec<Module> {
    vec![Module::Query, Module::Value, Module::Output]
}

impl Module {
    fn name(self) -> &'static str {
        match self {
            Self::Query => "q_proj",
            Self::Key => "k_proj",
            Self::Value => "v_proj",
            Self::Output => "output_proj",
        }
    }
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Text => "text",
            Self::Xml => "xml",
        }
    }
}

impl Dtype {
    fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "bf16",
            Self::Fp32 => "fp32",
        }
    }
}

impl Loss {
    fn name(self) -> &'static str {
        match self {
            Self::Chunked => "torchtune.modules.loss.CEWithChunkedOutputLoss",
        }
    }
}
