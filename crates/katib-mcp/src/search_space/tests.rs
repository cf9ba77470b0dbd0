//! What is refused in which words, how many values there are, and which stands in the middle.

use serde_json::{Value, json};

use super::*;

fn parameters(spaces: &Value) -> Vec<Parameter> {
    let each = spaces.as_array().expect("a list").iter().map(|it| {
        let mut space = it.as_object().expect("an object").clone();
        let mut taken = |field: &str| match space.remove(field) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let (name, parameter_type) = (taken("name"), taken("type"));
        let feasible_space = serde_json::from_value(space.into()).expect("a space");
        Parameter { name, parameter_type, feasible_space }
    });
    each.collect()
}

fn space(spaces: &Value) -> SearchSpace {
    SearchSpace::check(&parameters(spaces)).expect("a good space")
}

fn refused(mut space: Value) -> String {
    space["name"] = "x".into();
    let objections = SearchSpace::check(&parameters(&json!([space]))).expect_err("a bad space");
    let each = objections.iter().map(|it| format!("{} {}", it.parameter, it.problem));
    each.collect::<Vec<_>>().join("; ")
}

#[test]
fn every_mistake_is_told_with_its_value_and_what_would_be_right() {
    let cases = [
        json!({"type": "double", "min": "0.5", "max": "0.1"}),
        json!({"type": "double", "min": "abc", "max": "1"}),
        json!({"type": "double", "min": "0", "max": "NaN"}),
        json!({"type": "double", "min": "0", "max": "1", "step": "-0.5"}),
        json!({"type": "double", "min": "0", "max": "1", "step": "2"}),
        json!({"type": "double", "min": "0", "max": "1", "distribution": "logUniform"}),
        json!({"type": "double", "min": "0", "max": "1", "distribution": "loguniform"}),
        json!({"type": "double", "min": "1", "max": "1"}),
        json!({"type": "double", "min": "1"}),
        json!({"type": "double", "list": ["1", "2"]}),
        json!({"type": "int", "min": "1.5", "max": "2"}),
        json!({"type": "int", "min": "1", "max": "8", "step": "0"}),
        json!({"type": "int", "min": "1", "max": "8", "step": "9"}),
        json!({"type": "categorical", "list": ["only"]}),
        json!({"type": "categorical", "list": ["a", "b", "a"]}),
        json!({"type": "categorical", "list": []}),
        json!({"type": "categorical", "list": ["a", "b"], "min": "1"}),
        json!({"type": "discrete", "list": ["1", "two"]}),
        json!({"type": "float", "min": "0", "max": "1"}),
        json!({"type": "integer", "min": "0", "max": "1"}),
        json!({"type": ""}),
    ];
    let told = cases.map(refused).join("\n");
    expect_test::expect![[r#"
        x min 0.5 is greater than max 0.1
        x min "abc" is not a number
        x max "NaN" is not a number
        x step -0.5 is not above 0
        x step 2 leaves only 0 between min 0 and max 1: give a smaller step
        x distribution logUniform needs a min above 0, but min is 0
        x distribution "loguniform" is unknown (did you mean "logUniform"?): the distributions are uniform, logUniform, normal, logNormal
        x min and max are both 1: nothing to search; set it in the code instead
        x type "double" needs min and max
        x type "double" takes min and max, not a list: lists are for discrete and categorical
        x min "1.5" is not a whole number, as type "int" needs
        x step 0 is not above 0
        x step 9 leaves only 1 between min 1 and max 8: give a smaller step
        x list has only "only": nothing to search; set it in the code instead
        x list has "a" twice: give each value once
        x type "categorical" needs a list of values
        x type "categorical" takes a list, not min: ranges are for double and int
        x list item "two" is not a number
        x type "float" is unknown (did you mean "double"?): the types are double, int, discrete, categorical
        x type "integer" is unknown (did you mean "int"?): the types are double, int, discrete, categorical
        x type "" is unknown: the types are double, int, discrete, categorical"#]].assert_eq(&told);
}

#[test]
fn a_parameter_stands_once_and_has_a_name() {
    let list = json!({"name": "x", "type": "categorical", "list": ["a", "b"]});
    let nameless = json!({"type": "categorical", "list": ["a", "b"]});
    let objections = SearchSpace::check(&parameters(&json!([list, list, nameless])));
    let problems = objections.expect_err("bad").into_iter().map(|it| it.problem);
    assert_eq!(
        problems.collect::<Vec<_>>(),
        ["stands twice: give each parameter once", "has no name"]
    );
}

#[test]
fn combinations_are_counted() {
    let count = |it: Value| space(&it).combinations();
    assert_eq!(count(json!([{"name": "x", "type": "double", "min": "0", "max": "1"}])), None);
    let tenths = json!({"name": "x", "type": "double", "min": "0", "max": "1", "step": "0.1"});
    let fours = json!({"name": "y", "type": "int", "min": "1", "max": "10", "step": "4"});
    let words = json!({"name": "z", "type": "categorical", "list": ["a", "b"]});
    assert_eq!(count(json!([tenths, fours, words])), Some(11 * 3 * 2));
    // Three steps of 0.1 are 0.30000000000000004, which is meant to be 0.3.
    let short = json!({"name": "x", "type": "double", "min": "0", "max": "0.3", "step": "0.1"});
    assert_eq!(count(json!([short])), Some(4));
    let min = i64::MIN.to_string();
    let vast = json!({"name": "x", "type": "int", "min": min, "max": i64::MAX.to_string()});
    assert_eq!(count(json!([vast])), Some(u64::MAX));
}

#[test]
fn values_stand_on_their_step_in_plain_digits() {
    let step =
        Values::Double { min: 0.0, max: 1.0, step: Some(0.1), distribution: Distribution::Uniform };
    let all: Vec<_> = (0..).map_while(|index| step.at(index)).collect();
    assert_eq!(all, ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.0"]);
    assert_eq!(step.nearest(0.34), "0.3");
    assert_eq!(step.nearest(7.0), "1.0");
}

#[test]
fn one_trial_stands_in_the_middle() {
    let middle = space(&json!([
        {"name": "lr", "type": "double", "min": "0.0001", "max": "0.01", "distribution": "logUniform"},
        {"name": "momentum", "type": "double", "min": "0", "max": "1"},
        {"name": "batch", "type": "int", "min": "32", "max": "256", "step": "32"},
        {"name": "optimizer", "type": "categorical", "list": ["sgd", "adam"]},
    ]))
    .middle();
    let values: Vec<_> = middle.iter().map(|it| it.value.as_str()).collect();
    assert_eq!(&values[1..], ["0.5", "160", "sgd"]);
    assert!((values[0].parse::<f64>().expect("a number") - 0.001).abs() < 1e-9);
}
