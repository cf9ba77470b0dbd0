//! Metrics in what a trial prints, read as Katib's collector reads them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use jiff::Timestamp;
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::api::{Metric, MetricsCollector, Objective, Observation, UNAVAILABLE};

/// What a line must look like where the experiment does not say: `loss=0.31`.
pub const DEFAULT_FORMAT: &str = r"([\w|-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)";

/// What the local cluster keeps of a trial's metrics, on the trial: it has no database.
pub const ANNOTATION: &str = "kubeflow-mcp/metrics";
/// The most points that are kept there.
pub const MOST_KEPT: usize = 500;

/// Before each line that a collector prints: `I0825 10:11:12.123456      15 main.go:139] `.
static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^[IWEF]\d{4} \d{2}:\d{2}:\d{2}\.\d+\s+\d+ [^\]\s]+\] ?").expect("a valid pattern")
});

/// How a collector finds metrics in text.
#[derive(Debug)]
pub enum Format {
    /// A name in the first group of an expression, a value in the second.
    Text(Vec<Regex>),
    /// One object a line, its values strings.
    Json,
}

/// One value of a metric, as it was printed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Point {
    pub name: String,
    /// In the program's own digits; nothing where it printed `nan`.
    pub value: String,
    /// When, where the line begins with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

impl Format {
    /// What an experiment has chosen. Expressions that cannot be read find nothing.
    pub fn of(collector: Option<&MetricsCollector>) -> Self {
        let source = collector.and_then(|it| it.source.as_ref());
        let file = source.and_then(|it| it.file_system_path.as_ref());
        if file.and_then(|it| it.format.as_deref()) == Some("JSON") {
            return Self::Json;
        }
        let given = source.and_then(|it| it.filter.as_ref()).map(|it| it.metrics_format.as_slice());
        let given = given.filter(|it| !it.is_empty());
        let compiled = |it: &String| Regex::new(it).ok();
        let expressions = match given {
            Some(given) => given.iter().filter_map(compiled).collect(),
            None => vec![Regex::new(DEFAULT_FORMAT).expect("a valid expression")],
        };
        Self::Text(expressions)
    }

    /// The values of these metrics that one line states.
    pub fn read(&self, names: &[&str], line: &str) -> Vec<Point> {
        match self {
            Self::Text(expressions) => text(expressions, names, line),
            Self::Json => json(names, line),
        }
    }
}

/// The line that a trial has printed, from a line of its collector's log. The collector's own
/// warnings, which quote such lines, are none.
pub fn printed(logged: &str) -> Option<&str> {
    let prefix = PREFIX.find(logged).filter(|it| it.as_str().starts_with('I'))?;
    Some(&logged[prefix.end()..])
}

/// Everything that Katib keeps of the metrics of a trial that has ended.
pub fn observation(objective: &Objective, points: &[Point]) -> Observation {
    let objective_name = objective.objective_metric_name.as_str();
    let reported = points.iter().any(|it| it.name == objective_name);
    // Without the objective, nothing else is kept.
    let points = if reported { points } else { &[] };
    let names = std::iter::once(objective_name)
        .chain(objective.additional_metric_names.iter().map(String::as_str));
    let metrics = names.map(|name| {
        let of_name: Vec<_> = points.iter().filter(|it| it.name == name).collect();
        let number = |it: &&&Point| it.value.parse::<f64>().is_ok_and(|it| !it.is_nan());
        let by_value = |one: &&&Point, other: &&&Point| {
            let value = |it: &Point| it.value.parse::<f64>().unwrap_or(f64::NAN);
            value(one).total_cmp(&value(other))
        };
        let least = of_name.iter().filter(number).min_by(by_value);
        let greatest = of_name.iter().filter(number).max_by(by_value);
        // A line without a time is older than all that have one; of equal ones the last counts.
        let latest = of_name.iter().max_by_key(|it| it.at);
        let shown = |it: Option<&&Point>| it.map_or(UNAVAILABLE, |it| it.value.as_str()).to_owned();
        Metric {
            name: name.to_owned(),
            min: shown(least),
            max: shown(greatest),
            latest: shown(latest),
        }
    });
    Observation { metrics: metrics.collect() }
}

/// The values of each metric, in the order in which they were printed.
pub fn curves(points: &[Point]) -> HashMap<&str, Vec<&Point>> {
    let mut curves: HashMap<&str, Vec<&Point>> = HashMap::new();
    for point in points {
        curves.entry(point.name.as_str()).or_default().push(point);
    }
    curves
}

/// A line of a collector's log as the training program printed it.
pub fn without_prefix(line: &str) -> &str {
    PREFIX.find(line).map_or(line, |it| &line[it.end()..])
}

/// Points as they are kept in the annotation: of many, each metric's share evenly, with the first and
/// the last.
pub fn annotation(points: &[Point]) -> String {
    if points.len() <= MOST_KEPT {
        return serde_json::to_string(points).expect("points are plain text");
    }
    let curves: BTreeMap<_, _> = curves(points).into_iter().collect();
    let most = (MOST_KEPT / curves.len().max(1)).max(2);
    // How a trial began is what early stopping goes by: that is kept as it was.
    let kept = curves.into_values().flat_map(|mut curve| {
        let rest = curve.split_off(curve.len().min(most / 4));
        let left = most - curve.len();
        curve.into_iter().chain(thinned(rest, left))
    });
    let kept: Vec<_> = kept.collect();
    serde_json::to_string(&kept).expect("points are plain text")
}

/// The points that an annotation has kept; what cannot be read has none.
pub fn kept(annotation: &str) -> Vec<Point> {
    serde_json::from_str(annotation).unwrap_or_default()
}

/// At most so many, evenly, with the first and the last.
pub fn thinned<T>(points: Vec<T>, most: usize) -> Vec<T> {
    let count = points.len();
    if count <= most || most < 2 {
        return points.into_iter().rev().take(most.max(1)).rev().collect();
    }
    let mut wanted = (0..most).map(|it| it * (count - 1) / (most - 1)).peekable();
    let chosen = points.into_iter().enumerate().filter(|(at, _)| wanted.next_if_eq(at).is_some());
    chosen.map(|(_, point)| point).collect()
}

fn text(expressions: &[Regex], names: &[&str], line: &str) -> Vec<Point> {
    if !names.iter().any(|it| line.contains(it)) {
        return Vec::new();
    }
    let at = line.split_once(' ').and_then(|(first, _)| first.parse().ok());
    let found = expressions.iter().flat_map(|it| it.captures_iter(line));
    let points = found.filter_map(|found| {
        let name = found.get(1)?.as_str().trim();
        let value = found.get(2).map_or("", |it| it.as_str().trim());
        names.contains(&name).then(|| Point { name: name.to_owned(), value: value.to_owned(), at })
    });
    points.collect()
}

fn json(names: &[&str], line: &str) -> Vec<Point> {
    let Ok(object) = serde_json::from_str::<Map<String, Value>>(line) else { return Vec::new() };
    let at = match object.get("timestamp") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(Value::Number(seconds)) => seconds.as_f64().and_then(moment),
        _ => None,
    };
    let value = |name: &&str| object.get(*name)?.as_str().map(str::to_owned);
    let points = names
        .iter()
        .filter_map(|name| value(name).map(|value| Point { name: (*name).to_owned(), value, at }));
    points.collect()
}

fn moment(seconds: f64) -> Option<Timestamp> {
    let duration = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(duration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Vec<Point> {
        let format = Format::of(None);
        lines.iter().flat_map(|line| format.read(&["loss", "acc"], line)).collect()
    }

    fn observed(lines: &[&str]) -> String {
        let objective = Objective {
            type_: "minimize".into(),
            objective_metric_name: "loss".into(),
            additional_metric_names: vec!["acc".into()],
            ..Objective::default()
        };
        let metrics = observation(&objective, &read(lines)).metrics;
        let shown = |it: &Metric| format!("{} {} {} {}", it.name, it.min, it.max, it.latest);
        metrics.iter().map(shown).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn what_a_trial_printed_is_what_katib_keeps() {
        assert_eq!(
            observed(&["epoch 1: loss=0.9 acc=0.5", "loss = 1e-1", "note loss", "loss=0.30"]),
            "loss 1e-1 0.9 0.30; acc 0.5 0.5 0.5"
        );
        let backwards = ["2026-01-02T00:00:00Z loss=2", "2026-01-01T00:00:00Z loss=1"];
        assert_eq!(observed(&backwards), "loss 1 2 2; acc unavailable unavailable unavailable");
        assert_eq!(
            observed(&["loss: 0.3", "{'loss': 0.3}", "acc=1"]),
            "loss unavailable unavailable unavailable; acc unavailable unavailable unavailable"
        );
        // The expression takes a name alone for a metric without a value.
        assert_eq!(
            observed(&["loss=nan"]).split(';').next(),
            Some("loss unavailable unavailable ")
        );
    }

    #[test]
    fn the_collectors_own_words_are_not_the_trials() {
        let logged = "I0825 10:11:12.123456      15 main.go:139] loss=0.3 [x]";
        assert_eq!(printed(logged), Some("loss=0.3 [x]"));
        let warned = "W0825 10:11:12.123456      15 file.go:99] Metrics will not have: loss=0.3";
        assert_eq!(printed(warned), None);
        assert_eq!(printed("loss=0.3"), None);
    }

    #[test]
    fn of_many_points_each_metric_keeps_how_it_began_and_where_it_ended() {
        let points = |name: &str, count: usize| -> Vec<Point> {
            let point =
                |number: usize| Point { name: name.into(), value: number.to_string(), at: None };
            (0..count).map(point).collect()
        };
        let many = [points("loss", 1000), points("acc", 10), points("time", 251)].concat();
        let kept = kept(&annotation(&many));
        let curves = curves(&kept);
        let told = |name: &str| {
            let curve = &curves[name];
            (curve.len(), curve[7].value.as_str(), curve[curve.len() - 1].value.as_str())
        };
        assert_eq!(told("loss"), (166, "7", "999"));
        assert_eq!(told("acc"), (10, "7", "9"));
        assert_eq!(told("time"), (166, "7", "250"));
    }

    #[test]
    fn json_lines_hold_strings() {
        let point = |line| Format::Json.read(&["loss"], line).pop().map(|it| (it.value, it.at));
        let at = "1970-01-01T00:00:01.5Z".parse().ok();
        assert_eq!(point(r#"{"loss": "0.5", "timestamp": 1.5}"#), Some(("0.5".to_owned(), at)));
        assert_eq!(point(r#"{"loss": 0.5}"#), None);
    }

    #[test]
    fn what_the_collector_repeats_is_what_the_program_printed() {
        let check = |line, expected| assert_eq!(without_prefix(line), expected);
        check("I0825 10:11:12.123456      15 main.go:139] epoch=1 loss=0.5", "epoch=1 loss=0.5");
        check("I0825 10:11:12.123456 15 main.go:139] ", "");
        check("I0825 is the name of [a] thing", "I0825 is the name of [a] thing");
        check("loss=0.5", "loss=0.5");
    }

    #[test]
    fn curves_are_thinned_evenly_between_their_ends() {
        let thin = |count: u32, most| thinned((0..count).collect(), most);
        assert_eq!(thin(3, 5), [0, 1, 2]);
        assert_eq!(thin(11, 3), [0, 5, 10]);
        assert_eq!(thin(501, 500).len(), 500);
        assert_eq!(thin(100, 1), [99]);
    }

    #[test]
    fn what_is_kept_is_what_was_printed() {
        let points = read(&["2026-01-01T00:00:00Z loss=1 acc=0.5", "loss=nan"]);
        assert_eq!(kept(&annotation(&points)), points);
        assert!(kept("nothing of ours").is_empty());
    }
}
