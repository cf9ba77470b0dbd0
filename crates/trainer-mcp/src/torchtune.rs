//! What the Trainer makes of a TorchTune job: the model that a runtime stands for, and the recipe.

/// What TorchTune takes from the runtime, and so no argument may set.
pub(crate) const OF_THE_RUNTIME: [&str; 4] =
    ["output_dir", "tokenizer.path", "checkpointer.checkpoint_dir", "tokenizer.merges_file"];

/// All that the Trainer has recipes for.
pub(crate) const MODELS: [&str; 4] = ["llama3_2/1B", "llama3_2/3B", LARGE, QWEN];
/// The only model that is trained on several nodes.
pub(crate) const LARGE: &str = "llama3_3/70B";
/// The only one whose weights cannot be quantized.
pub(crate) const QWEN: &str = "qwen2_5/1.5B";

/// Everything that decides the recipe.
pub(crate) struct Plan<'a> {
    pub(crate) nodes: i32,
    /// `None` is one per GPU.
    pub(crate) processes: Option<i64>,
    pub(crate) gpus: i64,
    pub(crate) args: &'a [String],
}

/// The model that a runtime trains, from its name: `torchtune-llama3.2-1b` is `llama3_2/1B`.
pub(crate) fn model(runtime: &str) -> String {
    match runtime.split('-').collect::<Vec<_>>()[..] {
        [_, family, size] => format!("{}/{}", family.replace('.', "_"), size.to_uppercase()),
        _ => String::new(),
    }
}

impl Plan<'_> {
    /// The recipe, and the suffix of its configuration's name.
    pub(crate) fn recipe(&self) -> (&'static str, &'static str) {
        let single = self.nodes == 1 && (self.processes == Some(1) || self.gpus == 1);
        match (single, self.nodes == 1, self.qlora(), self.lora()) {
            (true, _, true, _) => ("lora_finetune_single_device", "_qlora_single_device"),
            (true, _, _, true) => ("lora_finetune_single_device", "_lora_single_device"),
            (true, ..) => ("full_finetune_single_device", "_full_single_device"),
            (_, true, true, _) => ("lora_finetune_distributed", "_qlora"),
            (_, true, _, true) => ("lora_finetune_distributed", "_lora"),
            (_, true, ..) => ("full_finetune_distributed", "_full"),
            _ => ("full_finetune_distributed", "_full_multinode"),
        }
    }

    pub(crate) fn lora(&self) -> bool {
        self.args.iter().any(|argument| argument.contains("model.lora_attn_modules"))
    }

    pub(crate) fn qlora(&self) -> bool {
        !self.enables("model.use_dora") && self.enables("model.quantize_base")
    }

    /// Whether weights are quantized and shared over devices, which small Llamas are not made for.
    pub(crate) fn shares_quantized(&self, model: &str) -> bool {
        self.recipe().1 == "_qlora" && model.starts_with("llama3_2/")
    }

    fn enables(&self, name: &str) -> bool {
        self.args.iter().any(|argument| {
            argument.split_once('=').is_some_and(|(key, value)| {
                key.contains(name) && value.trim().eq_ignore_ascii_case("true")
            })
        })
    }
}
