//! What is refused and warned of, in the words that a person reads.

use serde_json::{Value, json};

use super::*;

fn experiment(spec: Value) -> Experiment {
    serde_json::from_value(json!({
        "apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment",
        "metadata": {"name": "a-search-with-a-rather-long-name"}, "spec": spec,
    }))
    .expect("an experiment")
}

fn told(spec: Value) -> String {
    let experiment = experiment(spec);
    let space = SearchSpace::check(&experiment.spec.parameters).expect("a good space");
    match check(&experiment, &space) {
        Ok(warnings) => warnings.join("\n"),
        Err(objections) => {
            let each = objections.iter().map(|it| format!("{:?} {}", it.subject, it.problem));
            each.collect::<Vec<_>>().join("\n")
        }
    }
}

fn algorithm(name: &str, settings: Value) -> Value {
    let settings: Vec<_> = settings.as_object().expect("settings").iter().collect();
    let settings: Vec<_> =
        settings.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({"algorithmName": name, "algorithmSettings": settings})
}

fn rate(distribution: &str) -> Value {
    json!({"name": "rate", "parameterType": "double",
           "feasibleSpace": {"min": "0.01", "max": "1", "distribution": distribution}})
}

fn layers() -> Value {
    json!({"name": "layers", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "9"}})
}

fn kind() -> Value {
    json!({"name": "kind", "parameterType": "categorical", "feasibleSpace": {"list": ["a", "b"]}})
}

#[test]
fn settings_are_held_against_their_rules() {
    let cases = [
        ("tpe", json!({"gama": "0.2"})),
        ("tpe", json!({"gamma": "1"})),
        ("tpe", json!({"n_ei_candidates": "24"})),
        ("random", json!({"random_state": "-1"})),
        ("random", json!({"random_state": "1.5"})),
        ("bayesianoptimization", json!({"base_estimator": "gp"})),
        ("cmaes", json!({"sigma": "NaN", "restart_strategy": "ipo"})),
        ("sobol", json!({"seed": "1"})),
        ("hyperband", json!({"eta": "1"})),
        ("pbt", json!({"n_population": "4", "resample_probability": "0.5"})),
        ("tpr", json!({})),
        ("darts", json!({})),
    ];
    let told = cases.map(|(name, settings)| {
        let spec = json!({"algorithm": algorithm(name, settings), "resumePolicy": "FromVolume",
                          "parameters": [layers(), rate("uniform")], "maxTrialCount": 9});
        told(spec)
    });
    expect_test::expect![[r#"
        Setting("gama") is unknown (did you mean "gamma"?): tpe has gamma, prior_weight, n_EI_candidates, random_state
        Setting("gamma") is "1", tpe takes a number between 0 and 1
        Setting("n_ei_candidates") is unknown (did you mean "n_EI_candidates"?): tpe has gamma, prior_weight, n_EI_candidates, random_state
        Setting("random_state") is "-1", random takes a whole number from 0 to 4294967295
        Setting("random_state") is "1.5", random takes a whole number from 0 to 4294967295
        Setting("base_estimator") is "gp" (did you mean "GP"?), bayesianoptimization takes one of GP, RF, ET, GBRT
        Setting("restart_strategy") is "ipo" (did you mean "ipop"?), cmaes takes one of ipop, bipop, none
        Setting("sigma") is "NaN", cmaes takes a number above 0
        Setting("seed") is unknown: sobol has no settings
        Setting("eta") is "1", hyperband takes a whole number from 2 to 2147483647
        Setting("r_l") is missing: hyperband needs a number of at least 1
        Setting("resource_name") is missing: hyperband needs the name of a parameter
        Setting("n_population") is "4", pbt takes a whole number from 5 to 2147483647
        Setting("resample_probability") cannot be used: Katib's own check of it always fails: leave it out
        Setting("suggestion_trial_dir") is missing: pbt needs a folder for checkpoints
        Setting("truncation_threshold") is missing: pbt needs a number from 0 to 1
        Parameter("layers") needs a step, as pbt walks in steps
        Parameter("rate") needs a step, as pbt walks in steps
        Name "a-search-with-a-rather-long-name" has 32 characters, and pbt, which adds 37 to it for its trials, takes 26
        Algorithm "tpr" is unknown (did you mean "tpe"?): the algorithms are random, grid, tpe, multivariate-tpe, bayesianoptimization, cmaes, sobol, hyperband, pbt
        Algorithm "darts" searches the architecture of a network, not parameters: create its Experiment from a manifest"#]].assert_eq(&told.join("\n"));
}

#[test]
fn what_an_algorithm_cannot_search_is_refused_and_what_it_ignores_is_told() {
    let spaces = [
        ("random", json!([rate("normal"), layers(), kind()])),
        (
            "random",
            json!([{"name": "batch", "parameterType": "int",
                           "feasibleSpace": {"min": "10", "max": "100", "step": "32"}}]),
        ),
        ("random", json!([kind()])),
        ("tpe", json!([rate("logUniform"), layers()])),
        ("multivariate-tpe", json!([rate("normal")])),
        ("grid", json!([rate("uniform"), kind()])),
        ("grid", json!([layers()])),
        (
            "grid",
            json!([{"name": "x", "parameterType": "double",
                         "feasibleSpace": {"min": "0", "max": "0.3", "step": "0.1"}}, layers()]),
        ),
        ("bayesianoptimization", json!([rate("uniform"), layers()])),
        (
            "bayesianoptimization",
            json!([{"name": "x", "parameterType": "double",
                                         "feasibleSpace": {"min": "0", "max": "1"}}]),
        ),
        ("cmaes", json!([rate("logUniform"), kind()])),
        ("cmaes", json!([rate("logUniform"), layers(), kind()])),
        (
            "cmaes",
            json!([layers(), {"name": "width", "parameterType": "int",
                                    "feasibleSpace": {"min": "1", "max": "4096"}}]),
        ),
        ("sobol", json!([rate("logNormal"), layers(), kind()])),
    ];
    let told = spaces.map(|(name, parameters)| {
        let spec = json!({"algorithm": algorithm(name, json!({})), "parameters": parameters,
                          "maxTrialCount": 10});
        format!("{name}: {}", told(spec)).trim_end().to_owned()
    });
    expect_test::expect![[r#"
        random: rate: about 3 of 1,000 values of the distribution normal are below min or above max
        random: batch: random rounds to multiples of the step 32, so values may be below min or above max; let both be multiples of it
        10 trials for 3 combinations: some are tried twice; grid tries each once
        random: 10 trials for 2 combinations: some are tried twice; grid tries each once
        tpe:
        multivariate-tpe: Parameter("rate") distribution normal is not for multivariate-tpe: take uniform, logUniform, or tpe
        grid: Parameter("rate") needs a step, as grid tries every value
        grid: MaxTrials is 10, but the grid has only 9 combinations
        grid: x: 0.3 is not tried, as adding up steps of 0.1 comes out a hair above it; give a slightly greater max
        bayesianoptimization: rate: bayesianoptimization searches doubles on a log scale, whatever the distribution
        bayesianoptimization: on a cluster its service has 100Mi of memory by default, which some dozen trials fill; if no new trials come, take tpe
        bayesianoptimization: Parameter("x") min is 0, but bayesianoptimization searches doubles on a log scale and needs a min above 0
        cmaes: Algorithm cmaes needs two parameters of type double or int, and gets 1
        cmaes: rate: cmaes ignores the distribution logUniform
        kind: cmaes draws values of a list at random
        cmaes: cmaes: on a cluster it begins with steps of a sixth of the narrowest range, that of layers, which is next to nothing for width; scale the parameters in the code
        sobol: rate: sobol ignores the distribution logNormal
        layers: on a cluster sobol never tries 9, as it rounds whole numbers down"#]].assert_eq(&told.join("\n"));
}

#[test]
fn hyperband_and_pbt_have_rules_of_their_own() {
    let settings = json!({"r_l": "9", "resource_name": "layers"});
    let hyperband = |settings: Value, parallel: i32, most: i32| {
        told(json!({"algorithm": algorithm("hyperband", settings), "parallelTrialCount": parallel,
                    "parameters": [rate("uniform"), layers()], "maxTrialCount": most}))
    };
    let cases = [
        hyperband(settings.clone(), 9, 23),
        hyperband(settings.clone(), 8, 24),
        hyperband(json!({"r_l": "27", "resource_name": "layers"}), 27, 40),
        hyperband(json!({"r_l": "9", "resource_name": "epochs"}), 9, 9),
        hyperband(json!({"r_l": "9", "resource_name": "rate"}), 9, 9),
        told(json!({"algorithm": algorithm("pbt", json!({"suggestion_trial_dir": "/d",
                        "n_population": "5", "truncation_threshold": "0.2"})),
                    "parameters": [rate("uniform"), kind()]})),
    ];
    expect_test::expect![[r#"
        hyperband: Katib up to 0.19 offers fewer trials than its controller asks for after the first 9, and the search stalls there; random with medianstop does what was meant
        ---
        ParallelTrials is 8, but hyperband needs 9 for its first rung
        MaxTrials hyperband's plan has 23 trials: give no more, or the search never ends
        ---
        layers: hyperband sets it from 1 to 27, though its range is 1 to 9
        hyperband: Katib up to 0.19 offers fewer trials than its controller asks for after the first 27, and the search stalls there; random with medianstop does what was meant
        ---
        Setting("resource_name") is "epochs", which is none of the parameters
        ---
        Parameter("rate") is hyperband's resource, which is a whole number: give it the type int
        ---
        Parameter("rate") needs a step, as pbt walks in steps
        ResumePolicy is not FromVolume, which pbt needs for the checkpoints that trials hand on
        Name "a-search-with-a-rather-long-name" has 32 characters, and pbt, which adds 37 to it for its trials, takes 26"#]].assert_eq(&cases.join("\n---\n"));
}

#[test]
fn early_stopping_is_the_median_rule_with_collectors_that_can_enforce_it() {
    let stopping = |name: &str, settings: Value, kind: &str| {
        told(json!({"algorithm": algorithm("random", json!({})), "parameters": [rate("uniform")],
                    "earlyStopping": algorithm(name, settings),
                    "metricsCollectorSpec": {"collector": {"kind": kind}}}))
    };
    let cases = [
        stopping("medianstop", json!({"start_step": "4"}), "StdOut"),
        stopping("medianstop", json!({"start_steps": "0"}), "File"),
        stopping("medianstop", json!({"start_step": "0"}), "Push"),
        stopping("median", json!({}), "StdOut"),
    ];
    expect_test::expect![[r#"

        ---
        StoppingSetting("start_steps") is unknown (did you mean "start_step"?): medianstop has min_trials_required, start_step
        ---
        StoppingSetting("start_step") is "0", medianstop takes a whole number from 1 to 2147483647
        EarlyStopping medianstop needs metrics of the collector StdOut or File, not "Push"
        ---
        EarlyStopping "median" is unknown: Katib has only medianstop"#]].assert_eq(&cases.join("\n---\n"));
}
