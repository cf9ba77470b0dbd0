//! `metadata.managedFields`: who manages which fields of an object.

use serde_json::{Map, Value, json};

use super::fields::Fields;

/// Who makes a change, and how.
#[derive(Clone, Copy, Debug)]
pub struct Manager<'a> {
    pub name: &'a str,
    pub api_version: &'a str,
    /// Empty for the object itself.
    pub subresource: &'a str,
    /// Whether the change is an apply; all others are updates.
    pub applies: bool,
}

/// One entry of the record.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    manager: String,
    operation: String,
    api_version: String,
    subresource: String,
    time: Value,
    fields: Fields,
}

impl Entry {
    fn is_of(&self, manager: &Manager<'_>) -> bool {
        self.manager == manager.name
            && self.operation == operation(manager)
            && self.api_version == manager.api_version
            && self.subresource == manager.subresource
    }

    /// As conflicts name it.
    pub(super) fn named(&self) -> String {
        let mut named = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            named += &format!(" with subresource {:?}", self.subresource);
        }
        if self.operation == "Update" {
            named += &format!(" using {}", self.api_version);
        }
        named
    }
}

fn operation(manager: &Manager<'_>) -> &'static str {
    if manager.applies { "Apply" } else { "Update" }
}

/// The record of one object. The entry that was taken last is kept to tell whether it changed.
#[derive(Clone, Debug, Default)]
pub(super) struct Managers {
    entries: Vec<Entry>,
    taken: Option<Entry>,
}

impl Managers {
    pub(super) fn of(object: &Value) -> Self {
        let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
        let entry = |entry: &Value| {
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            Entry {
                manager: text("manager"),
                operation: text("operation"),
                api_version: text("apiVersion"),
                subresource: text("subresource"),
                time: entry["time"].clone(),
                fields: Fields::read(&entry["fieldsV1"]),
            }
        };
        Self { entries: entries.map(entry).collect(), taken: None }
    }

    /// Removes the manager's entry and returns its fields.
    pub(super) fn take(&mut self, manager: &Manager<'_>) -> Fields {
        let index = self.entries.iter().position(|entry| entry.is_of(manager));
        self.taken = index.map(|index| self.entries.remove(index));
        self.taken.as_ref().map(|entry| entry.fields.clone()).unwrap_or_default()
    }

    /// The fields of all entries together.
    pub(super) fn all(&self) -> Fields {
        self.entries.iter().fold(Fields::default(), |all, entry| all.union(&entry.fields))
    }

    /// Which managers have some of these fields, and which.
    pub(super) fn owning(&self, fields: &Fields) -> Vec<(Entry, Fields)> {
        let mut owning: Vec<_> = self
            .entries
            .iter()
            .map(|entry| (entry.clone(), entry.fields.and(fields)))
            .filter(|(_, common)| !common.is_empty())
            .collect();
        owning.sort_by(|(one, _), (other, _)| one.manager.cmp(&other.manager));
        owning
    }

    /// Takes the fields from everybody.
    pub(super) fn disown_all(&mut self, fields: &Fields) {
        for entry in &mut self.entries {
            entry.fields = entry.fields.without(fields);
        }
    }

    /// Gives the manager these fields. The time is that of the last change of its own entry.
    pub(super) fn put(&mut self, manager: &Manager<'_>, fields: Fields, now: &str) {
        let kept = self.taken.take().filter(|entry| entry.fields == fields);
        self.entries.push(kept.unwrap_or_else(|| Entry {
            manager: manager.name.to_owned(),
            operation: operation(manager).to_owned(),
            api_version: manager.api_version.to_owned(),
            subresource: manager.subresource.to_owned(),
            time: now.into(),
            fields,
        }));
    }

    /// Writes the record into the object: applies first, then by time.
    pub(super) fn write(mut self, object: &mut Value) {
        self.entries.retain(|entry| !entry.fields.is_empty());
        self.entries.sort_by_cached_key(|entry| {
            (entry.operation.clone(), entry.time.to_string(), entry.manager.clone())
        });
        if self.entries.is_empty() {
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove("managedFields");
            }
            return;
        }
        let entries = self.entries.iter().map(|entry| {
            let mut json = Map::from_iter([
                ("manager".to_owned(), json!(entry.manager)),
                ("operation".to_owned(), json!(entry.operation)),
                ("apiVersion".to_owned(), json!(entry.api_version)),
                ("time".to_owned(), entry.time.clone()),
                ("fieldsType".to_owned(), json!("FieldsV1")),
                ("fieldsV1".to_owned(), entry.fields.write()),
            ]);
            if !entry.subresource.is_empty() {
                json.insert("subresource".to_owned(), json!(entry.subresource));
            }
            Value::Object(json)
        });
        object["metadata"]["managedFields"] = entries.collect();
    }
}
