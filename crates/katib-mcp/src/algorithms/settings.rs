//! Holds the settings of an experiment against the rules of its algorithm.

use std::collections::HashSet;

use kubeflow_mcp_core::did_you_mean;

use super::{Algorithm, Findings, Rule, Subject};
use crate::api;

pub(super) fn check(
    algorithm: &Algorithm,
    asked: &api::Algorithm,
    findings: &mut Findings,
    subject: fn(String) -> Subject,
) {
    let mut seen = HashSet::new();
    for given in &asked.algorithm_settings {
        let problem = if seen.insert(given.name.as_str()) {
            problem(algorithm, &given.name, &given.value)
        } else {
            Some("is given twice".to_owned())
        };
        if let Some(problem) = problem {
            findings.object(subject(given.name.clone()), problem);
        }
    }
    let missing = algorithm.settings.iter().filter(|it| it.required && !seen.contains(it.name));
    for setting in missing {
        let problem = format!("is missing: {} needs {}", algorithm.name, setting.rule.told());
        findings.object(subject(setting.name.to_owned()), problem);
    }
}

fn problem(algorithm: &Algorithm, name: &str, value: &str) -> Option<String> {
    let Some(setting) = algorithm.settings.iter().find(|it| it.name == name) else {
        return Some(unknown(algorithm, name));
    };
    let rule = &setting.rule;
    (!rule.allows(value)).then(|| match rule {
        Rule::Refused(reason) => format!("cannot be used: {reason}"),
        Rule::OneOf(values) => {
            let meant = did_you_mean(value, values.iter().copied());
            format!("is {value:?}{meant}, {} takes {}", algorithm.name, rule.told())
        }
        _ => format!("is {value:?}, {} takes {}", algorithm.name, rule.told()),
    })
}

fn unknown(algorithm: &Algorithm, name: &str) -> String {
    let names = algorithm.settings.iter().map(|it| it.name);
    let meant = did_you_mean(name, names.clone());
    match names.collect::<Vec<_>>().as_slice() {
        [] => format!("is unknown: {} has no settings", algorithm.name),
        [only] => format!("is unknown{meant}: {} has only {only}", algorithm.name),
        names => format!("is unknown{meant}: {} has {}", algorithm.name, names.join(", ")),
    }
}

impl Rule {
    /// Whether Katib's service would take the value.
    pub fn allows(&self, value: &str) -> bool {
        let number = || value.parse::<f64>().ok().filter(|it| it.is_finite());
        match self {
            Self::Whole(least, most) => {
                value.parse::<i64>().is_ok_and(|it| (*least..=*most).contains(&it))
            }
            Self::Above(bound) => number().is_some_and(|it| it > *bound),
            Self::AtLeast(bound) => number().is_some_and(|it| it >= *bound),
            Self::Inside(low, high) => number().is_some_and(|it| it > *low && it < *high),
            Self::Between(low, high) => number().is_some_and(|it| it >= *low && it <= *high),
            Self::OneOf(values) => values.contains(&value),
            Self::Text(_) => !value.is_empty(),
            Self::Refused(_) => false,
        }
    }

    /// What it allows, in words.
    pub fn told(&self) -> String {
        match self {
            Self::Whole(least, most) => format!("a whole number from {least} to {most}"),
            Self::Above(bound) => format!("a number above {bound}"),
            Self::AtLeast(bound) => format!("a number of at least {bound}"),
            Self::Inside(low, high) => format!("a number between {low} and {high}"),
            Self::Between(low, high) => format!("a number from {low} to {high}"),
            Self::OneOf(values) => format!("one of {}", values.join(", ")),
            Self::Text(what) => (*what).to_owned(),
            Self::Refused(_) => "nothing".to_owned(),
        }
    }
}
