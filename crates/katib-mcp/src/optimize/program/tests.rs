//! Programs of trials, run as Katib has them run.

use std::process::Command;

use serde_json::json;

use super::*;

fn parameters() -> Parameters {
    let given = json!({"lr": {"min": 0.1, "max": 0.9}, "opt": ["sgd", "a b"], "epochs": 3});
    Parameters::read(given.as_object().unwrap()).unwrap()
}

/// What a trial prints with these values, run as Katib joins and ends the command.
fn printed(program: &Program) -> String {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("metrics.log").to_str().unwrap().to_owned();
    let line = format!("{} 1>{log} 2>&1 && echo completed > {log}.pid", program.line);
    let env = program.env.iter().map(|it| {
        let value = it.value.clone().unwrap_or_default();
        let value = value.replace("${trialParameters.lr}", "0.25");
        (it.name.clone(), value.replace("${trialParameters.opt}", "a b"))
    });
    let run = Command::new("sh").args(["-c", &line]).envs(env).status().unwrap();
    let printed = std::fs::read_to_string(&log).unwrap();
    assert!(run.success() && std::fs::exists(log + ".pid").unwrap(), "{printed}");
    printed
}

const SCRIPT: &str = "
import json, os, sys
held = json.loads(os.environ['FUNC_ARGS'])
print(sys.argv[1:], sorted(held.items()), os.environ['KUBEFLOW_TRAINER_OPT_LR'])
";

#[test]
fn a_script_gets_its_parameters_as_run_custom_training_gives_them() {
    let program =
        Program::of_script(SCRIPT, Start::Python, &[], Vec::new(), &parameters()).unwrap();
    assert_eq!(
        printed(&program),
        "['--epochs=3', '--lr=0.25', '--opt=a b'] [('epochs', 3), ('lr', 0.25), ('opt', 'a b')] 0.25\n"
    );
    assert_eq!(
        program.summary,
        "python train.py --epochs=3 --lr=${trialParameters.lr} --opt=${trialParameters.opt}"
    );
}

#[test]
fn a_command_names_its_parameters_or_is_given_them() {
    let command = ["printf", "%s|", "x=${trialParameters.opt}"].map(str::to_owned);
    let program = Program::of_command(&command, Vec::new(), &parameters()).unwrap();
    assert_eq!(printed(&program), "x=a b|--epochs=3|--lr=0.25|");
    let env = json!({"OPTIMIZER": "the ${trialParameters.opt}"});
    let env = variables(env.as_object().unwrap()).unwrap();
    let command = ["printf", "%s|", "$(OPTIMIZER)"].map(str::to_owned);
    let program = Program::of_command(&command, env, &parameters()).unwrap();
    assert_eq!(printed(&program), "the a b|--epochs=3|--lr=0.25|");
}

#[test]
fn a_job_s_own_values_give_way() {
    let held = json!({"lr": 0.5, "seed": 1});
    let code = Code {
        source: SCRIPT,
        start: Start::Python,
        func_args: held.as_object().unwrap(),
        packages: &[],
        pip_index_urls: &[],
        env: Vec::new(),
    };
    let delivery = code.deliver().unwrap();
    let command: Vec<String> = delivery.command.into_iter().chain(delivery.args).collect();
    let program = Program::of_job(command, delivery.env, &parameters()).unwrap();
    assert_eq!(
        printed(&program),
        "['--seed=1', '--epochs=3', '--lr=0.25', '--opt=a b'] [('epochs', 3), ('lr', 0.25), ('opt', 'a b'), ('seed', 1)] 0.25\n"
    );
}
