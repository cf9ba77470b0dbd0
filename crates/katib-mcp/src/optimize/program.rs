//! What runs in every trial: a command that takes the parameters from variables.

use k8s_openapi::api::core::v1::EnvVar;
use kubeflow_mcp_core::{Error, Problem, Result, did_you_mean};
use serde_json::{Map, Value};
use workloads::{
    code::{Code, FUNC_ARGS, Start},
    environment,
};

use super::{
    parameters::{self, Parameters},
    shell,
};

/// A trial's program, as its container is given it.
#[derive(Debug)]
pub(super) struct Program {
    /// One line of shell.
    pub(super) line: String,
    pub(super) env: Vec<EnvVar>,
    /// What a person would write.
    pub(super) summary: String,
}

impl Program {
    /// A Python script, which gets its parameters as with run_custom_training.
    pub(super) fn of_script(
        script: &str,
        start: Start,
        packages: &[String],
        env: Vec<EnvVar>,
        parameters: &Parameters,
    ) -> Result<Self> {
        let env = with_parameters(env, parameters)?;
        let code = Code {
            source: script,
            start,
            func_args: &parameters.fixed,
            packages,
            pip_index_urls: &[],
            env,
        };
        let mut delivery = code.deliver().map_err(as_parameters)?;
        delivery.env.retain(|it| it.name != FUNC_ARGS);
        let summary = start.summary(&delivery.args);
        let words: Vec<String> = delivery.command.into_iter().chain(delivery.args).collect();
        Ok(Self::of_words(&words, summary, delivery.env, parameters, &[]))
    }

    /// A command, which names parameters as `${trialParameters.NAME}`, or is given them at its end.
    pub(super) fn of_command(
        command: &[String],
        env: Vec<EnvVar>,
        parameters: &Parameters,
    ) -> Result<Self> {
        let texts: Vec<String> = env.iter().filter_map(|it| it.value.clone()).collect();
        for name in shell::named(command).chain(shell::named(&texts)) {
            if !parameters.names().any(|it| it == name) {
                let guess = did_you_mean(name, parameters.names());
                let problem = format!("names a parameter {name:?} that is not searched{guess}");
                return Err(Error::argument("command", problem));
            }
        }
        let named: Vec<&str> = shell::named(command).chain(shell::named(&texts)).collect();
        let env = with_parameters(env, parameters)?;
        let fixed = parameters.fixed.iter().map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            workloads::code::unexpanded(&format!("--{name}={text}"))
        });
        let words: Vec<String> = command.iter().cloned().chain(fixed).collect();
        let summary = words.join(" ");
        Ok(Self::of_words(&words, summary, env, parameters, &named))
    }

    /// A command that a job ran with values of its own, in whose place the searched ones come.
    pub(super) fn of_job(
        mut command: Vec<String>,
        env: Vec<EnvVar>,
        parameters: &Parameters,
    ) -> Result<Self> {
        let given: Vec<&str> =
            parameters.names().chain(parameters.fixed.keys().map(String::as_str)).collect();
        command.retain(|word| {
            let name = word.strip_prefix("--").and_then(|it| it.split_once('=')).map(|it| it.0);
            name.is_none_or(|name| !given.contains(&name))
        });
        let held = env.iter().find(|it| it.name == FUNC_ARGS).and_then(|it| it.value.as_deref());
        let held = held.and_then(|it| serde_json::from_str(it).ok()).unwrap_or_default();
        let env = env.into_iter().filter(|it| it.name != FUNC_ARGS).collect();
        let mut program = Self::of_command(&command, env, parameters)?;
        program.env.retain(|it| it.name != FUNC_ARGS);
        program.env.push(parameters.func_args(&held));
        Ok(program)
    }

    fn of_words(
        words: &[String],
        mut summary: String,
        mut env: Vec<EnvVar>,
        parameters: &Parameters,
        named: &[&str],
    ) -> Self {
        let variables: Vec<String> = env.iter().map(|it| it.name.clone()).collect();
        let appended = parameters.names().filter(|it| !named.contains(it));
        let mut line = shell::line(words, &variables);
        for name in appended {
            line = format!("{line} {}", shell::argument(name));
            summary = format!("{summary} --{name}={}", parameters::placeholder(name));
        }
        env.push(parameters.func_args(&Map::new()));
        Self { line, env, summary }
    }
}

/// The variables of the caller's own, and those of the parameters.
fn with_parameters(mut env: Vec<EnvVar>, parameters: &Parameters) -> Result<Vec<EnvVar>> {
    let ours: Vec<EnvVar> = parameters.variables().collect();
    let taken = |it: &&EnvVar| it.name == FUNC_ARGS || ours.iter().any(|our| our.name == it.name);
    if let Some(taken) = env.iter().find(taken) {
        let problem = "is set by the argument parameters already";
        return Err(Error::argument(format!("env.{}", taken.name), problem));
    }
    env.extend(ours);
    Ok(env)
}

/// What stays the same in all trials is part of the argument `parameters` here.
fn as_parameters(error: Error) -> Error {
    let Error::Arguments(problems) = error else { return error };
    let renamed = problems.into_iter().map(|Problem { argument, problem }| {
        let argument = argument.replacen("func_args", "parameters", 1);
        Problem { argument, problem }
    });
    Error::Arguments(renamed.collect())
}

/// The variables that a call gives, which may name parameters as well.
pub(super) fn variables(given: &Map<String, Value>) -> Result<Vec<EnvVar>> {
    environment::variables("env", given)
}

#[cfg(test)]
mod tests;
