//! What people write for a search, and what Katib is given for it.

use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

fn check(given: Value, expected: Expect) {
    let told = match Parameters::read(given.as_object().unwrap()) {
        Ok(parameters) => {
            let searched = parameters.searched.iter().map(|it| json!(it).to_string());
            let fixed = (!parameters.fixed.is_empty()).then(|| json!(parameters.fixed).to_string());
            searched.chain(fixed).collect::<Vec<_>>().join("\n")
        }
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&told);
}

#[test]
fn types_follow_from_the_values() {
    check(
        json!({
            "lr": {"min": 1e-4, "max": 0.1, "log": true},
            "epochs": {"min": 1, "max": 10},
            "width": {"min": "32", "max": "256", "step": 32},
            "dropout": {"min": 0.0, "max": 1},
            "optimizer": ["sgd", "adam"],
            "batch_size": {"choices": [32, 64]},
            "nesterov": [true, false],
            "seed": 7
        }),
        expect![[r#"
            {"feasibleSpace":{"distribution":"uniform","list":["32","64"]},"name":"batch_size","parameterType":"discrete"}
            {"feasibleSpace":{"distribution":"uniform","max":"1","min":"0.0"},"name":"dropout","parameterType":"double"}
            {"feasibleSpace":{"distribution":"uniform","max":"10","min":"1"},"name":"epochs","parameterType":"int"}
            {"feasibleSpace":{"distribution":"logUniform","max":"0.1","min":"0.0001"},"name":"lr","parameterType":"double"}
            {"feasibleSpace":{"distribution":"uniform","list":["true","false"]},"name":"nesterov","parameterType":"categorical"}
            {"feasibleSpace":{"distribution":"uniform","list":["sgd","adam"]},"name":"optimizer","parameterType":"categorical"}
            {"feasibleSpace":{"distribution":"uniform","max":"256","min":"32","step":"32"},"name":"width","parameterType":"int"}
            {"seed":7}"#]],
    );
}

#[test]
fn a_parameter_may_be_written_as_katib_does() {
    let space = json!({"min": "0.1", "max": "0.9", "distribution": "log_normal"});
    check(
        json!({"momentum": {"parameterType": "float", "feasibleSpace": space}}),
        expect![[
            r#"{"feasibleSpace":{"distribution":"logNormal","max":"0.9","min":"0.1"},"name":"momentum","parameterType":"double"}"#
        ]],
    );
}

#[test]
fn what_cannot_be_meant_is_refused() {
    for (given, expected) in [
        (
            json!({"seed": 7}),
            expect![[
                r#"argument "parameters" must have something to search, such as {"lr": {"min": 0.001, "max": 0.1}}"#
            ]],
        ),
        (
            json!({"dropout": {"min": 0, "max": 1}}),
            expect![[
                r#"argument "parameters.dropout" must have a type: 0 to 1 may mean double or int"#
            ]],
        ),
        (
            json!({"lr": {"minn": 0.1, "max": 1}}),
            expect![[r#"argument "parameters.lr.minn" is not known (did you mean "min"?)"#]],
        ),
        (
            json!({"lr": {"min": "small", "max": 1}}),
            expect![[r#"argument "parameters.lr.min" is "small", must be a number"#]],
        ),
        (
            json!({"lr": {"min": 0.1, "max": 1, "distribution": "gaussian"}}),
            expect![[
                r#"argument "parameters.lr.distribution" is "gaussian", must be one of uniform, logUniform, normal, logNormal"#
            ]],
        ),
        (
            json!({"n": {"type": "int", "min": 0.5, "max": 4}}),
            expect![[r#"argument "parameters.n" has min 0.5, which is not whole, and type int"#]],
        ),
        (
            json!({"n": {"type": "intt", "min": 1, "max": 4}}),
            expect![[
                r#"argument "parameters.n.type" is "intt", must be double, int, categorical or discrete (did you mean "int"?)"#
            ]],
        ),
        (
            json!({"n": {"log": true}}),
            expect![[r#"argument "parameters.n" must have min and max, or a list of values"#]],
        ),
        (
            json!({"prompt": ["say \"hi\"", "x"]}),
            expect![[
                r#"argument "parameters.prompt[0]" is "say \"hi\"", must not have '"', '\', '$' or a control character, which Katib would put into the trial's JSON unescaped: search over a short name, and let the code choose by it"#
            ]],
        ),
        (
            json!({"a b": [1, 2]}),
            expect![[
                r#"argument "parameters.a b" must have a name of letters, digits, '_', '-' and '.' that starts with a letter"#
            ]],
        ),
        (
            json!({"a-b": [1, 2], "a_b": [1, 2]}),
            expect![[
                r#"argument "parameters.a_b" reaches the trials as the same variable as "a-b""#
            ]],
        ),
    ] {
        check(given, expected);
    }
}

#[test]
fn all_parameters_are_one_object_too() {
    let given = json!({"lr": {"min": 0.1, "max": 1.5}, "optimizer": ["sgd", "adam"],
        "on": [true, false], "tag": "$(HOME)"});
    let parameters = Parameters::read(given.as_object().unwrap()).unwrap();
    let held = json!({"lr": 3, "epochs": 2});
    let variable = parameters.func_args(held.as_object().unwrap()).value.unwrap();
    expect![[r#"{"epochs":2,"tag":"\u0024(HOME)","lr":${trialParameters.lr},"on":${trialParameters.on},"optimizer":"${trialParameters.optimizer}"}"#]]
        .assert_eq(&variable);
}
