//! What a forward pass keeps for the backward pass, and what the loss needs.

use super::{
    memory::{Line, Moment, of, short},
    model::Shape,
    plan::{Method, Plan, Precision},
};

pub(super) fn lines(shape: &Shape, plan: &Plan) -> Vec<Line> {
    let tokens = of(plan.batch) * of(plan.sequence);
    let layers = of(shape.layers);
    let layer = of_layer(shape, plan);
    let kept = if plan.checkpointing { bytes(plan) * of(shape.hidden) } else { layer };
    let mut lines = vec![
        Line::new(
            if plan.checkpointing { "inputs of layers" } else { "activations" },
            tokens * layers * kept,
            format!("{} tokens × {layers} layers × {} bytes", short(tokens), short(kept)),
        )
        .at(&[Moment::Loss, Moment::Layer])
        .on_host(plan.offload_activations),
        Line::new(
            "one layer's activations",
            tokens * layer,
            format!("{} tokens × {} bytes", short(tokens), short(layer)),
        )
        .at(if plan.checkpointing {
            &[Moment::Layer, Moment::Gradients]
        } else {
            &[Moment::Gradients]
        }),
    ];
    let logits = logits(plan);
    lines.push(
        Line::new(
            "logits",
            tokens * of(shape.vocabulary) * logits,
            format!("{} tokens × {} words × {logits} bytes", short(tokens), shape.vocabulary),
        )
        .at(&[Moment::Loss]),
    );
    if plan.method == Method::Qlora {
        let matrix = of(shape.largest_matrix());
        lines.push(
            Line::new(
                "a matrix in use, not quantized",
                matrix * bytes(plan),
                format!("{} parameters × {} bytes", short(matrix), bytes(plan)),
            )
            .at(&[Moment::Layer]),
        );
    }
    lines
}

fn bytes(plan: &Plan) -> f64 {
    if plan.precision == Precision::Fp32 { 4.0 } else { 2.0 }
}

/// Of one token in one layer: what each step's backward pass reads.
fn of_layer(shape: &Shape, plan: &Plan) -> f64 {
    let bytes = bytes(plan);
    let (hidden, queries, keys) = (of(shape.hidden), of(shape.queries()), of(shape.keys()));
    // What goes in and what comes out; uncompiled, a copy in 32 bits, what is normalized, and what
    // comes out.
    let norm = if plan.compiled { 2.0 * bytes } else { 4.0 + 2.0 * bytes };
    // Queries, keys, values and the result; uncompiled, keys and values repeated for each query.
    let repeated = if plan.compiled { keys } else { queries };
    let attention = bytes * (2.0 * queries + 2.0 * repeated);
    // Scores, probabilities, and what is dropped of them.
    let scores =
        if plan.flash { 0.0 } else { (2.0 * bytes + 1.0) * of(shape.heads) * of(plan.sequence) };
    // Both inner matrices' results, what the one becomes by its gate, and the product.
    let steps = if shape.gated { 4.0 } else { 2.0 };
    let mlp = bytes * steps * of(shape.intermediate) * of(shape.experts_met());
    2.0 * norm * hidden + attention + scores + mlp
}

/// Bytes of each logit when there are most: as it was computed, in 32 bits, as a probability, and as
/// a gradient, of which compilers and pieces spare some.
fn logits(plan: &Plan) -> f64 {
    let half = bytes(plan);
    match (plan.chunked_loss, plan.compiled) {
        (false, false) => 4.0 + 4.0 + 4.0,
        (false, true) => 4.0 + 4.0 + half,
        // All pieces as they were computed and as probabilities, and one piece's gradients.
        (true, false) => half + 4.0 + 8.0 / CHUNKS,
        (true, true) => half + half / CHUNKS,
    }
}

/// Into how many pieces losses are cut.
const CHUNKS: f64 = 8.0;
