//! What holds of every tool.

use std::collections::BTreeSet;

use kubeflow_mcp_core::{Effect, ToolSet};
use serde_json::Value;

use crate::tools;

const READING: &[&str] = &["get", "list", "watch"];

#[test]
fn every_component_is_linked() {
    let names: Vec<&str> = ToolSet::linked().iter().map(|set| set.name).collect();
    assert_eq!(names, ["core", "katib", "trainer"]);
}

#[test]
fn names_are_unique_and_snake_case() {
    let mut taken = BTreeSet::new();
    for tool in tools() {
        assert!(taken.insert(tool.name), "two tools are named {}", tool.name);
        assert!(tool.name.len() <= 64, "{} is longer than hosts accept", tool.name);
        assert!(tool.name.chars().all(|it| it.is_ascii_lowercase() || it == '_'), "{}", tool.name);
    }
}

#[test]
fn everything_is_described_and_strict() {
    for tool in tools() {
        let described = tool.describe();
        let description = described.description.unwrap_or_default();
        assert!(description.ends_with('.'), "{}: {description:?} is no sentence", tool.name);
        assert!(!description.contains('\n'), "{}: {description:?} has line breaks", tool.name);
        assert!(!tool.title.is_empty(), "{} has no title", tool.name);
        let input = Value::Object((*described.input_schema).clone());
        strict(tool.name, &input);
        assert_eq!(
            input["properties"].get("confirmed").is_some(),
            tool.effect.writes(),
            "{}: a tool can be confirmed exactly if it writes",
            tool.name
        );
    }
}

/// Every field of every object has a description, and no object takes unknown fields.
fn strict(path: &str, schema: &Value) {
    let Some(properties) = schema["properties"].as_object() else { return };
    assert_eq!(schema["additionalProperties"], false, "{path} takes unknown fields");
    for (field, inner) in properties {
        assert!(inner.get("description").is_some(), "{path}.{field} has no description");
        strict(&format!("{path}.{field}"), inner);
        strict(&format!("{path}.{field}[]"), &inner["items"]);
    }
}

/// Fields of results whose name and value say all that a sentence could.
const PLAIN: &[&str] = &[
    "allocatable",
    "at",
    "command",
    "conditions",
    "container",
    "count",
    "created",
    "device_model",
    "ended",
    "exit_code",
    "finished",
    "framework",
    "free",
    "image",
    "images",
    "instance_type",
    "jobs",
    "message",
    "mounts",
    "name",
    "namespace",
    "next_cursor",
    "node",
    "nodes",
    "note",
    "packages",
    "phase",
    "pod",
    "reason",
    "restarts",
    "runtime",
    "runtimes",
    "started",
    "status",
    "step",
    "suspended",
    "total",
    "type",
];

#[test]
fn what_a_result_means_is_described() {
    let mut used = BTreeSet::new();
    for tool in tools() {
        let output = tool.describe().output_schema.expect("every tool says what it returns");
        plain_fields(tool.name, &Value::Object((*output).clone()), &mut used);
    }
    assert_eq!(used.into_iter().collect::<Vec<_>>(), PLAIN);
}

/// The fields without a description, at any depth.
fn plain_fields(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    for (field, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{field}");
        if inner.get("description").is_none() {
            assert!(PLAIN.contains(&&**field), "{path} has no description");
            found.insert(field.clone());
        }
        for part in [inner, &inner["items"], &inner["additionalProperties"]] {
            plain_fields(&path, part, found);
        }
    }
}

#[test]
fn schemas_suit_old_clients_too() {
    for tool in tools() {
        let described = tool.describe();
        let output = described.output_schema.expect("every tool says what it returns");
        assert_eq!(output["type"], "object", "{}: older clients refuse anything else", tool.name);
        for schema in [&*described.input_schema, &*output] {
            let schema = Value::Object(schema.clone());
            assert!(schema.get("$schema").is_none(), "{} repeats the dialect", tool.name);
            jsonschema::draft202012::new(&schema)
                .unwrap_or_else(|error| panic!("{}: {error}", tool.name));
        }
    }
}

#[test]
fn reading_tools_need_only_reading_verbs() {
    for tool in tools().filter(|it| it.effect == Effect::Reads) {
        // What it borrows it only rehearses.
        let verbs = tool.needs.iter().filter(|it| !it.borrowed).flat_map(|need| need.verbs);
        assert!(verbs.clone().all(|verb| READING.contains(verb)), "{}", tool.name);
    }
}

#[test]
fn writing_tools_need_a_writing_verb_and_no_reader_may_write() {
    for tool in tools().filter(|it| it.effect.writes()) {
        let mut verbs = tool.needs.iter().filter(|it| it.required).flat_map(|need| need.verbs);
        assert!(verbs.any(|verb| !READING.contains(verb)), "{} writes nothing", tool.name);
        assert!(tool.persona > kubeflow_mcp_core::Persona::Readonly, "{}", tool.name);
    }
}

#[test]
fn annotations_say_what_the_effect_is() {
    for tool in tools() {
        let annotations = tool.describe().annotations.expect("every tool is annotated");
        assert_eq!(annotations.read_only_hint, Some(!tool.effect.writes()), "{}", tool.name);
        let destroys = tool.effect == Effect::Deletes;
        assert_eq!(annotations.destructive_hint, Some(destroys), "{}", tool.name);
        assert!(annotations.idempotent_hint.is_some(), "{}", tool.name);
        assert!(annotations.open_world_hint.is_some(), "{}", tool.name);
    }
}
