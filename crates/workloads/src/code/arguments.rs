//! Hyper-parameters on their way to the code: as data beside it, never spliced into it.

use k8s_openapi::api::core::v1::EnvVar;
use kubeflow_mcp_core::{Error, Result};
use serde_json::{Map, Value};

/// The variable that holds all arguments as one JSON object.
pub const FUNC_ARGS: &str = "FUNC_ARGS";
/// Far below what one variable may hold.
const MAX_BYTES: usize = 64 * 1024;

/// As `--name=value`: strings as they are, everything else as JSON.
pub(super) fn as_command_line(arguments: &Map<String, Value>) -> Result<Vec<String>> {
    let line = arguments.iter().map(|(name, value)| {
        check(name, value)
            .map_err(|problem| Error::argument(format!("func_args.{name}"), problem))?;
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Ok(unexpanded(&format!("--{name}={text}")))
    });
    let line = line.collect::<Result<Vec<String>>>()?;
    let bytes: usize = line.iter().map(String::len).sum();
    if bytes > MAX_BYTES {
        let problem =
            format!("with {bytes} bytes, must have at most {MAX_BYTES}: put data into a volume");
        return Err(Error::value("func_args", arguments.clone(), problem));
    }
    Ok(line)
}

pub(super) fn as_variable(arguments: &Map<String, Value>) -> Option<EnvVar> {
    let json = || Value::Object(arguments.clone()).to_string().replace('$', r"\u0024");
    (!arguments.is_empty()).then(|| super::variable(FUNC_ARGS, &json()))
}

fn check(name: &str, value: &Value) -> Result<(), String> {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if !starts || !name.chars().all(|it| it.is_ascii_alphanumeric() || "_-.".contains(it)) {
        return Err(
            "must have a name of letters, digits, '_', '-' and '.' that starts with a letter"
                .into(),
        );
    }
    match value {
        Value::Null | Value::Object(_) => {
            Err(format!("must be a string, number, boolean or list of them, and is {value}"))
        }
        Value::Array(items) => items.iter().try_for_each(|item| match item {
            Value::Array(_) => Err(format!("must not hold a list within a list: {item}")),
            item => check(name, item),
        }),
        Value::String(text) if text.contains('\0') => Err("holds a NUL character".into()),
        _ => Ok(()),
    }
}

/// Kubernetes replaces `$(NAME)` in arguments and reads `$$` as `$`.
pub fn unexpanded(argument: &str) -> String {
    if argument.contains("$(") || argument.contains("$$") {
        return argument.replace('$', "$$");
    }
    argument.to_owned()
}

/// An argument as the program gets it, after Kubernetes has read it.
pub fn as_received(argument: &str) -> String {
    argument.replace("$$", "$")
}
