//! Preview and confirmation, the same for every tool that writes.

use rmcp::model::JsonObject;
use serde_json::{Value, json};

use crate::{Answer, Result, tool::Output};

/// Adds the argument by which a rehearsal becomes the real thing.
pub(crate) fn add_argument(input: &mut JsonObject) {
    properties(input).insert(
        "confirmed".to_owned(),
        json!({"type": "boolean", "default": false, "description": "false: preview only."}),
    );
}

/// Adds the field by which an agent tells a preview from the real thing.
pub(crate) fn add_field(output: &mut JsonObject) {
    properties(output).insert(
        "preview".to_owned(),
        json!({
            "type": "boolean",
            "description": "Whether this only shows what would happen, and nothing has changed.",
        }),
    );
    if let Value::Array(required) = output.entry("required").or_insert_with(|| json!([])) {
        required.push("preview".into());
    }
}

fn properties(schema: &mut JsonObject) -> &mut JsonObject {
    schema
        .entry("properties")
        .or_insert_with(|| json!({}))
        .as_object_mut()
        .expect("the properties of a schema are an object")
}

/// What a rehearsed call would have done, and how to do it.
pub(crate) fn preview(tool: &str, output: Output) -> Result<Answer> {
    let name = output.value.get("name").and_then(Value::as_str);
    let name = name.map(|name| format!(", \"name\": {name:?}")).unwrap_or_default();
    let next = format!(
        "preview: nothing has been changed. To do it, call {tool} with the same \
         arguments{name} and \"confirmed\": true."
    );
    let mut answer = Answer::new(marked(output, true))?;
    answer.text = format!("{next}\n{}", answer.text);
    Ok(answer)
}

/// What a confirmed call has done.
pub(crate) fn done(output: Output) -> Result<Answer> {
    Answer::new(marked(output, false))
}

fn marked(mut output: Output, preview: bool) -> Output {
    if let Value::Object(fields) = &mut output.value {
        fields.insert("preview".to_owned(), preview.into());
    }
    output
}
