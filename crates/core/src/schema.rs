//! What clients read of a tool's types: JSON Schema without the words that tell an agent nothing.

use std::{
    any::TypeId,
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use rmcp::model::JsonObject;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

use crate::{Tool, confirmation};

/// A tool's types, described.
pub(crate) struct Schemas {
    pub(crate) description: String,
    pub(crate) input: Arc<JsonObject>,
    pub(crate) output: Arc<JsonObject>,
}

impl Schemas {
    pub(crate) fn takes_namespace(&self) -> bool {
        self.input.get("properties").is_some_and(|it| it.get("namespace").is_some())
    }
}

/// The schemas of a tool, which are made once.
pub(crate) fn of<T: Tool>() -> Arc<Schemas> {
    static MADE: LazyLock<Mutex<HashMap<TypeId, Arc<Schemas>>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let schemas = made.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(make::<T>()));
    Arc::clone(schemas)
}

/// The schema of an argument that only its own type describes.
pub(crate) fn of_fields<T: JsonSchema>() -> JsonObject {
    let schema = settings().into_generator().into_root_schema_for::<T>();
    let mut schema = object(&T::schema_name(), schema.to_value());
    shorten(&mut schema, Contract::Input);
    schema
}

fn settings() -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true)
}

fn make<T: Tool>() -> Schemas {
    let input = settings().into_generator().into_root_schema_for::<T>();
    let output = settings().for_serialize().into_generator().into_root_schema_for::<T::Output>();
    let mut input = object(T::NAME, input.to_value());
    let description = input.remove("description");
    shorten(&mut input, Contract::Input);
    input.entry("properties").or_insert_with(|| json!({}));
    let mut output = object(T::NAME, output.to_value());
    output.remove("description");
    shorten(&mut output, Contract::Output);
    if T::EFFECT.writes() {
        confirmation::add_argument(&mut input);
        confirmation::add_field(&mut output);
    }
    Schemas {
        description: joined(description.as_ref().and_then(Value::as_str).unwrap_or_default()),
        input: Arc::new(input),
        output: Arc::new(output),
    }
}

fn object(tool: &str, schema: Value) -> JsonObject {
    match schema {
        Value::Object(schema) if schema.get("type") == Some(&json!("object")) => schema,
        // A fault of the tool's author, found by the first test that lists the tool.
        _ => panic!("{tool}: arguments and output must be structs with named fields"),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Contract {
    Input,
    /// An optional field that is written as `null` must be allowed to be.
    Output,
}

/// Takes out what costs tokens and says nothing: names of Rust types, formats of numbers, the null
/// of an optional argument, the line breaks of a doc comment.
fn shorten(schema: &mut JsonObject, contract: Contract) {
    for word in ["$schema", "title", "format"] {
        if schema.get(word).is_some_and(Value::is_string) {
            schema.remove(word);
        }
    }
    if schema.get("default").is_some_and(is_nothing) {
        schema.remove("default");
    }
    // Whatever it is, it may be: so it is without the word.
    if schema.get("additionalProperties") == Some(&Value::Bool(true)) {
        schema.remove("additionalProperties");
    }
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = joined(description);
    }
    if contract == Contract::Input {
        drop_null(schema);
    }
    join_constants(schema);
    for (word, value) in schema.iter_mut() {
        match (word.as_str(), value) {
            ("properties" | "$defs" | "patternProperties", Value::Object(schemas)) => {
                for schema in schemas.values_mut().filter_map(Value::as_object_mut) {
                    shorten(schema, contract);
                }
            }
            ("items" | "additionalProperties", Value::Object(schema)) => shorten(schema, contract),
            ("oneOf" | "anyOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
                for schema in schemas.iter_mut().filter_map(Value::as_object_mut) {
                    shorten(schema, contract);
                }
            }
            _ => {}
        }
    }
}

/// A default that says no more than that the argument may be left out.
fn is_nothing(default: &Value) -> bool {
    match default {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// `["string", "null"]` is `"string"`, and `anyOf: [X, null]` is `X`: null counts as absent.
fn drop_null(schema: &mut JsonObject) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|it| it != "null");
        if let [only] = &types[..] {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|it| !it.is_null());
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|it| it.get("type") != Some(&json!("null")));
        if let [Value::Object(only)] = &mut choices[..] {
            let only = std::mem::take(only);
            schema.remove("anyOf");
            for (word, value) in only {
                // The field's own description is nearer to the point than its type's.
                schema.entry(word).or_insert(value);
            }
        }
    }
}

/// The variants of a documented enum are a list of words like those of an undocumented one.
fn join_constants(schema: &mut JsonObject) {
    let Some(Value::Array(choices)) = schema.get("oneOf") else { return };
    let mut words = Vec::new();
    for choice in choices {
        match (choice.get("const"), choice.get("enum").and_then(Value::as_array)) {
            (Some(word), _) => words.push(word.clone()),
            (None, Some(list)) => words.extend(list.iter().cloned()),
            (None, None) => return,
        }
    }
    schema.remove("oneOf");
    schema.insert("type".to_owned(), json!("string"));
    schema.insert("enum".to_owned(), words.into());
}

/// The lines of a paragraph joined, as a reader sees them.
fn joined(text: &str) -> String {
    let paragraphs = text.split("\n\n");
    let joined = paragraphs.map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "));
    joined.collect::<Vec<_>>().join("\n\n")
}
