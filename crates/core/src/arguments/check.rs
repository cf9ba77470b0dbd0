//! One value against one schema, and the words for what does not fit.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use regex::Regex;
use rmcp::model::JsonObject;
use serde_json::Value;

use crate::{arguments::Problem, did_you_mean, redact::redact};

/// Strings that may be longer are text: they may have more than one line.
const LONGEST_LINE: u64 = 256;
/// Strings that may be longer are files, and pass byte for byte.
const LONGEST_TEXT: u64 = 4096;
/// How much of a wrong value an error repeats.
const SHOWN: usize = 60;

pub(super) struct Check<'a> {
    root: &'a JsonObject,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Check<'a> {
    pub(super) fn new(root: &'a JsonObject) -> Self {
        Self { root, problems: Vec::new() }
    }

    pub(super) fn object(&mut self, schema: &JsonObject, fields: &JsonObject, path: &str) {
        let at = |name: &str| match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        for name in words(schema, "required") {
            if !fields.contains_key(name) {
                // A misspelt name is reported as such below.
                self.report(at(name), "is required".to_owned());
            }
        }
        let others = schema.get("additionalProperties");
        for (name, value) in fields {
            match (properties.and_then(|it| it.get(name)), others) {
                (Some(Value::Object(schema)), _) | (None, Some(Value::Object(schema))) => {
                    self.value(schema, value, &at(name));
                }
                (None, Some(Value::Bool(false))) => {
                    let known =
                        || properties.into_iter().flat_map(|it| it.keys()).map(String::as_str);
                    let mut guess = did_you_mean(name, known());
                    if guess.is_empty() {
                        guess = format!(", known are {}", known().collect::<Vec<_>>().join(", "));
                    }
                    self.report(at(&shortened(name)), format!("is not known{guess}"));
                }
                _ => {}
            }
        }
        let count = (fields.len(), "entries", ["minProperties", "maxProperties"]);
        // Names only: values may be nobody's business.
        self.count(schema, count, path, || shown(&fields.keys().cloned().collect()));
    }

    fn value(&mut self, schema: &JsonObject, value: &Value, path: &str) {
        if let Some(target) = self.referred(schema) {
            return self.value(target, value, path);
        }
        for part in schemas(schema, "allOf") {
            self.value(part, value, path);
        }
        for word in ["anyOf", "oneOf"] {
            let choices: Vec<_> = schemas(schema, word).collect();
            if !choices.is_empty() && !choices.iter().any(|it| self.fits(it, value)) {
                // Of several forms, the one that is nearest in type is the one that was meant.
                match choices.iter().find(|it| has_type(it, value)) {
                    Some(choice) => self.value(choice, value, path),
                    None => self.report(path.to_owned(), wrong_type(value, &types_of(&choices))),
                }
                return;
            }
        }
        if !has_type(schema, value) {
            return self.report(path.to_owned(), wrong_type(value, &types(schema)));
        }
        if let Some(allowed) = allowed(schema)
            && !allowed.contains(&value)
        {
            let list: Vec<_> = allowed.iter().map(|it| it.to_string()).collect();
            let known = allowed.iter().filter_map(|it| it.as_str());
            let guess = value.as_str().map(|it| did_you_mean(it, known)).unwrap_or_default();
            let problem = format!("is {}, not one of {}{guess}", shown(value), list.join(", "));
            return self.report(path.to_owned(), problem);
        }
        match value {
            Value::Number(number) => self.number(schema, number.as_f64().unwrap_or_default(), path),
            Value::String(text) => self.string(schema, text, path),
            Value::Array(items) => self.array(schema, items, path),
            Value::Object(fields) => self.object(schema, fields, path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn number(&mut self, schema: &JsonObject, number: f64, path: &str) {
        let bound = |word: &str| schema.get(word).and_then(Value::as_f64);
        let (least, most) = (bound("minimum"), bound("maximum"));
        let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
        let fits = least.is_none_or(|it| number >= it)
            && most.is_none_or(|it| number <= it)
            && above.is_none_or(|it| number > it)
            && below.is_none_or(|it| number < it);
        if fits {
            return;
        }
        let mut allowed = Vec::new();
        match (least, most) {
            (Some(least), Some(most)) => allowed.push(format!("between {least} and {most}")),
            (Some(least), None) => allowed.push(format!("at least {least}")),
            (None, Some(most)) => allowed.push(format!("at most {most}")),
            (None, None) => {}
        }
        allowed.extend(above.map(|it| format!("greater than {it}")));
        allowed.extend(below.map(|it| format!("less than {it}")));
        self.report(path.to_owned(), format!("is {number}, must be {}", allowed.join(" and ")));
    }

    fn string(&mut self, schema: &JsonObject, text: &str, path: &str) {
        let most = number(schema, "maxLength").unwrap_or(LONGEST_TEXT);
        let refused = |it: char| match it {
            '\0' => true,
            '\n' | '\r' | '\t' => most <= LONGEST_LINE,
            it => it.is_control() && most <= LONGEST_TEXT,
        };
        if let Some(found) = text.chars().find(|it| refused(*it)) {
            let (value, found) = (shown(&text.into()), found.escape_unicode());
            let problem = format!("is {value}, must not have the control character {found}");
            return self.report(path.to_owned(), problem);
        }
        let count = (text.chars().count(), "characters", ["minLength", "maxLength"]);
        if !self.count(schema, count, path, || shown(&text.into())) {
            return;
        }
        if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
            && !matches(pattern, text)
        {
            let value = Value::from(text);
            self.report(path.to_owned(), format!("is {}, must match {pattern}", shown(&value)));
        }
    }

    fn array(&mut self, schema: &JsonObject, items: &[Value], path: &str) {
        let count = (items.len(), "items", ["minItems", "maxItems"]);
        self.count(schema, count, path, || shown(&items.into()));
        if let Some(Value::Object(inner)) = schema.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.value(inner, item, &format!("{path}[{index}]"));
            }
        }
    }

    fn count(
        &mut self,
        schema: &JsonObject,
        (count, of, bounds): (usize, &str, [&str; 2]),
        path: &str,
        value: impl FnOnce() -> String,
    ) -> bool {
        let [least, most] = bounds.map(|word| number(schema, word));
        let counted = u64::try_from(count).unwrap_or(u64::MAX);
        let allowed = match (least, most) {
            (Some(least), _) if counted < least => format!("at least {least}"),
            (_, Some(most)) if counted > most => format!("at most {most}"),
            _ => return true,
        };
        let problem = format!("is {}, with {count} {of}, must have {allowed}", value());
        self.report(path.to_owned(), problem);
        false
    }

    fn fits(&self, schema: &JsonObject, value: &Value) -> bool {
        let mut check = Check::new(self.root);
        check.value(schema, value, "");
        check.problems.is_empty()
    }

    fn referred(&self, schema: &JsonObject) -> Option<&'a JsonObject> {
        let name = schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")?;
        self.root.get("$defs")?.get(name)?.as_object()
    }

    fn report(&mut self, argument: String, problem: String) {
        self.problems.push(Problem { argument, problem });
    }
}

fn words<'s>(schema: &'s JsonObject, word: &str) -> impl Iterator<Item = &'s str> {
    schema.get(word).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn schemas<'s>(schema: &'s JsonObject, word: &str) -> impl Iterator<Item = &'s JsonObject> {
    schema.get(word).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

fn number(schema: &JsonObject, word: &str) -> Option<u64> {
    schema.get(word).and_then(Value::as_u64)
}

fn allowed(schema: &JsonObject) -> Option<Vec<&Value>> {
    match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(values)), _) => Some(values.iter().collect()),
        (_, Some(value)) => Some(vec![value]),
        _ => None,
    }
}

fn types(schema: &JsonObject) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(_)) => words(schema, "type").collect(),
        _ => Vec::new(),
    }
}

fn types_of<'s>(choices: &[&'s JsonObject]) -> Vec<&'s str> {
    choices.iter().flat_map(|it| types(it)).collect()
}

fn has_type(schema: &JsonObject, value: &Value) -> bool {
    let types = types(schema);
    types.is_empty()
        || types.iter().any(|name| match *name {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "integer" => value.is_u64() || value.is_i64(),
            "null" => value.is_null(),
            _ => true,
        })
}

fn wrong_type(value: &Value, expected: &[&str]) -> String {
    let given = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => format!("the boolean {value}"),
        Value::Number(_) => format!("the number {value}"),
        Value::String(_) => format!("the string {}", shown(value)),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    };
    let expected: Vec<_> = expected
        .iter()
        .map(|name| match *name {
            "integer" => "a whole number".to_owned(),
            name if name.starts_with(['a', 'o']) => format!("an {name}"),
            name => format!("a {name}"),
        })
        .collect();
    format!("is {given}, must be {}", expected.join(" or "))
}

/// A wrong value as an error may repeat it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", shortened(text)),
        other => shortened(&other.to_string()),
    }
}

fn shortened(text: &str) -> String {
    let text = redact(text);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

/// Patterns stand in our own schemas, so there are few, and each is compiled once.
fn matches(pattern: &str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<String, Regex>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let regex = compiled
        .entry(pattern.to_owned())
        .or_insert_with(|| Regex::new(pattern).expect("patterns of schemas are our own"));
    regex.is_match(text)
}
