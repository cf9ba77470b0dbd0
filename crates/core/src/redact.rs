//! What never leaves the server: secrets, and characters that act on a terminal.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};
use serde_json::Value;

const MASK: &str = "[redacted]";

/// Texts that are secret by their own form.
static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
        r"|\bhf_[A-Za-z0-9]{20,}",
        r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
        r"|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}",
        r"|\bsk-[A-Za-z0-9_-]{20,}",
        r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*",
    ))
});

/// Values that are secret by what they are called. Words such as `eos_token` and
/// `tokens_per_second` belong to training and not to secrets: so names in small letters count only
/// at the end of a name, and numbers never.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    regex(concat!(
        r#"(?P<name>(?i:\bauthorization["']?\s*[:=]\s*["']?(?:bearer|basic)\s+|\bbearer\s+)"#,
        r#"|\b[A-Z0-9_]*(?:TOKEN|SECRET|PASSWORD|PASSWD|API_KEY|ACCESS_KEY)[A-Z0-9_]*["']?\s*[=:]\s*["']?"#,
        r#"|\b[A-Za-z0-9_.-]*(?:password|passwd|(?:access|auth|api|refresh|hf|id)[_-]?token|secret|api[_-]?key|access[_-]?key)["']?\s*=\s*["']?"#,
        r#"|["'](?:[A-Za-z0-9_.-]*(?:password|passwd|(?:access|auth|api|refresh|hf|id)[_-]?token|api[_-]?key|access[_-]?key))["']\s*:\s*["']"#,
        r#"|--[a-z-]*(?:password|token|secret|api-key)[= ]["']?)"#,
        r#"(?P<value>[^\s"',;&)}\]]{4,})"#,
    ))
});

/// The password in an address.
static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?P<start>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+@"));

/// The value of an environment variable in an object that a message quotes, as JSON or as Go writes it.
static VARIABLES: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"(?P<name>"name":\s?"[^"]*",\s?"value":\s?"|Name:"[^"]*",\s?Value:")(?:[^"\\]|\\.)+(?P<end>"|\\?$)"#,
    )
});

static ANSI: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_]|[ -/]+[0-~])")
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is our own, and a test uses it")
}

/// A cluster's message without the values of the environment variables that it quotes.
pub fn without_variables(message: &str) -> Cow<'_, str> {
    let hidden = |found: &Captures<'_>| format!("{}{MASK}{}", &found["name"], &found["end"]);
    replace(message.into(), &VARIABLES, hidden)
}

/// Hides what was sent as the value of an environment variable wherever a text repeats it. Short values
/// are words like any other, and stay.
pub fn withhold(sent: &Value, text: &mut String) {
    const TELLING: usize = 8;
    match sent {
        Value::Array(items) => items.iter().for_each(|it| withhold(it, text)),
        Value::Object(fields) => {
            for variable in fields.get("env").and_then(Value::as_array).into_iter().flatten() {
                let value = variable["value"].as_str();
                if let Some(value) = value.filter(|it| it.chars().count() >= TELLING) {
                    *text = text.replace(value, MASK);
                }
            }
            fields.values().for_each(|it| withhold(it, text));
        }
        _ => {}
    }
}

/// The text without secrets.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    let text = replace(text.into(), &SECRETS, |_| MASK.to_owned());
    let text = replace(text, &NAMED, |found| {
        let value = &found["value"];
        let harmless = value.parse::<f64>().is_ok() || value == MASK || value.starts_with("$");
        if harmless { found[0].to_owned() } else { format!("{}{MASK}", &found["name"]) }
    });
    replace(text, &ADDRESS, |found| format!("{}{MASK}@", &found["start"]))
}

fn replace<'t>(
    text: Cow<'t, str>,
    pattern: &Regex,
    with: impl Fn(&Captures<'_>) -> String,
) -> Cow<'t, str> {
    match pattern.replace_all(&text, with) {
        Cow::Owned(changed) => changed.into(),
        // Nothing found: the text itself, which may be borrowed for longer than this.
        Cow::Borrowed(_) => text,
    }
}

/// The text without secrets and without characters that do more than to be read.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let acts = |it: char| it.is_control() && !matches!(it, '\n' | '\t');
    if !text.contains(acts) {
        return redact(text);
    }
    let plain = ANSI.replace_all(text, "").replace("\r\n", "\n").replace(acts, "");
    redact(&plain).into_owned().into()
}

/// Cleans every text in `value`, and hides what environment variables with telling names hold.
pub(crate) fn clean_value(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(cleaned) = clean(text) {
                *text = cleaned;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(clean_value),
        Value::Object(fields) => {
            let telling = fields.get("name").and_then(Value::as_str).is_some_and(is_secret_name);
            for (key, value) in fields.iter_mut() {
                if value.is_string() && (is_secret_name(key) || telling && key == "value") {
                    *value = MASK.into();
                } else {
                    clean_value(value);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether this is a name of an environment variable that holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let upper = name.chars().all(|it| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_');
    let words = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "ACCESS_KEY", "CREDENTIAL"];
    upper && words.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_they_stand() {
        let token = format!("hf_{}", "aB3".repeat(12));
        let key = "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----";
        for (text, expected) in [
            (format!("login with {token}."), "login with [redacted]."),
            (format!("key:\n{key}\nend"), "key:\n[redacted]\nend"),
            ("id AKIAABCDEFGHIJKLMNOP".to_owned(), "id [redacted]"),
            (format!("ghp_{}", "a1".repeat(18)), "[redacted]"),
            (format!("OpenAI sk-{}", "a1".repeat(18)), "OpenAI [redacted]"),
            ("Authorization: Bearer abc.def".to_owned(), "Authorization: Bearer [redacted]"),
            ("HF_TOKEN=secret123 python".to_owned(), "HF_TOKEN=[redacted] python"),
            ("WANDB_API_KEY: 'abcdef'".to_owned(), "WANDB_API_KEY: '[redacted]'"),
            ("db_password=hunter2x;".to_owned(), "db_password=[redacted];"),
            (r#"{"access_token": "abcdef"}"#.to_owned(), r#"{"access_token": "[redacted]"}"#),
            ("train.py --hf-token abcdef".to_owned(), "train.py --hf-token [redacted]"),
            ("https://me:pass@host/x".to_owned(), "https://me:[redacted]@host/x"),
        ] {
            assert_eq!(clean(&text), expected);
        }
    }

    #[test]
    fn a_quoted_object_tells_no_values_of_variables() {
        for (message, expected) in [
            (
                r#"env: Invalid value: [{"name":"A","value":"say \"x\", b"},{"name":"B","value":"c"}]: reserved"#,
                r#"env: Invalid value: [{"name":"A","value":"[redacted]"},{"name":"B","value":"[redacted]"}]: reserved"#,
            ),
            (r#"cut off: {"name":"A","value":"lon"#, r#"cut off: {"name":"A","value":"[redacted]"#),
            (
                r#"core.EnvVar{Name:"A", Value:"x", ValueFrom:nil}"#,
                r#"core.EnvVar{Name:"A", Value:"[redacted]", ValueFrom:nil}"#,
            ),
            (r#"{"name":"A","valueFrom":null}"#, r#"{"name":"A","valueFrom":null}"#),
        ] {
            assert_eq!(without_variables(message), expected);
        }
    }

    #[test]
    fn what_was_sent_as_a_variable_is_not_repeated() {
        let sent = json!({"spec": {"trainer": {"env": [{"name": "A", "value": "my-own-words"},
            {"name": "B", "value": "1"}, {"name": "C", "valueFrom": {}}]}}});
        let mut text = "A must not be \"my-own-words\", and B not 1".to_owned();
        withhold(&sent, &mut text);
        assert_eq!(text, "A must not be \"[redacted]\", and B not 1");
    }

    #[test]
    fn what_training_says_of_tokens_is_left() {
        for text in [
            "1|10|Loss: 0.5 tokens_per_second_per_gpu:1234.5 num_tokens=4096",
            "eos_token=</s> pad_token: <pad>",
            "secret \"hf-token\" not found",
            "MAX_TOKENS=2048",
            "HF_TOKEN=$HF_TOKEN",
            "skip the first https://example.com/a:b@c",
        ] {
            assert_eq!(clean(text), text);
        }
    }

    #[test]
    fn terminals_are_left_in_peace() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m\r\n\u{7}ok\u{1b}]0;title\u{7}!"), "red\nok!");
    }

    #[test]
    fn variables_with_telling_names_lose_their_values() {
        let mut value = json!({"env": [{"name": "S3_SECRET", "value": "a"}, {"name": "A", "value": "b"}],
            "AWS_SECRET_ACCESS_KEY": "x", "secret_name": "my-secret"});
        clean_value(&mut value);
        assert_eq!(
            value,
            json!({"env": [{"name": "S3_SECRET", "value": MASK}, {"name": "A", "value": "b"}],
                "AWS_SECRET_ACCESS_KEY": MASK, "secret_name": "my-secret"})
        );
    }
}
