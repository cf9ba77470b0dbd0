//! Facts about models that many people train, by the names they have on Hugging Face.

use super::model::{Experts, Model, Shape};

/// Names without what does not change the shape, and the shape.
const MODELS: &[(&[&str], Shape)] = &[
    (&["llama-2-7b"], dense(32, 4096, 32, 32, 128, 11008, 32_000)),
    (&["llama-2-13b"], dense(40, 5120, 40, 40, 128, 13824, 32_000)),
    (&["llama-2-70b"], dense(80, 8192, 64, 8, 128, 28672, 32_000)),
    (
        &["llama-3.1-8b", "llama-3-8b", "deepseek-r1-distill-llama-8b"],
        dense(32, 4096, 32, 8, 128, 14336, 128_256),
    ),
    (
        &["llama-3.1-70b", "llama-3.3-70b", "llama-3-70b", "deepseek-r1-distill-llama-70b"],
        dense(80, 8192, 64, 8, 128, 28672, 128_256),
    ),
    (&["llama-3.1-405b"], dense(126, 16384, 128, 8, 128, 53248, 128_256)),
    (&["llama-3.2-1b"], tied(dense(16, 2048, 32, 8, 64, 8192, 128_256))),
    (&["llama-3.2-3b"], tied(dense(28, 3072, 24, 8, 128, 8192, 128_256))),
    (&["tinyllama-1.1b"], dense(22, 2048, 32, 4, 64, 5632, 32_000)),
    (&["mistral-7b", "zephyr-7b"], dense(32, 4096, 32, 8, 128, 14336, 32_000)),
    (&["mistral-nemo"], dense(40, 5120, 32, 8, 128, 14336, 131_072)),
    (&["mistral-small-24b"], dense(40, 5120, 32, 8, 128, 32768, 131_072)),
    (&["mixtral-8x7b"], mixture(dense(32, 4096, 32, 8, 128, 14336, 32_000), 8, 2)),
    (&["mixtral-8x22b"], mixture(dense(56, 6144, 48, 8, 128, 16384, 32_768), 8, 2)),
    (&["qwen2.5-0.5b", "qwen2-0.5b"], tied(dense(24, 896, 14, 2, 64, 4864, 151_936))),
    (
        &["qwen2.5-1.5b", "qwen2-1.5b", "deepseek-r1-distill-qwen-1.5b"],
        tied(dense(28, 1536, 12, 2, 128, 8960, 151_936)),
    ),
    (&["qwen2.5-3b"], tied(dense(36, 2048, 16, 2, 128, 11008, 151_936))),
    (
        &["qwen2.5-7b", "qwen2-7b", "deepseek-r1-distill-qwen-7b"],
        dense(28, 3584, 28, 4, 128, 18944, 152_064),
    ),
    (&["qwen2.5-14b", "deepseek-r1-distill-qwen-14b"], dense(48, 5120, 40, 8, 128, 13824, 152_064)),
    (
        &["qwen2.5-32b", "qwq-32b", "deepseek-r1-distill-qwen-32b"],
        dense(64, 5120, 40, 8, 128, 27648, 152_064),
    ),
    (&["qwen2.5-72b", "qwen2-72b"], dense(80, 8192, 64, 8, 128, 29568, 152_064)),
    (&["qwen3-0.6b"], tied(dense(28, 1024, 16, 8, 128, 3072, 151_936))),
    (&["qwen3-1.7b"], tied(dense(28, 2048, 16, 8, 128, 6144, 151_936))),
    (&["qwen3-4b"], tied(dense(36, 2560, 32, 8, 128, 9728, 151_936))),
    (&["qwen3-8b"], dense(36, 4096, 32, 8, 128, 12288, 151_936)),
    (&["qwen3-14b"], dense(40, 5120, 40, 8, 128, 17408, 151_936)),
    (&["qwen3-32b"], dense(64, 5120, 64, 8, 128, 25600, 151_936)),
    (&["qwen3-30b-a3b"], mixture(dense(48, 2048, 32, 4, 128, 768, 151_936), 128, 8)),
    (&["qwen3-235b-a22b"], mixture(dense(94, 4096, 64, 4, 128, 1536, 151_936), 128, 8)),
    (&["gemma-2b"], tied(dense(18, 2048, 8, 1, 256, 16384, 256_000))),
    (&["gemma-7b"], tied(dense(28, 3072, 16, 16, 256, 24576, 256_000))),
    (&["gemma-2-2b"], tied(dense(26, 2304, 8, 4, 256, 9216, 256_000))),
    (&["gemma-2-9b"], tied(dense(42, 3584, 16, 8, 256, 14336, 256_000))),
    (&["gemma-2-27b"], tied(dense(46, 4608, 32, 16, 128, 36864, 256_000))),
    (&["phi-3-mini-4k", "phi-3-mini-128k"], dense(32, 3072, 32, 32, 96, 8192, 32_064)),
    (&["phi-4"], dense(40, 5120, 40, 10, 128, 17920, 100_352)),
    (&["gpt2"], plain(dense(12, 768, 12, 12, 64, 3072, 50_257))),
    (&["gpt2-medium"], plain(dense(24, 1024, 16, 16, 64, 4096, 50_257))),
    (&["gpt2-large"], plain(dense(36, 1280, 20, 20, 64, 5120, 50_257))),
    (&["gpt2-xl"], plain(dense(48, 1600, 25, 25, 64, 6400, 50_257))),
];

/// Words of a name that tell how a model was trained or stored, and not what it is.
const NOISE: &[&str] = &[
    "meta",
    "hf",
    "instruct",
    "chat",
    "it",
    "base",
    "coder",
    "math",
    "beta",
    "bnb",
    "4bit",
    "unsloth",
    "gptq",
    "awq",
    "fp8",
    "v0.1",
    "v0.2",
    "v0.3",
    "v1.0",
    "2407",
    "2409",
    "2501",
    "2507",
    "intermediate",
    "step",
    "thinking",
];

/// The model of that name, whoever published it and however it was tuned.
pub(super) fn find(name: &str) -> Option<Model> {
    let wanted = essence(name);
    let (_, shape) =
        MODELS.iter().find(|(names, _)| names.iter().any(|it| plainly(it) == wanted))?;
    Some(Model { name: name.to_owned(), parameters: shape.parameters(), shape: Some(*shape) })
}

/// The names to choose from.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MODELS.iter().flat_map(|(names, _)| names.iter().copied())
}

fn essence(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let words = last.split(['-', '_', ':', ' ']).filter(|it| !NOISE.contains(it));
    words.collect()
}

/// Without what some write and others leave out.
fn plainly(name: &str) -> String {
    name.replace('-', "")
}

const fn dense(
    layers: u64,
    hidden: u64,
    heads: u64,
    kv_heads: u64,
    head_size: u64,
    intermediate: u64,
    vocabulary: u64,
) -> Shape {
    Shape {
        layers,
        hidden,
        heads,
        kv_heads,
        head_size,
        intermediate,
        vocabulary,
        tied: false,
        gated: true,
        experts: None,
    }
}

const fn tied(shape: Shape) -> Shape {
    Shape { tied: true, ..shape }
}

/// As it was before gates.
const fn plain(shape: Shape) -> Shape {
    Shape { tied: true, gated: false, ..shape }
}

const fn mixture(shape: Shape, count: u64, active: u64) -> Shape {
    Shape { experts: Some(Experts { count, active, shared: 0 }), ..shape }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "two digits are compared")]
    fn shapes_have_as_many_parameters_as_their_model_cards_say() {
        for (name, billions) in [
            ("meta-llama/Llama-2-7b-hf", 6.74),
            ("meta-llama/Llama-2-13b-chat-hf", 13.02),
            ("meta-llama/Llama-2-70b-hf", 68.98),
            ("meta-llama/Meta-Llama-3.1-8B-Instruct", 8.03),
            ("meta-llama/Llama-3.3-70B-Instruct", 70.55),
            ("meta-llama/Llama-3.1-405B", 405.85),
            ("meta-llama/Llama-3.2-1B", 1.24),
            ("llama3.2-3b", 3.21),
            ("TinyLlama/TinyLlama-1.1B-Chat-v1.0", 1.10),
            ("mistralai/Mistral-7B-Instruct-v0.3", 7.24),
            ("mistralai/Mistral-Nemo-Instruct-2407", 12.25),
            ("mistralai/Mistral-Small-24B-Base-2501", 23.57),
            ("mistralai/Mixtral-8x7B-v0.1", 46.70),
            ("mistralai/Mixtral-8x22B-Instruct-v0.1", 140.62),
            ("Qwen/Qwen2.5-0.5B-Instruct", 0.494),
            ("Qwen/Qwen2.5-1.5B", 1.54),
            ("Qwen/Qwen2.5-3B", 3.09),
            ("Qwen/Qwen2.5-Coder-7B-Instruct", 7.62),
            ("Qwen/Qwen2.5-14B", 14.77),
            ("Qwen/Qwen2.5-32B", 32.76),
            ("Qwen/Qwen2.5-72B-Instruct", 72.71),
            ("Qwen/Qwen3-0.6B", 0.596),
            ("Qwen/Qwen3-1.7B", 1.72),
            ("Qwen/Qwen3-4B", 4.02),
            ("Qwen/Qwen3-8B", 8.19),
            ("Qwen/Qwen3-14B", 14.77),
            ("Qwen/Qwen3-32B", 32.76),
            ("Qwen/Qwen3-30B-A3B", 30.53),
            ("Qwen/Qwen3-235B-A22B", 235.09),
            ("google/gemma-2b", 2.51),
            ("google/gemma-7b-it", 8.54),
            ("google/gemma-2-2b", 2.61),
            ("google/gemma-2-9b-it", 9.24),
            ("google/gemma-2-27b", 27.23),
            ("microsoft/Phi-3-mini-4k-instruct", 3.82),
            ("microsoft/phi-4", 14.66),
            ("gpt2", 0.124),
            ("openai-community/gpt2-medium", 0.355),
            ("gpt2-large", 0.774),
            ("gpt2-xl", 1.558),
        ] {
            let model = find(name).unwrap_or_else(|| panic!("{name} is not known"));
            let counted = model.parameters as f64 / 1e9;
            let off = counted / billions - 1.0;
            assert!(off.abs() < 0.01, "{name}: {counted} instead of {billions}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut all: Vec<String> = names().map(plainly).collect();
        let count = all.len();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(find("llama-4-scout"), None);
    }
}
