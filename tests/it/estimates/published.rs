//! Measurements and calculations of GPU memory that others have published.

use serde_json::{Value, json};

/// When a figure was known to whoever wrote the formulas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Before,
    After,
}

/// What of an estimate is meant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Peak,
    /// The sum of some lines.
    Lines(&'static [&'static str]),
}

/// One published figure, and the call that asks for the same.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) what: &'static str,
    /// As it is written there.
    pub(super) published: &'static str,
    pub(super) gib: f64,
    pub(super) source: &'static str,
    pub(super) known: Known,
    pub(super) part: Part,
    pub(super) call: Value,
}

/// Figures that are off by more than is promised, which is no reason to leave them out.
pub(super) const MISSED: &[&str] = &["Llama 3.1 405B, QLoRA, 8 A100"];

const GB: f64 = 1e9 / (1_u64 << 30) as f64;
const RECIPES: &str = "[TorchTune README](https://github.com/pytorch/torchtune/blob/bd2a0fc7c31430972728494fa01aaeeb0ebf1ba1/README.md), peak memory per GPU, batch size 2, 2048 tokens";
const FLAGS: &str = "the same, optimization flags, batch size 2, 4096 tokens, one A100";
const ZERO: &str = "[ZeRO](https://arxiv.org/abs/1910.02054), figure 1: model states of 7.5B parameters on 64 GPUs";
const STATES: Part = Part::Lines(&["weights", "gradients", "optimizer"]);

pub(super) fn figures() -> Vec<Figure> {
    [of_flags(), of_recipes(), of_zero()].concat()
}

/// Each adds one setting to those before it, up to the adapters, which begin anew.
fn of_flags() -> Vec<Figure> {
    let mut settings = json!({"trainer": "builtin", "optimizer": "adamw", "optimizer_in_backward": false, "checkpointing": false, "chunked_loss": false});
    let mut figures = Vec::new();
    for (what, gib, published, added) in [
        ("Llama 3.2 3B, full, packed", 60.0, "60.0 GiB", json!({})),
        ("… compiled", 51.0, "51.0 GiB", json!({"compile": true})),
        ("… loss in chunks", 42.9, "42.9 GiB", json!({"chunked_loss": true})),
        ("… activation checkpointing", 24.9, "24.9 GiB", json!({"checkpointing": true})),
        ("… optimizer in backward", 23.1, "23.1 GiB", json!({"optimizer_in_backward": true})),
        ("… activations offloaded", 21.8, "21.8 GiB", json!({"offload_activations": true})),
        ("… 8-bit AdamW", 17.6, "17.6 GiB", json!({"optimizer": "adamw_8bit"})),
    ] {
        json_patch::merge(&mut settings, &added);
        let call = json!({"model": "meta-llama/Llama-3.2-3B-Instruct", "batch_size": 2, "sequence_length": 4096, "settings": settings});
        figures.push(before(what, gib, published, FLAGS, call));
    }
    for (what, gib, published, method) in [
        ("Llama 3.2 3B, LoRA", 8.5, "8.5 GiB", "lora"),
        ("Llama 3.2 3B, QLoRA", 4.6, "4.6 GiB", "qlora"),
    ] {
        let settings = json!({"trainer": "builtin", "compile": true, "offload_activations": true, "lora_rank": 64});
        let call = json!({"model": "meta-llama/Llama-3.2-3B-Instruct", "method": method, "batch_size": 2, "sequence_length": 4096, "settings": settings});
        figures.push(before(what, gib, published, FLAGS, call));
    }
    figures
}

fn of_recipes() -> Vec<Figure> {
    let call = |model: &str, method: &str, workers: u32, rank: u32| json!({"model": format!("meta-llama/{model}-Instruct"), "method": method, "num_workers": workers, "batch_size": 2, "sequence_length": 2048, "settings": {"trainer": "builtin", "compile": true, "lora_rank": rank}});
    [
        ("Llama 3.1 8B, full, RTX 4090", 18.9, "18.9 GiB", call("Llama-3.1-8B", "full", 1, 8)),
        ("Llama 3.1 8B, LoRA, RTX 4090", 16.2, "16.2 GiB", call("Llama-3.1-8B", "lora", 1, 8)),
        ("Llama 3.1 8B, QLoRA, RTX 4090", 7.4, "7.4 GiB", call("Llama-3.1-8B", "qlora", 1, 8)),
        ("Llama 3.1 70B, LoRA, 8 A100", 27.6, "27.6 GiB", call("Llama-3.1-70B", "lora", 8, 16)),
        (
            "Llama 3.1 405B, QLoRA, 8 A100",
            44.8 * GB,
            "44.8 GB",
            call("Llama-3.1-405B", "qlora", 8, 16),
        ),
    ]
    .into_iter()
    .map(|(what, gib, published, call)| before(what, gib, published, RECIPES, call))
    .collect()
}

fn of_zero() -> Vec<Figure> {
    [
        ("7.5B, mixed precision, nothing sharded", 120.0, "120 GB", "none"),
        ("… optimizer sharded", 31.4, "31.4 GB", "zero1"),
        ("… gradients too", 16.6, "16.6 GB", "zero2"),
        ("… weights too", 1.88, "1.9 GB", "zero3"),
    ]
    .into_iter()
    .map(|(what, gb, published, sharding)| {
        let call = json!({"model": "7.5B", "num_workers": 64, "settings": {"precision": "mixed", "sharding": sharding}});
        Figure { part: STATES, ..before(what, gb * GB, published, ZERO, call) }
    })
    .collect()
}

fn before(
    what: &'static str,
    gib: f64,
    published: &'static str,
    source: &'static str,
    call: Value,
) -> Figure {
    Figure { what, published, gib, source, known: Known::Before, part: Part::Peak, call }
}
