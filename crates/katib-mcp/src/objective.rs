//! Which value stands for a trial, and which of two is better.

use std::cmp::Ordering;

use crate::api::{Metric, Objective, Trial};

impl Objective {
    pub fn maximizes(&self) -> bool {
        self.type_ == "maximize"
    }

    /// Whether a value is at the goal, or beyond it.
    pub fn reached(&self, value: f64) -> bool {
        self.goal.is_some_and(|goal| if self.maximizes() { value >= goal } else { value <= goal })
    }

    /// Better values first.
    pub fn compare(&self, one: f64, other: f64) -> Ordering {
        if self.maximizes() { other.total_cmp(&one) } else { one.total_cmp(&other) }
    }

    /// `min`, `max` or `latest`: as set, else what the direction asks for.
    pub fn strategy(&self, metric: &str) -> &str {
        let set = self.metric_strategies.iter().find(|it| it.name == metric);
        let default = if self.maximizes() { "max" } else { "min" };
        set.map_or(default, |it| it.value.as_str())
    }

    /// The value that stands for a trial, where it is a number.
    pub fn value(&self, trial: &Trial) -> Option<f64> {
        let observation = trial.status.as_ref()?.observation.as_ref()?;
        let metric = observation.metrics.iter().find(|it| it.name == self.objective_metric_name)?;
        number(metric, self.strategy(&metric.name))
    }
}

/// The value of a metric that a strategy chooses; the latest where there is no least or greatest.
/// What is no finite number, such as `unavailable` or nothing, is no value.
pub fn number(metric: &Metric, strategy: &str) -> Option<f64> {
    let finite = |text: &str| text.parse().ok().filter(|it: &f64| it.is_finite());
    let chosen = match strategy {
        "min" => &metric.min,
        "max" => &metric.max,
        _ => &metric.latest,
    };
    finite(chosen).or_else(|| finite(&metric.latest))
}
