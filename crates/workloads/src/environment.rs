//! The variables that a user sets for the code: values in the open, secrets by reference.

use std::sync::LazyLock;

use k8s_openapi::api::core::v1::{EnvVar, EnvVarSource, SecretKeySelector};
use kubeflow_mcp_core::{Error, Result};
use regex::Regex;
use serde_json::{Map, Value};

use crate::output::Output;

/// Words of a variable's name that say what it holds.
const SECRET_WORDS: [&str; 9] = [
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "CREDENTIALS",
    "APIKEY",
    "AUTH",
];
/// `SSH_KEY` and `AWS_ACCESS_KEY_ID` are secret, `PRIMARY_KEY` and `KEY_COLUMN` are not.
const SECRET_KEYS: [&str; 6] =
    ["API_KEY", "ACCESS_KEY", "PRIVATE_KEY", "ENCRYPTION_KEY", "SSH_KEY", "SIGNING_KEY"];

/// What the big issuers' tokens look like.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    let issuers = r"hf_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|sk-[A-Za-z0-9_-]{20,}|xox[abp]-[A-Za-z0-9-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY";
    Regex::new(issuers).expect("the pattern is constant")
});

/// Numbers and booleans are written as JSON writes them.
pub fn variables(argument: &str, given: &Map<String, Value>) -> Result<Vec<EnvVar>> {
    given.iter().map(|(name, value)| variable(argument, name, value)).collect()
}

/// The variables, and the one that says where the model lands.
pub fn with_output(mut env: Vec<EnvVar>, output: Option<&Output>) -> Result<Vec<EnvVar>> {
    let Some(output) = output else { return Ok(env) };
    let variable = output.variable();
    if env.iter().any(|it| it.name == variable.name) {
        let problem = "is set by the argument output already";
        return Err(Error::argument(format!("env.{}", variable.name), problem));
    }
    env.push(variable);
    Ok(env)
}

/// Whether a text holds what looks like somebody's token.
pub fn holds_token(text: &str) -> bool {
    TOKEN.is_match(text)
}

fn variable(argument: &str, name: &str, value: &Value) -> Result<EnvVar> {
    let wrong = |problem: &str| Err(Error::argument(format!("{argument}.{name}"), problem));
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if !starts || !name.chars().all(|it| it.is_ascii_alphanumeric() || it == '_') {
        return wrong("must have a name of letters, digits and '_' that starts with no digit");
    }
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Object(fields) => match reference(fields) {
            Some(source) => {
                let value_from =
                    Some(EnvVarSource { secret_key_ref: Some(source), ..EnvVarSource::default() });
                return Ok(EnvVar { name: name.to_owned(), value: None, value_from });
            }
            None => return wrong(r#"must be {"secret": NAME, "key": KEY} where it is an object"#),
        },
        _ => {
            return wrong(
                r#"must be a string, a number, a boolean, or {"secret": NAME, "key": KEY}"#,
            );
        }
    };
    if text.contains('\0') {
        return wrong("holds a NUL character");
    }
    if holds_token(&text) || (names_secret(name) && value.is_string() && text.len() >= 8) {
        return wrong(
            r#"looks like a secret, which everyone who may read the job would see: put it into a Secret and give {"secret": NAME, "key": KEY}"#,
        );
    }
    Ok(EnvVar { name: name.to_owned(), value: Some(text), value_from: None })
}

fn reference(fields: &Map<String, Value>) -> Option<SecretKeySelector> {
    let text =
        |name: &str| fields.get(name)?.as_str().map(str::to_owned).filter(|it| !it.is_empty());
    let (name, key) = (text("secret")?, text("key")?);
    (fields.len() == 2).then_some(SecretKeySelector { name, key, optional: None })
}

fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name.split('_').any(|word| SECRET_WORDS.contains(&word))
        || SECRET_KEYS.iter().any(|key| format!("_{name}_").contains(&format!("_{key}_")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(name: &str, value: Value) -> Result<EnvVar> {
        variable("env", name, &value)
    }

    #[test]
    fn values_and_references_are_taken() {
        assert_eq!(one("EPOCHS", json!(3)).unwrap().value.as_deref(), Some("3"));
        assert_eq!(
            one("TOKENIZERS_PARALLELISM", json!("false")).unwrap().value.as_deref(),
            Some("false")
        );
        assert_eq!(
            one("MAX_TOKENS", json!("1000000000")).unwrap().value.as_deref(),
            Some("1000000000")
        );
        let secret = one("HF_TOKEN", json!({"secret": "hf", "key": "token"})).unwrap();
        let secret = secret.value_from.unwrap().secret_key_ref.unwrap();
        assert_eq!((secret.name.as_str(), secret.key.as_str()), ("hf", "token"));
    }

    #[test]
    fn secrets_in_the_open_are_refused_and_not_repeated() {
        let token = format!("hf_{}", "a".repeat(34));
        for (name, value) in [
            ("HF_TOKEN", "whatever-it-is"),
            ("X", token.as_str()),
            ("AWS_SECRET_ACCESS_KEY", "0123456789"),
        ] {
            let error = one(name, json!(value)).expect_err(name).to_string();
            assert!(error.contains("Secret") && !error.contains(value), "{error}");
        }
        one("A", json!({"secret": "hf"})).expect_err("no key");
        one("A", json!(null)).expect_err("null");
        one("1A", json!("x")).expect_err("a digit");
    }
}
