//! What lies in the memory of one GPU, line by line, and when most of it does.

use super::{
    activations,
    model::{Model, Shape},
    plan::{Method, Module, Optimizer, Plan, Precision, Sharding},
};

/// Bits of a weight in 4-bit NormalFloat with its scales in 8 bits (QLoRA, section 3).
const QUANTIZED: f64 = (4.0 + 8.0 / 64.0 + 32.0 / (64.0 * 256.0)) / 8.0;

/// One thing that lies in memory.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) bytes: f64,
    pub(super) formula: String,
    /// When it is there.
    moments: &'static [Moment],
    /// Whether it lies in the host's memory instead.
    pub(super) on_host: bool,
}

/// When memory may be fullest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The loss is computed, from all that was kept.
    Loss,
    /// The first layer is computed again for its gradients.
    Layer,
    /// All gradients are there.
    Gradients,
}

const ALWAYS: &[Moment] = &[Moment::Loss, Moment::Layer, Moment::Gradients];

/// All lines, and the moment at which they are most.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    pub(super) lines: Vec<Line>,
    pub(super) peak: Moment,
    pub(super) trainable: f64,
}

impl Memory {
    pub(super) fn of(model: &Model, plan: &Plan) -> Self {
        let trainable = trainable(model, plan);
        let mut lines = weights(model, plan, trainable);
        if plan.trains() {
            lines.extend(gradients(model, plan, trainable));
            lines.push(optimizer(plan, trainable));
        }
        if let Some(shape) = &model.shape {
            lines.extend(gathered(shape, plan));
            lines.extend(match plan.method {
                Method::Inference => vec![cache(shape, plan), prefill(shape, plan)],
                _ => activations::lines(shape, plan),
            });
        }
        lines.retain(|it| it.bytes >= 1.0);
        let peak = ALWAYS
            .iter()
            .copied()
            .max_by(|one, other| sum(&lines, *one).total_cmp(&sum(&lines, *other)))
            .expect("there are three");
        Self { lines, peak, trainable }
    }

    pub(super) fn peak_bytes(&self) -> f64 {
        sum(&self.lines, self.peak)
    }

    pub(super) fn host_bytes(&self) -> f64 {
        self.lines.iter().filter(|it| it.on_host).map(|it| it.bytes).sum()
    }

    /// Whether a line is part of the peak.
    pub(super) fn counts(&self, line: &Line) -> bool {
        !line.on_host && line.moments.contains(&self.peak)
    }
}

fn sum(lines: &[Line], moment: Moment) -> f64 {
    let there = lines.iter().filter(|it| !it.on_host && it.moments.contains(&moment));
    there.map(|it| it.bytes).sum()
}

impl Line {
    pub(super) fn new(what: &'static str, bytes: f64, formula: String) -> Self {
        Self { what, bytes, formula, moments: ALWAYS, on_host: false }
    }

    pub(super) fn at(self, moments: &'static [Moment]) -> Self {
        Self { moments, ..self }
    }

    pub(super) fn on_host(self, on_host: bool) -> Self {
        Self { on_host, ..self }
    }
}

fn trainable(model: &Model, plan: &Plan) -> f64 {
    match (plan.method, &model.shape) {
        (Method::Full, _) => of(model.parameters),
        (Method::Inference, _) => 0.0,
        (_, Some(shape)) => adapters(shape, plan),
        // Five thousandths, as with a rank of 16 at every matrix of usual models.
        (_, None) => of(model.parameters) * 0.005 * of(plan.lora_rank) / 16.0,
    }
}

/// Two thin matrices at each adapted one: one as wide as what goes in, one as what comes out.
fn adapters(shape: &Shape, plan: &Plan) -> f64 {
    let (hidden, queries, keys) = (of(shape.hidden), of(shape.queries()), of(shape.keys()));
    let mlp = (hidden + of(shape.intermediate)) * of(shape.experts_held());
    let wide = |module: &Module| match module {
        Module::Q | Module::O => hidden + queries,
        Module::K | Module::V => hidden + keys,
        Module::Gate if !shape.gated => 0.0,
        Module::Gate | Module::Up | Module::Down => mlp,
    };
    let sum: f64 = plan.lora_modules.iter().map(wide).sum();
    of(shape.layers) * sum * of(plan.lora_rank)
}

/// Bytes of a number that is not trained, or that is computed with.
fn plain_bytes(plan: &Plan) -> f64 {
    if plan.precision == Precision::Fp32 { 4.0 } else { 2.0 }
}

fn weights(model: &Model, plan: &Plan, trainable: f64) -> Vec<Line> {
    let shards = of(plan.shards(Sharding::Zero3));
    let (parameters, bytes) = (of(model.parameters), plain_bytes(plan));
    let mut lines = Vec::new();
    if plan.method == Method::Qlora {
        let matrices = match &model.shape {
            Some(shape) => of(shape.layers * shape.matrices()),
            None => parameters,
        };
        // Libraries that keep the rest of a quantized model in 32 bits do so when they mix.
        let rest = if plan.precision == Precision::Bf16 { 2.0 } else { 4.0 };
        lines.push(Line::new(
            "quantized weights",
            matrices * QUANTIZED / shards,
            format!(
                "{} parameters of matrices × {QUANTIZED:.3} bytes{}",
                short(matrices),
                per(shards)
            ),
        ));
        lines.push(Line::new(
            "other weights",
            (parameters - matrices) * rest / shards,
            format!("{} parameters × {rest} bytes{}", short(parameters - matrices), per(shards)),
        ));
    } else {
        lines.push(Line::new(
            "weights",
            parameters * bytes / shards,
            format!("{} parameters × {bytes} bytes{}", short(parameters), per(shards)),
        ));
    }
    if plan.adapts() {
        lines.push(Line::new(
            "adapters",
            trainable * bytes / shards,
            format!("{} parameters × {bytes} bytes{}", short(trainable), per(shards)),
        ));
    }
    lines
}

fn gradients(model: &Model, plan: &Plan, trainable: f64) -> Vec<Line> {
    let (bytes, shards) = (plain_bytes(plan), of(plan.shards(Sharding::Zero2)));
    let mut lines = Vec::new();
    let full = plan.method == Method::Full;
    let output = model.shape.as_ref().map_or(0.0, |it| of(it.embedding()));
    if full && !plan.accumulates {
        lines.push(
            Line::new(
                "gradients of the output layer",
                output * bytes,
                format!("{} parameters × {bytes} bytes", short(output)),
            )
            .at(if plan.optimizer_in_backward { ALWAYS } else { &[Moment::Loss] }),
        );
    }
    if !plan.optimizer_in_backward || !full {
        let whole = plan.accumulates || !full;
        lines.push(
            Line::new(
                "gradients",
                trainable * bytes / shards,
                format!("{} parameters × {bytes} bytes{}", short(trainable), per(shards)),
            )
            .at(if whole { ALWAYS } else { &[Moment::Gradients] }),
        );
    }
    if plan.workers > 1 && plan.sharding == Sharding::None {
        lines.push(Line::new(
            "gradients to be exchanged",
            trainable * bytes,
            format!("{} parameters × {bytes} bytes", short(trainable)),
        ));
    }
    lines
}

fn optimizer(plan: &Plan, trainable: f64) -> Line {
    let (paged, states) = match plan.optimizer {
        Optimizer::Adamw => (false, 2.0 * state_bytes(plan)),
        Optimizer::PagedAdamw => (true, 2.0 * state_bytes(plan)),
        Optimizer::Adamw8bit => (false, 2.0),
        Optimizer::PagedAdamw8bit => (true, 2.0),
        Optimizer::SgdMomentum | Optimizer::Lion => (false, state_bytes(plan)),
        // A row and a column for each matrix.
        Optimizer::Sgd | Optimizer::Adafactor => (false, 0.0),
    };
    // What is computed in 16 bits is trained in 32.
    let master = if plan.precision == Precision::Mixed { 4.0 } else { 0.0 };
    let shards = of(plan.shards(Sharding::Zero1));
    let formula = match master > 0.0 {
        true => format!(
            "{} parameters × ({states} bytes of state + {master} of weights in 32 bits){}",
            short(trainable),
            per(shards)
        ),
        false => format!("{} parameters × {states} bytes{}", short(trainable), per(shards)),
    };
    Line::new("optimizer", trainable * (states + master) / shards, formula)
        .on_host(paged || plan.offload_optimizer)
}

fn state_bytes(plan: &Plan) -> f64 {
    if plan.precision == Precision::Bf16 { 2.0 } else { 4.0 }
}

/// Sharded weights are put together where they are used: the embeddings for the whole step, and a
/// layer while the next is fetched.
fn gathered(shape: &Shape, plan: &Plan) -> Option<Line> {
    if plan.shards(Sharding::Zero3) == 1 {
        return None;
    }
    let bytes = plain_bytes(plan);
    let (layer, of_layer) = match plan.method {
        Method::Qlora => (of(shape.matrices()), QUANTIZED),
        _ => (of(shape.layer()), bytes),
    };
    let embeddings = of(shape.embeddings());
    Some(Line::new(
        "weights put together",
        embeddings * bytes + 2.0 * layer * of_layer,
        format!(
            "{} parameters of embeddings × {bytes} bytes + 2 layers × {} × {of_layer:.3}",
            short(embeddings),
            short(layer)
        ),
    ))
}

fn cache(shape: &Shape, plan: &Plan) -> Line {
    let (tokens, bytes) = (of(plan.batch) * of(plan.sequence), plain_bytes(plan));
    Line::new(
        "keys and values",
        2.0 * of(shape.layers) * of(shape.keys()) * tokens * bytes,
        format!(
            "2 × {} layers × {} wide × {} tokens × {bytes} bytes",
            shape.layers,
            shape.keys(),
            short(tokens)
        ),
    )
}

/// While the prompt is read, one layer's widest values and the last token's logits are there.
fn prefill(shape: &Shape, plan: &Plan) -> Line {
    let (tokens, bytes) = (of(plan.batch) * of(plan.sequence), plain_bytes(plan));
    let wide = 2.0 * of(shape.hidden) + 2.0 * of(shape.intermediate) * of(shape.experts_met());
    let logits = of(plan.batch) * of(shape.vocabulary) * 4.0;
    Line::new(
        "working memory",
        tokens * wide * bytes + logits,
        format!(
            "{} tokens × {} wide × {bytes} bytes + {} logits × 4",
            short(tokens),
            short(wide),
            short(logits / 4.0)
        ),
    )
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53, and estimates anyway")]
pub(super) fn of(number: u64) -> f64 {
    number as f64
}

/// `8.03e9` as people say it: 8.03 billion.
pub(super) fn short(number: f64) -> String {
    match number {
        it if it >= 1e12 => format!("{:.2}T", it / 1e12),
        it if it >= 1e9 => format!("{:.2}B", it / 1e9),
        it if it >= 1e6 => format!("{:.1}M", it / 1e6),
        it if it >= 1e5 => format!("{:.0}K", it / 1e3),
        it => format!("{it:.0}"),
    }
}

fn per(shards: f64) -> String {
    if shards > 1.0 { format!(" / {shards} GPUs") } else { String::new() }
}
