//! Metrics in what a training program prints, in the ways that programs print them.

use std::sync::LazyLock;

use regex::Regex;

/// A metric as a line of a log states it: `accuracy=0.97`, `Epoch 3/10`, `'loss': nan`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: String,
    /// In the log's own digits.
    pub value: String,
    /// What it goes up to, where the line says so.
    pub of: Option<String>,
}

/// Words that make a number a metric: a log is full of other numbers.
const WORDS: [&str; 34] = [
    "loss",
    "acc",
    "accuracy",
    "epoch",
    "step",
    "iter",
    "iteration",
    "lr",
    "f1",
    "precision",
    "recall",
    "auc",
    "auroc",
    "mae",
    "mse",
    "rmse",
    "r2",
    "perplexity",
    "ppl",
    "bleu",
    "rouge",
    "score",
    "reward",
    "norm",
    "throughput",
    "wer",
    "cer",
    "iou",
    "dice",
    "rate",
    "speed",
    "map",
    "progress",
    "elbo",
];

static PAIR: LazyLock<Regex> = LazyLock::new(|| {
    let number = r"[-+]?(?:\d+(?:\.\d*)?(?:e[-+]?\d+)?|nan|inf(?:inity)?)";
    let pattern =
        format!(r#"(?i)([a-z][\w./@-]*)["']?(\s*[=:]\s*|\s+)({number}%?)(?:\s*/\s*(\d+))?"#);
    Regex::new(&pattern).expect("a valid pattern")
});

/// The metrics that one line states.
pub fn metrics(line: &str) -> Vec<Metric> {
    let mut metrics = Vec::new();
    let mut at = 0;
    while let Some(pair) = PAIR.captures_at(line, at) {
        let (whole, name, value) = (pair.get_match(), &pair[1], &pair[3]);
        // A name that is no metric may be followed by one: "worker epoch 3".
        at = pair.get(1).map_or(line.len(), |it| it.end());
        if is_metric(name) && ends_here(&line[whole.end()..]) {
            at = whole.end();
            metrics.push(Metric {
                name: name.to_owned(),
                value: value.to_owned(),
                of: pair.get(4).map(|it| it.as_str().to_owned()),
            });
        }
    }
    metrics
}

impl Metric {
    /// The value, with what it goes up to: `3/10`.
    pub fn shown(&self) -> String {
        match &self.of {
            Some(of) => format!("{}/{of}", self.value),
            None => self.value.clone(),
        }
    }
}

fn is_metric(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.split(|it: char| !it.is_ascii_alphanumeric()).any(|it| WORDS.contains(&it))
}

/// Whether the number ends here, and is not the start of a date, an address or a version.
fn ends_here(rest: &str) -> bool {
    let mut rest = rest.chars();
    match rest.next() {
        None => true,
        Some('.' | ':' | '-' | '/') => !rest.next().is_some_and(|it| it.is_ascii_digit()),
        Some(next) => !next.is_alphanumeric() && next != '_',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let text = |it: Metric| {
            let of = it.of.map_or(String::new(), |of| format!("/{of}"));
            format!("{}={}{of}", it.name, it.value)
        };
        let seen: Vec<String> = metrics(line).into_iter().map(text).collect();
        assert_eq!(seen.join(" "), expected, "{line}");
    }

    #[test]
    fn metrics_are_found_however_they_are_printed() {
        check("epoch=3 loss=0.12", "epoch=3 loss=0.12");
        check("accuracy: 0.9722", "accuracy=0.9722");
        check("Test accuracy 0.97.", "accuracy=0.97");
        check(
            "Epoch 3/10, train_loss: 1.2e-3, val/acc = 98%",
            "Epoch=3/10 train_loss=1.2e-3 val/acc=98%",
        );
        check(
            "{'loss': 0.3121, 'grad_norm': nan, 'epoch': 1.27}",
            "loss=0.3121 grad_norm=nan epoch=1.27",
        );
        check(r#"{"eval_accuracy": 0.9, "note": 3}"#, "eval_accuracy=0.9");
        check("Validation-accuracy=0.91", "Validation-accuracy=0.91");
        check("worker 3 step 20 loss -0.5", "step=20 loss=-0.5");
    }

    #[test]
    fn other_numbers_are_no_metrics() {
        check("listening on port=29500, rank: 0", "");
        check("2026-08-21T10:00:00Z step: 2026-08-21", "");
        check("loss function: mse", "");
        check("accuracy=0.9.1 loss=3f2a", "");
        check("", "");
    }
}
