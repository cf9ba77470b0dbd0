//! Sets of fields, as `fieldsV1` writes them.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Map, Value};

use crate::{
    lists::{ListKind, Shape},
    schema::Schema,
};

/// A tree of fields. Its edges are named as in `fieldsV1`: `f:name` is a field, `k:{…}` the item with
/// these keys, `v:…` the item of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// Whether this very field is in the set, and not only some below it.
    own: bool,
    below: BTreeMap<String, Self>,
}

/// The fields that the server itself sets, in nobody's name.
const IDENTITY: [&str; 10] = [
    "f:name",
    "f:namespace",
    "f:uid",
    "f:resourceVersion",
    "f:generation",
    "f:creationTimestamp",
    "f:deletionTimestamp",
    "f:deletionGracePeriodSeconds",
    "f:managedFields",
    "f:selfLink",
];

impl Fields {
    /// The fields that a value sets. The error says which item of a list cannot be told from others.
    pub(super) fn of<'v>(
        value: &'v Value,
        shape: Shape<'_>,
        path: &mut Vec<&'v str>,
    ) -> Result<Self, String> {
        Self::set(value, shape, path, false)
    }

    /// `new` values were not there before, and are set with everything below them.
    fn set<'v>(
        value: &'v Value,
        shape: Shape<'_>,
        path: &mut Vec<&'v str>,
        new: bool,
    ) -> Result<Self, String> {
        let mut fields = Self::default();
        match value {
            Value::Object(object) if !object.is_empty() && !shape.is_atomic_map(path) => {
                for (name, value) in object {
                    path.push(name);
                    let mut field = Self::set(value, shape.field(name), path, new)?;
                    let standing = is_standing(shape, path);
                    path.pop();
                    field.own |= if new { !standing } else { !declares(shape, path, name) };
                    fields.below.insert(format!("f:{name}"), field);
                }
            }
            Value::Array(list) if !list.is_empty() => match shape.list(path) {
                ListKind::Atomic => fields.own = true,
                kind => {
                    for (index, item) in list.iter().enumerate() {
                        let edge = edge(item, &kind, shape).ok_or_else(|| {
                            format!(".{}: element {index}: associative list with keys has an element that omits key field", path.join("."))
                        })?;
                        let mut field = Self::set(item, shape.item(), path, new)?;
                        field.own = true;
                        if fields.below.insert(edge.clone(), field).is_some() {
                            let mut shown = String::new();
                            show(&edge, &mut shown);
                            let list = path.join(".");
                            return Err(format!(".{list}: duplicate entries for key {shown}"));
                        }
                    }
                }
            },
            _ => fields.own = true,
        }
        Ok(fields)
    }

    pub(super) fn read(json: &Value) -> Self {
        let Some(object) = json.as_object() else { return Self::default() };
        let mut fields = Self { own: object.is_empty(), below: BTreeMap::new() };
        for (edge, below) in object {
            match edge.as_str() {
                "." => fields.own = true,
                edge => drop(fields.below.insert(edge.to_owned(), Self::read(below))),
            }
        }
        fields
    }

    pub(super) fn write(&self) -> Value {
        let mut object = Map::new();
        if self.own && !self.below.is_empty() {
            object.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (edge, below) in &self.below {
            object.insert(edge.clone(), below.write());
        }
        Value::Object(object)
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.own && self.below.is_empty()
    }

    pub(super) fn owns(&self) -> bool {
        self.own
    }

    pub(super) fn below(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.below.iter().map(|(edge, below)| (edge.as_str(), below))
    }

    /// The fields below an edge; none if there is no such edge.
    pub(super) fn at(&self, edge: &str) -> Self {
        self.below.get(edge).cloned().unwrap_or_default()
    }

    pub(super) fn union(mut self, other: &Self) -> Self {
        self.own |= other.own;
        for (edge, theirs) in &other.below {
            let ours = self.below.remove(edge).unwrap_or_default();
            self.below.insert(edge.clone(), ours.union(theirs));
        }
        self
    }

    pub(super) fn without(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| ours && !theirs, Self::clone)
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        self.combine(other, |ours, theirs| ours && theirs, |_| Self::default())
    }

    fn combine(&self, other: &Self, own: fn(bool, bool) -> bool, alone: fn(&Self) -> Self) -> Self {
        let below = self.below.iter().map(|(edge, ours)| {
            let fields = match other.below.get(edge) {
                Some(theirs) => ours.combine(theirs, own, alone),
                None => alone(ours),
            };
            (edge.clone(), fields)
        });
        let below = below.filter(|(_, fields)| !fields.is_empty()).collect();
        Self { own: own(self.own, other.own), below }
    }

    /// Drops what says which object this is, and of what kind.
    pub(super) fn strip_identity(&mut self) {
        self.own = false;
        self.below.remove("f:apiVersion");
        self.below.remove("f:kind");
        if let Some(metadata) = self.below.get_mut("f:metadata") {
            metadata.below.retain(|edge, _| !IDENTITY.contains(&edge.as_str()));
            if metadata.below.is_empty() {
                self.below.remove("f:metadata");
            }
        }
    }

    /// Every field of the set, as messages name it: `.spec.containers[name="a"].image`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.walk(&mut String::new(), &mut paths);
        paths
    }

    fn walk(&self, path: &mut String, paths: &mut Vec<String>) {
        if self.own {
            paths.push(path.clone());
        }
        for (edge, below) in &self.below {
            let length = path.len();
            show(edge, path);
            below.walk(path, paths);
            path.truncate(length);
        }
    }
}

/// Whether the kind has a field of this name, rather than a map a key.
fn declares(shape: Shape<'_>, path: &[&str], name: &str) -> bool {
    let has = |schema: &Schema| schema.properties.as_ref().is_some_and(|it| it.contains_key(name));
    match shape {
        Shape::BuiltIn => true,
        Shape::Custom(schema) => {
            path.is_empty() || path[0] == "metadata" || schema.is_some_and(has)
        }
    }
}

/// Whether every object has the field at `path`, so that nobody sets it: in Go it is no pointer.
fn is_standing(shape: Shape<'_>, path: &[&str]) -> bool {
    const STANDING: [&[&str]; 8] = [
        &["metadata"],
        &["spec"],
        &["status"],
        &["spec", "containers"],
        &["spec", "template"],
        &["spec", "template", "metadata"],
        &["spec", "template", "spec"],
        &["spec", "template", "spec", "containers"],
    ];
    match shape {
        Shape::BuiltIn => STANDING.contains(&path),
        Shape::Custom(_) => path == ["metadata"],
    }
}

/// The name of the edge to an item of a list that is not atomic.
pub(super) fn edge(item: &Value, kind: &ListKind, shape: Shape<'_>) -> Option<String> {
    match kind {
        ListKind::Map(keys) => {
            let of = |key: &String| {
                Some((key.clone(), item.get(key).cloned().or_else(|| default_key(shape, key))?))
            };
            let named: Map<String, Value> = keys.iter().filter_map(of).collect();
            (!named.is_empty()).then(|| format!("k:{}", Value::Object(named)))
        }
        ListKind::Set | ListKind::Atomic => Some(format!("v:{item}")),
    }
}

/// What a key is that an item leaves out.
fn default_key(shape: Shape<'_>, key: &str) -> Option<Value> {
    match shape {
        Shape::BuiltIn => (key == "protocol").then(|| Value::from("TCP")),
        Shape::Custom(_) => match shape.item().field(key) {
            Shape::Custom(Some(schema)) => schema.default.as_ref().map(|default| default.0.clone()),
            _ => None,
        },
    }
}

fn show(edge: &str, path: &mut String) {
    let (sort, rest) = edge.split_at(2.min(edge.len()));
    match (sort, serde_json::from_str::<Map<String, Value>>(rest)) {
        ("k:", Ok(keys)) => {
            let keys: Vec<String> =
                keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            write!(path, "[{}]", keys.join(","))
        }
        ("v:", _) => write!(path, "[={rest}]"),
        _ => write!(path, ".{rest}"),
    }
    .expect("a string takes everything");
}

/// What of `new` is new or other than in `old`, and what of `old` is gone.
pub(super) fn compare(old: &Value, new: &Value, shape: Shape<'_>) -> (Fields, Fields) {
    let (mut changed, mut removed) = (Fields::default(), Fields::default());
    difference(old, new, shape, &mut Vec::new(), &mut changed, &mut removed);
    (changed, removed)
}

/// An edge, its field's name if it is one, and the old and new value there.
type Pair<'v> = (String, Option<&'v str>, Option<&'v Value>, Option<&'v Value>);

fn difference<'v>(
    old: &'v Value,
    new: &'v Value,
    shape: Shape<'_>,
    path: &mut Vec<&'v str>,
    changed: &mut Fields,
    removed: &mut Fields,
) {
    if old == new {
        return;
    }
    let mut pairs: Vec<Pair<'v>> = Vec::new();
    match (old, new) {
        (Value::Object(before), Value::Object(after)) if !shape.is_atomic_map(path) => {
            for (name, value) in after {
                pairs.push((format!("f:{name}"), Some(name), before.get(name), Some(value)));
            }
            for (name, value) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
                pairs.push((format!("f:{name}"), Some(name), Some(value), None));
            }
        }
        (Value::Array(before), Value::Array(after)) if shape.list(path) != ListKind::Atomic => {
            let kind = shape.list(path);
            let keyed = |list: &'v [Value]| -> BTreeMap<String, &'v Value> {
                list.iter().filter_map(|item| Some((edge(item, &kind, shape)?, item))).collect()
            };
            let (before, mut after) = (keyed(before), keyed(after));
            for (edge, value) in before {
                let now = after.remove(&edge);
                pairs.push((edge, None, Some(value), now));
            }
            pairs.extend(after.into_iter().map(|(edge, value)| (edge, None, None, Some(value))));
        }
        _ => {
            // What has no keys to be told apart by is owned as a whole.
            let whole = |_| Fields { own: true, below: BTreeMap::new() };
            if !old.is_null() {
                *removed = Fields::set(old, shape, path, true).unwrap_or_else(whole);
            }
            if !new.is_null() {
                *changed = Fields::set(new, shape, path, true).unwrap_or_else(whole);
                *removed = removed.without(changed);
            }
            return;
        }
    }
    for (edge, name, before, after) in pairs {
        let (mut now, mut gone) = (Fields::default(), Fields::default());
        let below = match name {
            Some(name) => shape.field(name),
            None => shape.item(),
        };
        path.extend(name);
        let own = name.is_none() || !is_standing(shape, path);
        let null = &Value::Null;
        difference(before.unwrap_or(null), after.unwrap_or(null), below, path, &mut now, &mut gone);
        if name.is_some() {
            path.pop();
        }
        now.own |= own && before.is_none() && after.is_some();
        gone.own |= own && after.is_none() && before.is_some();
        for (into, fields) in [(&mut *changed, now), (&mut *removed, gone)] {
            if !fields.is_empty() {
                into.below.insert(edge.clone(), fields);
            }
        }
    }
}
