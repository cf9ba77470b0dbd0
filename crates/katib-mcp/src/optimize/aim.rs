//! What a search is to reach: the metric that counts, in which direction, how far.

use std::fmt;

use kubeflow_mcp_core::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::api::{MetricStrategy, Objective};

/// Words of metrics' names of which more is better, and of which less is.
const MORE: [&str; 22] = [
    "accuracy",
    "acc",
    "auc",
    "auroc",
    "f1",
    "fscore",
    "precision",
    "recall",
    "sensitivity",
    "specificity",
    "score",
    "reward",
    "return",
    "r2",
    "bleu",
    "rouge",
    "meteor",
    "iou",
    "map",
    "ndcg",
    "psnr",
    "throughput",
];
const LESS: [&str; 17] = [
    "loss",
    "error",
    "err",
    "mse",
    "rmse",
    "mae",
    "mape",
    "rmsle",
    "logloss",
    "nll",
    "perplexity",
    "ppl",
    "wer",
    "cer",
    "fid",
    "latency",
    "distance",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Maximize,
    Minimize,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Maximize => "maximize",
            Self::Minimize => "minimize",
        })
    }
}

/// The objective, with what should be known before the search begins.
pub(super) fn objective(
    metric: &str,
    direction: Option<Direction>,
    goal: Option<f64>,
    additional: &[String],
) -> Result<(Objective, Option<String>)> {
    check_name("objective_metric_name", metric)?;
    for (index, name) in additional.iter().enumerate() {
        let argument = format!("additional_metric_names[{index}]");
        check_name(&argument, name)?;
        if name == metric || additional[..index].contains(name) {
            return Err(Error::value(argument, name.as_str(), "is named already"));
        }
    }
    let usual = usual(metric);
    let Some(direction) = direction.or(usual) else {
        let problem = format!("must be given, as {metric:?} does not tell whether more is better");
        return Err(Error::argument("objective_type", problem));
    };
    let warning = match usual.filter(|it| *it != direction) {
        // Any first trial would be beyond it, and end the search.
        Some(usual) if goal.is_some() => {
            let problem = format!(
                "but one would {usual} {metric:?}, and the first trial would reach the goal"
            );
            return Err(Error::value("objective_type", direction.to_string(), problem));
        }
        Some(usual) => Some(format!("{metric} is to {direction}; one would {usual} it")),
        None => None,
    };
    let own = match direction {
        Direction::Maximize => "max",
        Direction::Minimize => "min",
    };
    let strategy =
        |name: &str, value: &str| MetricStrategy { name: name.into(), value: value.into() };
    // Katib would take the objective's own for the others, which may have another direction.
    let others = additional.iter().map(|name| strategy(name, "latest"));
    let objective = Objective {
        type_: direction.to_string(),
        goal,
        objective_metric_name: metric.to_owned(),
        additional_metric_names: additional.to_vec(),
        metric_strategies: std::iter::once(strategy(metric, own)).chain(others).collect(),
    };
    Ok((objective, warning))
}

/// The direction that a metric's name tells.
fn usual(metric: &str) -> Option<Direction> {
    let words: Vec<String> =
        metric.split(|it: char| !it.is_ascii_alphanumeric()).map(str::to_ascii_lowercase).collect();
    let tells = |known: &[&str]| words.iter().any(|it| known.contains(&it.as_str()));
    // `score_loss` is a loss, `error_recall` is nothing that is known.
    match (tells(&MORE), tells(&LESS), words.last()) {
        (true, false, _) => Some(Direction::Maximize),
        (false, true, _) => Some(Direction::Minimize),
        (true, true, Some(last)) if LESS.contains(&last.as_str()) => Some(Direction::Minimize),
        _ => None,
    }
}

/// What Katib's collector takes for a name in a line such as `accuracy=0.9`.
fn check_name(argument: &str, name: &str) -> Result<()> {
    if !name.is_empty() && name.chars().all(|it| it.is_ascii_alphanumeric() || "_-".contains(it)) {
        return Ok(());
    }
    let problem = "must be letters, digits, '_' and '-', as Katib finds nothing else in NAME=VALUE";
    Err(Error::value(argument, name, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(metric: &str, direction: Option<Direction>, goal: Option<f64>) -> String {
        match objective(metric, direction, goal, &["epoch".to_owned()]) {
            Ok((objective, None)) => objective.type_,
            Ok((objective, Some(warning))) => format!("{}: {warning}", objective.type_),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_name_tells_the_direction() {
        for metric in ["accuracy", "Validation-Accuracy", "val_acc", "test-f1", "r2_score"] {
            assert_eq!(told(metric, None, None), "maximize", "{metric}");
        }
        for metric in ["loss", "eval_loss", "RMSE", "val_mae", "score_loss"] {
            assert_eq!(told(metric, None, None), "minimize", "{metric}");
        }
        assert_eq!(
            told("quality", None, None),
            r#"argument "objective_type" must be given, as "quality" does not tell whether more is better"#
        );
    }

    #[test]
    fn a_goal_in_the_wrong_direction_is_refused() {
        assert_eq!(
            told("accuracy", Some(Direction::Minimize), Some(0.9)),
            r#"argument "objective_type" is "minimize", but one would maximize "accuracy", and the first trial would reach the goal"#
        );
        assert_eq!(
            told("loss", Some(Direction::Maximize), None),
            "maximize: loss is to maximize; one would minimize it"
        );
        assert_eq!(told("accuracy", None, Some(0.9)), "maximize");
    }

    #[test]
    fn names_are_what_katib_reads() {
        let error = objective("val/accuracy", None, None, &[]).unwrap_err().to_string();
        assert!(error.contains("NAME=VALUE"), "{error}");
        objective("accuracy", None, None, &["accuracy".to_owned()]).expect_err("twice");
    }
}
