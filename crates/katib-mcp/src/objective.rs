//! Which value stands for a trial, and which of two is better.

use std::cmp::Ordering;

use kube::ResourceExt as _;

use crate::api::{Metric, Objective, Trial};

/// A trial with the number that stands for it.
#[derive(Clone, Copy, Debug)]
pub struct Ranked<'a> {
    pub trial: &'a Trial,
    pub value: f64,
}

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

    /// The trials that have a number, the best first and of equal ones the oldest.
    pub fn ranked<'a>(&self, trials: impl IntoIterator<Item = &'a Trial>) -> Vec<Ranked<'a>> {
        let number = |trial| Some(Ranked { trial, value: self.value(trial)? });
        let mut ranked: Vec<_> = trials.into_iter().filter_map(number).collect();
        let age = |it: &Ranked<'_>| (it.trial.creation_timestamp(), it.trial.name_any());
        ranked.sort_by(|one, other| {
            self.compare(one.value, other.value).then_with(|| age(one).cmp(&age(other)))
        });
        ranked
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
