//! How a `tune run` command is completed from a runtime's name and the job's arguments.

use crate::local::{
    job_set::JobSetSpec,
    train_job::{NODE, TRAINER, Trainer},
};

/// What TorchTune takes from the runtime, and so no argument may set.
pub(crate) const OF_THE_RUNTIME: [&str; 4] =
    ["output_dir", "tokenizer.path", "checkpointer.checkpoint_dir", "tokenizer.merges_file"];

/// Everything that decides the recipe.
pub(crate) struct Plan<'a> {
    pub(crate) nodes: i32,
    /// `None` is one per GPU.
    pub(crate) processes: Option<i64>,
    pub(crate) gpus: i64,
    pub(crate) trainer: &'a Trainer,
}

/// Whether the command is the one that the Trainer completes.
pub(crate) fn starts(trainer: &Trainer) -> bool {
    trainer.command.as_deref().is_some_and(|command| command == ["tune", "run"])
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
        self.arguments().any(|argument| argument.contains("model.lora_attn_modules"))
    }

    pub(crate) fn qlora(&self) -> bool {
        !self.enables("model.use_dora") && self.enables("model.quantize_base")
    }

    /// The whole command line, up to the job's own arguments.
    pub(super) fn command(&self, runtime: &str, endpoint: &str, spec: &JobSetSpec) -> Vec<String> {
        let mut command = vec!["tune".to_owned(), "run".to_owned()];
        let several = self.processes.map_or(self.gpus > 1, |processes| processes > 1);
        if self.nodes > 1 || several {
            command.push(format!("--rdzv_endpoint={endpoint}"));
        }
        let (recipe, suffix) = self.recipe();
        command.extend([recipe.into(), "--config".into(), model(runtime) + suffix]);
        let of_runtime = spec.container_of(TRAINER, NODE).and_then(|it| it.command.as_ref());
        command
            .extend(of_runtime.into_iter().flatten().filter(|it| is_of_the_runtime(it)).cloned());
        command
    }

    fn arguments(&self) -> impl Iterator<Item = &String> {
        self.trainer.args.iter().flatten()
    }

    fn enables(&self, name: &str) -> bool {
        self.arguments().any(|argument| {
            argument.split_once('=').is_some_and(|(key, value)| {
                key.contains(name) && value.trim().eq_ignore_ascii_case("true")
            })
        })
    }
}

fn is_of_the_runtime(argument: &str) -> bool {
    OF_THE_RUNTIME.contains(&argument.split('=').next().unwrap_or_default())
}
