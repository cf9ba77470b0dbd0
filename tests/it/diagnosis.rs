//! What a diagnosis makes of recorded objects, what it costs to read, and that its advice can be followed.

use kubeflow_mcp_tests::diagnosis::{Outcome, recorded};
use serde_json::Value;

use crate::tools;

/// How much of an agent's attention one answer may take, in o200k tokens.
const BUDGET: usize = 800;

#[test]
fn recorded_causes_are_named() {
    let outcomes = recorded();
    let wrong = outcomes.iter().filter(|it| !it.is_right()).map(Outcome::problem);
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_answer_is_short() {
    for outcome in recorded() {
        let text = outcome.answer.to_string();
        let tokens = tiktoken_rs::o200k_base_singleton().encode_ordinary(&text).len();
        assert!(tokens <= BUDGET, "{}: {tokens} tokens: {text}", outcome.name);
    }
}

/// Each call that is advised is one of our tools, with arguments that it takes.
#[test]
fn advised_calls_can_be_made() {
    let mut calls = 0;
    for outcome in recorded() {
        let causes = outcome.answer["causes"].as_array().cloned().unwrap_or_default();
        for step in causes.iter().flat_map(|it| it["next"].as_array().into_iter().flatten()) {
            let step = step.as_str().unwrap();
            let Some((tool, rest)) = step.split_once(" {") else { continue };
            let (arguments, why) = rest.rsplit_once("}: ").unwrap();
            let arguments: Value = serde_json::from_str(&format!("{{{arguments}}}")).unwrap();
            let described = tools().find(|it| it.name == tool).expect(step).describe();
            let schema = Value::Object((*described.input_schema).clone());
            let valid = jsonschema::validate(&schema, &arguments);
            assert!(valid.is_ok() && !why.is_empty(), "{step}: {valid:?}");
            calls += 1;
        }
    }
    assert!(calls > 20, "{calls} calls are advised");
}
