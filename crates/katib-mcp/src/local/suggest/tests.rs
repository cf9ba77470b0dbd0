//! What is chosen lies in the space, on its step; the same state always gives the same choice.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::*;

/// A search in which every trial ends at once, with what a function says of its values.
struct Search {
    experiment: Experiment,
    suggestion: Suggestion,
    trials: Vec<Trial>,
}

impl Search {
    fn new(algorithm: &str, settings: Value, parameters: Value) -> Self {
        let settings = settings.as_object().expect("settings").iter();
        let settings: Vec<_> =
            settings.map(|(name, value)| json!({"name": name, "value": value})).collect();
        let experiment = json!({
            "apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment",
            "metadata": {"name": "search", "uid": "0d2c7a31-43f5-4f3c-9d7e-0a4b5c6d7e8f"},
            "spec": {
                "algorithm": {"algorithmName": algorithm, "algorithmSettings": settings},
                "objective": {"type": "maximize", "objectiveMetricName": "score"},
                "parameters": parameters, "parallelTrialCount": 9, "maxTrialCount": 12,
            },
        });
        let suggestion = json!({"apiVersion": "kubeflow.org/v1beta1", "kind": "Suggestion",
                                "metadata": {"name": "search"}, "spec": {}, "status": {}});
        Self {
            experiment: serde_json::from_value(experiment).expect("an experiment"),
            suggestion: serde_json::from_value(suggestion).expect("a suggestion"),
            trials: Vec::new(),
        }
    }

    fn ask(&self, count: usize) -> Vec<Vec<Setting>> {
        let state = State::of(&self.experiment, &self.suggestion, &self.trials).expect("a state");
        match state.algorithm.algorithm_name.as_str() {
            "random" => random::next(&state, count),
            "grid" => grid::next(&state, count),
            _ => hyperband::next(&state, count).expect("an answer").assignments,
        }
    }

    /// Asks, and lets every trial end with its score, or fail without one.
    fn run(&mut self, count: usize, score: impl Fn(&[Setting]) -> Option<f64>) {
        for assignments in self.ask(count) {
            let name = format!("search-{}", self.trials.len());
            let metrics = score(&assignments).map(|it| {
                let value = it.to_string();
                json!([{"name": "score", "min": value, "max": value, "latest": value}])
            });
            let end = if metrics.is_some() { "Succeeded" } else { "Failed" };
            let trial = json!({
                "apiVersion": "kubeflow.org/v1beta1", "kind": "Trial", "metadata": {"name": name},
                "spec": {}, "status": {"conditions": [{"type": end, "status": "True"}],
                                       "observation": {"metrics": metrics}},
            });
            self.trials.push(serde_json::from_value(trial).expect("a trial"));
            let status = self.suggestion.status.as_mut().expect("a status");
            status.suggestions.push(SuggestedTrial {
                name,
                parameter_assignments: assignments,
                ..SuggestedTrial::default()
            });
        }
    }

    fn chosen(&self) -> Vec<Vec<String>> {
        let status = self.suggestion.status.as_ref().expect("a status");
        let each = status.suggestions.iter().map(|it| texts(&it.parameter_assignments));
        each.collect()
    }
}

fn texts(assignments: &[Setting]) -> Vec<String> {
    assignments.iter().map(|it| it.value.clone()).collect()
}

fn every_kind() -> Value {
    let range = |name: &str, type_: &str, min: &str, max: &str, more: Value| {
        let mut space = json!({"min": min, "max": max});
        space.as_object_mut().expect("an object").extend(more.as_object().expect("more").clone());
        json!({"name": name, "parameterType": type_, "feasibleSpace": space})
    };
    json!([
        range("plain", "double", "-1", "2.5", json!({})),
        range("stepped", "double", "0.1", "0.9", json!({"step": "0.2"})),
        range("rate", "double", "0.00001", "0.1", json!({"distribution": "logUniform"})),
        range("bell", "double", "-3", "3", json!({"distribution": "normal"})),
        range("skewed", "double", "1", "100", json!({"distribution": "logNormal", "step": "9"})),
        range("batch", "int", "32", "250", json!({"step": "32"})),
        range("layers", "int", "-2", "2", json!({})),
        range("width", "int", "1", "4096", json!({"distribution": "logUniform"})),
        range("middle", "int", "0", "10", json!({"distribution": "normal"})),
        {"name": "size", "parameterType": "discrete", "feasibleSpace": {"list": ["8", "1e3"]}},
        {"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
    ])
}

#[test]
fn random_values_lie_in_the_space_and_on_its_steps() {
    let search = Search::new("random", json!({}), every_kind());
    let space = SearchSpace::check(&search.experiment.spec.parameters).expect("a good space");
    let mut different = vec![HashSet::new(); space.dimensions.len()];
    for assignments in search.ask(2000) {
        for (number, (dimension, assignment)) in
            space.dimensions.iter().zip(&assignments).enumerate()
        {
            assert_eq!(dimension.name, assignment.name);
            assert!(dimension.values.holds(&assignment.value), "{assignment:?}");
            different[number].insert(assignment.value.clone());
        }
    }
    let counts: Vec<_> = different.iter().map(HashSet::len).collect();
    assert!(counts[0] > 1990 && counts[2] > 1990 && counts[3] > 1990, "{counts:?}");
    assert_eq!(&counts[4..7], [counts[4], 7, 5]);
    assert_eq!((counts[1], counts[9], counts[10]), (5, 2, 2));
}

#[test]
fn draws_follow_their_distribution() {
    let search = Search::new("random", json!({}), every_kind());
    let asked = search.ask(2000);
    let share = |place: usize, below: f64| {
        let number = |it: &Vec<Setting>| it[place].value.parse::<f64>().expect("a number");
        asked.iter().filter(|it| number(it) < below).count() as f64 / 2000.0
    };
    let near = |share: f64, expected: f64| assert!((share - expected).abs() < 0.05, "{share}");
    near(share(0, 0.75), 0.5);
    near(share(2, 0.001), 0.5);
    near(share(3, -1.0), 0.16);
    near(share(3, 0.0), 0.5);
    near(share(7, 64.0), 0.5);
}

#[test]
fn the_same_seed_gives_the_same_values_however_many_are_asked_for_at_once() {
    let seed = |it: &str| json!({"random_state": it});
    let mut one_by_one = Search::new("random", seed("7"), every_kind());
    for _ in 0..6 {
        one_by_one.run(1, |_| Some(0.0));
    }
    let at_once = Search::new("random", seed("7"), every_kind()).ask(6);
    let at_once: Vec<_> = at_once.iter().map(|it| texts(it)).collect();
    assert_eq!(one_by_one.chosen(), at_once);
    let other = Search::new("random", seed("8"), every_kind()).ask(6);
    let shared = other.iter().filter(|it| at_once.contains(&texts(it)));
    assert_eq!(shared.count(), 0);
}

fn grid() -> Value {
    json!([
        {"name": "x", "parameterType": "double",
         "feasibleSpace": {"min": "0", "max": "1", "step": "0.25"}},
        {"name": "y", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "3"}},
        {"name": "z", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}},
    ])
}

#[test]
fn a_grid_yields_every_combination_once_and_then_nothing() {
    let mut search = Search::new("grid", json!({}), grid());
    for count in [1, 4, 7, 9] {
        search.run(count, |_| Some(0.0));
    }
    // One that is taken back is offered again.
    let taken = search.suggestion.status.as_mut().expect("a status").suggestions.remove(3);
    search.run(100, |_| Some(0.0));
    assert!(search.chosen()[20..].contains(&texts(&taken.parameter_assignments)));
    assert_eq!(search.chosen().len(), 5 * 3 * 2);
    let all: HashSet<_> = search.chosen().into_iter().collect();
    assert_eq!(all.len(), 5 * 3 * 2);
    assert!(search.ask(1).is_empty());
    // A budget smaller than the grid sees more than one side of it.
    let few = Search::new("grid", json!({}), grid()).ask(10);
    let sides: HashSet<_> = few.iter().map(|it| it[0].value.clone()).collect();
    assert!(sides.len() > 2, "{sides:?}");
}

#[test]
fn a_grid_of_any_size_is_asked_without_being_laid_out() {
    let range = |name: &str| {
        json!({"name": name, "parameterType": "int",
               "feasibleSpace": {"min": "0", "max": "1000000000"}})
    };
    let asked = Search::new("grid", json!({}), json!([range("x"), range("y")])).ask(100);
    let all: HashSet<_> = asked.iter().map(|it| texts(it)).collect();
    assert_eq!(all.len(), 100);
}

#[test]
fn hyperband_lets_the_best_go_on_with_more() {
    let settings = json!({"r_l": "9", "resource_name": "epochs"});
    let parameters = json!([
        {"name": "x", "parameterType": "double", "feasibleSpace": {"min": "0", "max": "1"}},
        {"name": "epochs", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "9"}},
    ]);
    let score = |it: &[Setting]| it[0].value.parse::<f64>().ok();
    let mut search = Search::new("hyperband", settings.clone(), parameters.clone());
    search.run(8, score);
    // The ninth belongs to the first rung, and nothing goes on before it has ended.
    assert_eq!(search.ask(3).len(), 1);
    search.run(1, score);
    for _ in 0..9 {
        search.run(3, score);
    }
    let chosen = search.chosen();
    let epochs: Vec<_> = chosen.iter().map(|it| it[1].as_str()).collect();
    assert_eq!(epochs.join(""), "11111111133393333399999");
    let best_of = |range: std::ops::Range<usize>, count: usize| {
        let mut best: Vec<_> = chosen[range].iter().map(|it| it[0].clone()).collect();
        best.sort_by(|a, b| {
            b.parse::<f64>().expect("a number").total_cmp(&a.parse().expect("a number"))
        });
        best[..count].to_vec()
    };
    let first = |range: std::ops::Range<usize>| -> Vec<String> {
        chosen[range].iter().map(|it| it[0].clone()).collect()
    };
    assert_eq!(first(9..12), best_of(0..9, 3));
    assert_eq!(first(12..13), best_of(9..12, 1));
    assert_eq!(first(18..20), best_of(13..18, 2));
    assert!(search.ask(1).is_empty());

    let mut failing = Search::new("hyperband", settings, parameters);
    failing.run(9, |_| None);
    assert_eq!(failing.ask(9).len(), 3);
}

#[test]
fn what_an_algorithm_cannot_do_is_said_before_the_first_trial() {
    let refused = |algorithm: &str, settings: Value, parameters: Value| {
        let search = Search::new(algorithm, settings, parameters);
        match State::of(&search.experiment, &search.suggestion, &[]) {
            Err(SuggestError::Invalid(why)) => why,
            _ => "nothing".to_owned(),
        }
    };
    let range = json!([{"name": "x", "parameterType": "double",
                        "feasibleSpace": {"min": "0", "max": "1"}}]);
    assert_eq!(
        refused("grid", json!({}), range.clone()),
        "parameter x needs a step, as grid tries every value"
    );
    assert_eq!(
        refused("random", json!({"seed": "1"}), range),
        "setting seed is unknown: random has only random_state"
    );
    let broken = json!([{"name": "x", "parameterType": "double",
                         "feasibleSpace": {"min": "a", "max": "1"}}]);
    assert_eq!(refused("random", json!({}), broken), "x min \"a\" is not a number");
}
