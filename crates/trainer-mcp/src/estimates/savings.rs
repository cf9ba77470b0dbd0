//! What would take less memory than what was asked for.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    GIB,
    memory::Memory,
    model::Model,
    plan::{Method, Optimizer, Plan, Precision, Sharding},
    rounded,
};

/// How many are shown.
const MOST: usize = 4;

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Saving {
    /// What to ask for instead.
    change: &'static str,
    /// What it would then be.
    gib: f64,
}

/// Those that save most, one change at a time.
pub(super) fn of(model: &Model, plan: &Plan, peak: f64) -> Vec<Saving> {
    let with = |change: fn(&mut Plan)| {
        let mut changed = plan.clone();
        change(&mut changed);
        changed
    };
    let mut changes: Vec<(&'static str, Plan)> = vec![("batch_size 1", with(|it| it.batch = 1))];
    if plan.trains() {
        changes.extend([
            ("method lora", with(|it| it.method = Method::Lora)),
            ("method qlora", with(|it| it.method = Method::Qlora)),
            ("settings.precision bf16", with(|it| it.precision = Precision::Bf16)),
            ("settings.checkpointing true", with(|it| it.checkpointing = true)),
            ("settings.chunked_loss true", with(|it| it.chunked_loss = true)),
            ("settings.flash_attention true", with(|it| it.flash = true)),
            ("settings.optimizer adamw_8bit", with(|it| it.optimizer = Optimizer::Adamw8bit)),
            ("settings.offload_optimizer true", with(|it| it.offload_optimizer = true)),
        ]);
        if plan.workers > 1 {
            changes.push(("settings.sharding zero3", with(|it| it.sharding = Sharding::Zero3)));
        }
    }
    // What is less precise than LoRA already is no saving that anyone wants named.
    changes.retain(|(_, it)| !(plan.method == Method::Qlora && it.method == Method::Lora));
    let mut savings: Vec<(f64, &'static str)> = changes
        .into_iter()
        .map(|(change, changed)| (Memory::of(model, &changed).peak_bytes(), change))
        .filter(|(bytes, _)| *bytes < 0.95 * peak)
        .collect();
    savings.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let shown = savings.into_iter().take(MOST);
    shown.map(|(bytes, change)| Saving { change, gib: rounded(bytes / GIB) }).collect()
}
