//! `docs/tools.md`: for every tool, what the agent sees and what it takes.

use std::fmt::Write as _;

use kubeflow_mcp_core::{Effect, Need, ToolDef, ToolSet};
use serde_json::Value;

pub(super) fn tools(sets: &[&ToolSet]) -> String {
    let mut text = String::from(
        "# Tools\n\nWritten by `cargo xtask generate` from the tools themselves: every description, argument and result\n\
         below is what an agent is shown. *Persona* is the lowest one that is offered the tool; *needs* is what the\n\
         cluster must serve and the caller be allowed to do, and what is marked *optional* only makes the answer fuller.\n\
         What is used *where you have it* is in no published role, and nothing is ever stored with it.\n\
         A tool that writes has `confirmed`: without it, the answer is the API server's own dry run of the same request.\n",
    );
    for set in sets {
        write!(text, "\n## {}\n\n{}.\n", set.name, set.about).expect("a String takes everything");
        for tool in set.tools() {
            describe(&mut text, tool).expect("a String takes everything");
        }
    }
    text
}

fn describe(text: &mut String, tool: &ToolDef) -> std::fmt::Result {
    let described = tool.describe();
    writeln!(text, "\n### `{}`\n\n{}\n", tool.name, described.description.unwrap_or_default())?;
    let effect = match tool.effect {
        Effect::Reads => "reads",
        Effect::Creates => "creates",
        Effect::Changes => "changes",
        Effect::Deletes => "deletes",
    };
    let needs: Vec<String> = tool.needs.iter().map(need).collect();
    let needs = if needs.is_empty() { "nothing".to_owned() } else { needs.join("; ") };
    writeln!(text, "{effect} · persona {} · needs {needs}\n", tool.persona)?;
    let input = Value::Object((*described.input_schema).clone());
    table(text, "argument", &input)?;
    let output = described.output_schema.map(|it| Value::Object((*it).clone()));
    table(text, "result", &output.unwrap_or_default())
}

fn need(need: &Need) -> String {
    let group = if need.resource.group.is_empty() { "core" } else { need.resource.group };
    let optional = match (need.required, need.borrowed) {
        (true, _) => "",
        (false, false) => " (optional)",
        (false, true) => " (where you have it)",
    };
    format!("{} `{}` of {group}{optional}", need.verbs.join(", "), need.resource.plural)
}

fn table(text: &mut String, heading: &str, schema: &Value) -> std::fmt::Result {
    let Some(properties) = schema["properties"].as_object().filter(|it| !it.is_empty()) else {
        return Ok(());
    };
    writeln!(text, "| {heading} | type | meaning |\n|---|---|---|")?;
    for (name, property) in properties {
        let required =
            schema["required"].as_array().is_some_and(|it| it.iter().any(|it| it == name));
        let star = if required && heading == "argument" { "*" } else { "" };
        let meaning = property["description"].as_str().unwrap_or_default().replace('|', "\\|");
        writeln!(text, "| `{name}`{star} | {} | {meaning} |", kind(schema, property))?;
    }
    writeln!(text)
}

/// A property's type and bounds on one line.
fn kind(root: &Value, property: &Value) -> String {
    if let Some(target) = property["$ref"].as_str().and_then(|it| it.strip_prefix('#')) {
        return root.pointer(target).map_or_else(String::new, |inner| kind(root, inner));
    }
    if let Some(choices) = property["enum"].as_array() {
        let choices: Vec<String> =
            choices.iter().map(|it| format!("`{}`", it.as_str().unwrap_or("?"))).collect();
        return choices.join(", ");
    }
    let name = match &property["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ => {
            let variants = property["anyOf"].as_array().or(property["oneOf"].as_array());
            let variants =
                variants.map(|it| it.iter().map(|it| kind(root, it)).collect::<Vec<_>>());
            return variants.map_or_else(|| "any".to_owned(), |it| it.join(" or "));
        }
    };
    let name =
        if name == "array" { format!("list of {}", kind(root, &property["items"])) } else { name };
    let bounds: Vec<String> = [
        ("minimum", "≥ "),
        ("maximum", "≤ "),
        ("maxLength", "characters ≤ "),
        ("maxItems", "items ≤ "),
    ]
    .iter()
    .filter_map(|(key, sign)| property.get(key).map(|bound| format!("{sign}{bound}")))
    .collect();
    let default = property.get("default").filter(|it| !it.is_null());
    let default = default.map(|it| format!("default {it}"));
    let notes: Vec<String> = bounds.into_iter().chain(default).collect();
    if notes.is_empty() { name } else { format!("{name} ({})", notes.join(", ")) }
}
