//! A tool's arguments as they are typed in a shell.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

/// The arguments that `words` mean: one JSON object, or `key=value` for each argument.
///
/// A value is text where the tool's `schema` wants text, else JSON where it is JSON. `key=@FILE`
/// takes the text of a file.
pub(super) fn parse(
    words: &[String],
    schema: &Map<String, Value>,
) -> anyhow::Result<Map<String, Value>> {
    if let [object] = words
        && object.trim_start().starts_with('{')
    {
        return serde_json::from_str(object).context("the arguments are not a JSON object");
    }
    let mut arguments = Map::new();
    for word in words {
        let Some((key, text)) = word.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            bail!("{word:?} is neither key=value nor a JSON object");
        };
        if arguments.insert(key.to_owned(), value(key, text, schema)?).is_some() {
            bail!("argument {key:?} is given twice");
        }
    }
    Ok(arguments)
}

fn value(key: &str, text: &str, schema: &Map<String, Value>) -> anyhow::Result<Value> {
    if let Some(file) = text.strip_prefix('@') {
        let content = std::fs::read_to_string(Path::new(file))
            .with_context(|| format!("{key}=@{file} could not be read"))?;
        return Ok(content.into());
    }
    if wants_text(&schema["properties"][key]) {
        return Ok(text.into());
    }
    Ok(serde_json::from_str(text).unwrap_or_else(|_| text.into()))
}

fn wants_text(schema: &Value) -> bool {
    match &schema["type"] {
        Value::String(kind) => kind == "string",
        Value::Array(kinds) => kinds.iter().all(|it| it == "string" || it == "null"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn check(words: &[&str], expected: Expect) {
        let schema = json!({"properties": {
            "name": {"type": "string"},
            "namespace": {"type": ["string", "null"]},
            "num_nodes": {"type": "integer"},
            "env": {"type": "object"},
        }});
        let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
        let parsed = parse(&words, schema.as_object().unwrap());
        expected.assert_eq(&match parsed {
            Ok(arguments) => Value::from(arguments).to_string(),
            Err(error) => error.to_string(),
        });
    }

    #[test]
    fn words_become_arguments() {
        check(&[], expect!["{}"]);
        check(&["name=a=b", "num_nodes=2"], expect![[r#"{"name":"a=b","num_nodes":2}"#]]);
        check(&["name=17", "namespace=true"], expect![[r#"{"name":"17","namespace":"true"}"#]]);
        check(
            &[r#"env={"A":"b"}"#, "unknown=yes", "more=[1]"],
            expect![[r#"{"env":{"A":"b"},"more":[1],"unknown":"yes"}"#]],
        );
        check(&[r#" {"name": "a"}"#], expect![[r#"{"name":"a"}"#]]);
    }

    #[test]
    fn words_that_mean_nothing_are_named() {
        check(&["name"], expect![[r#""name" is neither key=value nor a JSON object"#]]);
        check(&["=x"], expect![[r#""=x" is neither key=value nor a JSON object"#]]);
        check(&["name=a", "name=b"], expect![[r#"argument "name" is given twice"#]]);
        check(&["{name: a}"], expect!["the arguments are not a JSON object"]);
        check(&["name=@nowhere/at-all"], expect!["name=@nowhere/at-all could not be read"]);
    }

    #[test]
    fn a_file_is_taken_as_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "print(\"1\")\n").unwrap();
        let word = format!("script=@{}", file.path().display());
        check(&[&word], expect![[r#"{"script":"print(\"1\")\n"}"#]]);
    }
}
