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
pub(super) const MISSED: &[(&str, &str)] = &[
    (
        "Llama 3.1 405B, QLoRA, 8 A100",
        "with the batch size of 1 that its own recipe has, instead of the 2 that the table names, it would be 13 %",
    ),
    (
        "Llama 2 7B, LoRA, 2 GPUs",
        "it hardly grows with the batch there (22.18 GB for 1 sequence, 22.47 GB for 2), so the peak is not in training, and loading is not reckoned",
    ),
    (
        "Llama 2 7B, QLoRA, FSDP, 4 sequences",
        "reserved memory is more than what is in use, and Transformers kept further copies of the logits at that time, which weigh more with each sequence",
    ),
];

const GB: f64 = 1e9 / (1_u64 << 30) as f64;
const RECIPES: &str = "[TorchTune README](https://github.com/pytorch/torchtune/blob/bd2a0fc7c31430972728494fa01aaeeb0ebf1ba1/README.md), peak memory per GPU, batch size 2, 2048 tokens";
const FLAGS: &str =
    "TorchTune README, table of optimization flags, batch size 2, 4096 tokens, one A100";
const ZERO: &str = "[ZeRO](https://arxiv.org/abs/1910.02054), figure 1: model states of 7.5B parameters on 64 GPUs";
const LITGPT: &str = "[LitGPT resource tables](https://github.com/Lightning-AI/litgpt/blob/4839345a97a0a90bc5f2361664b04d665c9a0e89/tutorials/resource-tables.md), 1304 tokens, A100 40GB";
const ANSWER: &str = "[FSDP and QLoRA](https://github.com/AnswerDotAI/fsdp_qlora/blob/23fafdfb4af403d0808038adafbfd74de265d33a/benchmarks_03_2024.md), 2048 tokens, 2 GPUs, memory that PyTorch had reserved";
const STATES: Part = Part::Lines(&["weights", "gradients", "optimizer"]);

pub(super) fn figures() -> Vec<Figure> {
    [of_flags(), of_recipes(), of_zero(), of_litgpt(), of_answer()].concat()
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

/// Weights in 16 bits, adapters at queries and values, everything kept, and the loss in chunks.
fn of_litgpt() -> Vec<Figure> {
    let call = |model: &str, method: &str, workers: u32, batch: u32| {
        let settings = json!({"precision": "bf16", "chunked_loss": true, "checkpointing": workers > 1, "sharding": "fsdp", "lora_rank": 8, "lora_modules": ["q", "v"]});
        json!({"model": model, "method": method, "num_workers": workers, "batch_size": batch, "sequence_length": 1304, "settings": settings})
    };
    let [small, large] = ["meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-13b-hf"];
    let inference = |model: &str| json!({"model": model, "method": "inference", "batch_size": 1, "sequence_length": 128});
    [
        ("Llama 2 7B, LoRA", 21.30, "21.30 GB", call(small, "lora", 1, 1)),
        ("Llama 2 7B, LoRA, 2 sequences", 29.07, "29.07 GB", call(small, "lora", 1, 2)),
        ("Llama 2 13B, LoRA", 38.12, "38.12 GB", call(large, "lora", 1, 1)),
        ("Llama 2 7B, QLoRA", 13.84, "13.84 GB", call(small, "qlora", 1, 1)),
        ("Llama 2 13B, QLoRA", 22.55, "22.55 GB", call(large, "qlora", 1, 1)),
        ("Llama 2 7B, inference", 13.52, "13.52 GB", inference(small)),
        ("Llama 2 13B, inference", 26.21, "26.21 GB", inference(large)),
        ("Llama 2 7B, LoRA, 2 GPUs", 22.18, "22.18 GB", call(small, "lora", 2, 1)),
    ]
    .into_iter()
    .map(|(what, gb, published, call)| Figure {
        known: Known::After,
        ..before(what, gb * GB, published, LITGPT, call)
    })
    .collect()
}

/// Bf16 throughout, adapters of rank 64, activation checkpointing, and the usual loss.
fn of_answer() -> Vec<Figure> {
    let call = |method: &str, sharding: &str, batch: u32| {
        let settings = json!({"precision": "bf16", "checkpointing": true, "sharding": sharding, "lora_rank": 64});
        json!({"model": "meta-llama/Llama-2-7b-hf", "method": method, "num_workers": 2, "batch_size": batch, "sequence_length": 2048, "settings": settings})
    };
    [
        ("Llama 2 7B, LoRA, FSDP", 10.22, "10.22 GiB", call("lora", "fsdp", 1)),
        ("Llama 2 7B, QLoRA, FSDP", 5.21, "5.21 GiB", call("qlora", "fsdp", 1)),
        ("Llama 2 7B, LoRA, DDP, 4 sequences", 22.04, "22.04 GiB", call("lora", "ddp", 4)),
        ("Llama 2 7B, LoRA, FSDP, 4 sequences", 16.14, "16.14 GiB", call("lora", "fsdp", 4)),
        ("Llama 2 7B, QLoRA, FSDP, 4 sequences", 11.22, "11.22 GiB", call("qlora", "fsdp", 4)),
    ]
    .into_iter()
    .map(|(what, gib, published, call)| Figure {
        known: Known::After,
        ..before(what, gib, published, ANSWER, call)
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
