//! The model that a caller means: a name, a number of parameters, or the text of a `config.json`.

use kubeflow_mcp_core::{Error, Result, did_you_mean};
use serde_json::{Map, Value};

use super::{
    known,
    model::{Experts, Model, Shape},
};

/// Families without a gate in their MLP; all newer ones have it.
const WITHOUT_GATE: &[&str] = &[
    "bert",
    "bloom",
    "codegen",
    "falcon",
    "gpt2",
    "gpt_bigcode",
    "gpt_neo",
    "gpt_neox",
    "gptj",
    "mpt",
    "opt",
    "phi",
    "roberta",
    "starcoder2",
];

pub(super) fn read(text: &str) -> Result<Model> {
    let text = text.trim();
    if text.starts_with('{') {
        return config(text);
    }
    if let Some(parameters) = count(text) {
        return Ok(Model { name: text.to_owned(), parameters, shape: None });
    }
    known::find(text).ok_or_else(|| {
        let guess = did_you_mean(text.rsplit('/').next().unwrap_or(text), known::names());
        let problem = format!(
            "not a model whose shape is known{guess}; give the text of its config.json, or its number of parameters such as 7B"
        );
        Error::value("model", text, problem)
    })
}

/// `7B`, `350M`, `1.5 b`.
fn count(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "M" | "m" => 1e6,
        "B" | "b" => 1e9,
        "T" | "t" => 1e12,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    let parameters = number * unit;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in these bounds")]
    (1e3..=1e14).contains(&parameters).then_some(parameters as u64)
}

fn config(text: &str) -> Result<Model> {
    let wrong = |problem: String| Error::argument("model", problem);
    let fields: Map<String, Value> = serde_json::from_str(text)
        .map_err(|error| wrong(format!("looks like a config.json, but is no JSON: {error}")))?;
    // A model that also sees has the shape of its language part in an object of its own.
    let inner = fields.get("text_config").and_then(Value::as_object).unwrap_or(&fields);
    let config = Config(inner);
    let name = fields.get("_name_or_path").and_then(Value::as_str).filter(|it| !it.is_empty());
    let name = name.or(fields.get("model_type").and_then(Value::as_str)).unwrap_or("config.json");
    let told = config.number(&["parameters", "num_parameters"])?;
    let shape = match (shape(&fields, &config), told) {
        (Ok(shape), _) => Some(shape),
        // The caller's own number stands, whatever else is there.
        (Err(_), Some(_)) => None,
        (Err(error), None) => return Err(error),
    };
    let counted = shape.as_ref().map(Shape::parameters);
    let parameters = told.or(counted).expect("without a shape, there is a number");
    Ok(Model { name: name.to_owned(), parameters, shape })
}

fn shape(fields: &Map<String, Value>, config: &Config) -> Result<Shape> {
    let flag = |name: &str| config.0.get(name).or(fields.get(name)).and_then(Value::as_bool);
    if flag("is_encoder_decoder") == Some(true) {
        return Err(Error::argument(
            "model",
            "describes an encoder with a decoder, whose layers are not alike: give its number of parameters, such as 7B",
        ));
    }
    let required = |names: &[&str]| {
        config.number(names)?.ok_or_else(|| {
            Error::argument("model", format!("has no {:?}, which a config.json has", names[0]))
        })
    };
    let hidden = required(&["hidden_size", "n_embd", "d_model"])?;
    let heads = required(&["num_attention_heads", "n_head", "n_heads"])?;
    let family = config.0.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let experts = config.number(&["num_local_experts", "num_experts", "n_routed_experts"])?;
    let experts = match experts.filter(|it| *it > 1) {
        None => None,
        Some(count) => Some(Experts {
            count,
            active: required(&["num_experts_per_tok", "num_experts_per_token"])?.min(count),
            shared: config.number(&["n_shared_experts"])?.unwrap_or(0).min(count),
        }),
    };
    let of_expert = match experts {
        Some(_) => config.number(&["moe_intermediate_size"])?,
        None => None,
    };
    let intermediate = match of_expert {
        Some(size) => size,
        None => config
            .number(&["intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"])?
            .unwrap_or(4 * hidden),
    };
    let shape = Shape {
        layers: required(&["num_hidden_layers", "n_layer", "n_layers", "num_layers"])?,
        hidden,
        heads,
        kv_heads: config
            .number(&["num_key_value_heads", "num_kv_heads"])?
            .or((flag("multi_query") == Some(true)).then_some(1))
            .unwrap_or(heads),
        head_size: config.number(&["head_dim"])?.unwrap_or((hidden / heads).max(1)),
        intermediate,
        vocabulary: required(&["vocab_size"])?,
        // Transformers' own default.
        tied: flag("tie_word_embeddings").unwrap_or(true),
        gated: !WITHOUT_GATE.contains(&family),
        experts,
    };
    if roughly(&shape) > LARGEST {
        return Err(Error::argument("model", "describes a model beyond all measure"));
    }
    Ok(shape)
}

/// A thousand times the largest model there is: far below what would overflow.
const LARGEST: f64 = 1e15;

/// The number of parameters, in numbers that cannot overflow.
#[expect(clippy::cast_precision_loss, reason = "the order of magnitude is asked for")]
fn roughly(shape: &Shape) -> f64 {
    let of = |number: u64| number as f64;
    let wide = of(shape.heads.max(shape.kv_heads)) * of(shape.head_size);
    let experts = shape.experts.map_or(1.0, |it| of(it.count) + of(it.shared));
    let layer = of(shape.hidden) * (4.0 * wide + 3.0 * of(shape.intermediate) * experts);
    of(shape.layers) * layer + 2.0 * of(shape.vocabulary) * of(shape.hidden)
}

/// The fields of a `config.json`, which families name in their own ways.
struct Config<'a>(&'a Map<String, Value>);

impl Config<'_> {
    /// The first that is there. What no model has would only overflow.
    fn number(&self, names: &[&str]) -> Result<Option<u64>> {
        let Some((name, value)) =
            names.iter().find_map(|it| Some((it, self.0.get(*it).filter(|it| !it.is_null())?)))
        else {
            return Ok(None);
        };
        let most = if name.ends_with("parameters") { 100_000_000_000_000 } else { 10_000_000 };
        match value.as_u64().filter(|it| (1..=most).contains(it)) {
            Some(number) => Ok(Some(number)),
            None if value.as_u64() == Some(0) => Ok(None),
            None => {
                let problem = format!("must be a whole number of at most {most}");
                Err(Error::value(format!("model.{name}"), value.clone(), problem))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn told(text: &str) -> String {
        match read(text) {
            Ok(model) => format!("{} {}", model.name, model.parameters),
            Err(error) => error.to_string(),
        }
    }

    fn check(text: &str, expected: Expect) {
        expected.assert_eq(&told(text));
    }

    #[test]
    fn a_config_is_counted_like_the_same_model_in_the_table() {
        let text = r#"{"_name_or_path": "mine", "model_type": "llama", "hidden_size": 4096,
            "intermediate_size": 14336, "num_attention_heads": 32, "num_hidden_layers": 32,
            "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": false}"#;
        assert_eq!(read(text).unwrap().shape, known::find("llama-3.1-8b").unwrap().shape);
        let seeing = format!(r#"{{"model_type": "mllama", "text_config": {text}}}"#);
        assert_eq!(read(&seeing).unwrap().shape, read(text).unwrap().shape);
    }

    #[test]
    fn other_families_have_other_names() {
        check(
            r#"{"model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12, "vocab_size": 50257, "n_inner": null}"#,
            expect!["gpt2 123551232"],
        );
        check(
            r#"{"model_type": "falcon", "hidden_size": 4544, "num_attention_heads": 71, "num_hidden_layers": 32, "multi_query": true, "vocab_size": 65024}"#,
            expect!["falcon 6921716160"],
        );
        check(
            r#"{"parameters": 11000000000, "is_encoder_decoder": true, "model_type": "t5"}"#,
            expect!["t5 11000000000"],
        );
    }

    #[test]
    fn numbers_are_taken_and_mistakes_are_told() {
        check("7B", expect!["7B 7000000000"]);
        check("1.5b", expect!["1.5b 1500000000"]);
        check(
            "llama-3.1-9b",
            expect![[
                r#"argument "model" is "llama-3.1-9b", not a model whose shape is known (did you mean "llama-3.1-8b"?); give the text of its config.json, or its number of parameters such as 7B"#
            ]],
        );
        check(
            "-7B",
            expect![[
                r#"argument "model" is "-7B", not a model whose shape is known (did you mean "gemma-7b"?); give the text of its config.json, or its number of parameters such as 7B"#
            ]],
        );
        check("{}", expect![[r#"argument "model" has no "hidden_size", which a config.json has"#]]);
        check(
            "{",
            expect![[
                r#"argument "model" looks like a config.json, but is no JSON: EOF while parsing an object at line 1 column 1"#
            ]],
        );
        check(
            r#"{"hidden_size": "4096"}"#,
            expect![[
                r#"argument "model.hidden_size" is "4096", must be a whole number of at most 10000000"#
            ]],
        );
        let huge = r#"{"hidden_size": 9999999, "num_attention_heads": 1, "num_hidden_layers": 9999999, "intermediate_size": 9999999, "vocab_size": 9999999}"#;
        check(huge, expect![[r#"argument "model" describes a model beyond all measure"#]]);
        check(
            "",
            expect![[
                r#"argument "model" is "", not a model whose shape is known; give the text of its config.json, or its number of parameters such as 7B"#
            ]],
        );
    }
}
