//! Conversations with an API server, kept in files: what is asked, and what a cluster must answer.
//!
//! A line with `>` belongs to a request: method and path, headers, then a body. Lines with `<` are the
//! answer, which `UPDATE_EXPECT=1` writes (on a real cluster, which is always right). Five headers are
//! for us and are not sent: `as` (a user and their groups), `keep` (a name, and where in the answer its
//! value is; `$name` stands for it from then on), `show` (all that matters of the answer), `unordered`
//! (where lists are whose order is by chance) and `until` (asked again until the answer has this code,
//! or this value at this place).

use std::{collections::BTreeMap, fs, path::Path};

use expect_test::expect_file;
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace, request::Answer, waiting::until};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

/// Holds the conversation of a file, and compares the answers.
pub(crate) async fn hold(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("behaviour").join(file);
    let text = fs::read_to_string(&path).expect("a conversation");
    let namespace = Cluster::under_test().await.namespace().await;
    let mut kept = BTreeMap::new();
    let mut spoken = String::new();
    for part in text.split("\n\n") {
        let asked: Vec<&str> = part.lines().filter(|it| !it.starts_with('<')).collect();
        let request: Vec<&str> = asked.iter().filter_map(|it| it.strip_prefix("> ")).collect();
        spoken += asked.join("\n").trim();
        if !request.is_empty() {
            spoken += "\n";
            spoken += &Request::read(&request).answered(&namespace, &mut kept).await;
        }
        spoken += "\n\n";
    }
    expect_file![path].assert_eq(&(spoken.trim().to_owned() + "\n"));
}

struct Request<'t> {
    line: &'t str,
    headers: Vec<(&'t str, &'t str)>,
    body: String,
}

impl<'t> Request<'t> {
    fn read(lines: &[&'t str]) -> Self {
        let (line, rest) = lines.split_first().expect("a method and a path");
        let headers: Vec<_> = rest.iter().map_while(|it| header(it)).collect();
        let body = rest[headers.len()..].join("\n");
        Self { line, headers, body }
    }

    fn ours(&self, name: &'static str) -> impl Iterator<Item = Vec<&'t str>> {
        let named = self.headers.iter().filter(move |it| it.0 == name);
        named.map(|(_, value)| value.split_whitespace().collect())
    }

    async fn answered(&self, namespace: &Namespace, kept: &mut BTreeMap<String, String>) -> String {
        let line = encoded(&filled(self.line, kept));
        let body = filled(&self.body, kept);
        let headers: Vec<_> =
            self.headers.iter().filter(|it| !OURS.contains(&it.0)).copied().collect();
        let client = match self.ours("as").next().as_deref() {
            Some([user, groups @ ..]) => {
                let user = user.replace("NAMESPACE", namespace.name());
                namespace.cluster().acting_as(&user, groups).await
            }
            _ => namespace.cluster().admin(),
        };
        let ask = async || namespace.ask_as(&client, &line, &headers, &body).await;
        let answer = match self.ours("until").next() {
            None => ask().await,
            Some(wanted) => {
                until(self.line, async || {
                    let answer = ask().await;
                    if answer.is(&wanted) { Ok(answer) } else { Err(answer.text) }
                })
                .await
            }
        };
        for keep in self.ours("keep") {
            let [name, place] = keep[..] else { panic!("keep: a name and a place") };
            let value = at(&answer.json(), place);
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            kept.insert(name.to_owned(), value);
        }
        let mut shown = match self.ours("show").next() {
            Some(places) => {
                let value = answer.json();
                places.iter().map(|it| ((*it).to_owned(), at(&value, it))).collect()
            }
            None => whole(&answer),
        };
        for place in self.ours("unordered").flatten() {
            if let Some(Value::Array(items)) = shown.pointer_mut(place) {
                items.sort_by_key(Value::to_string);
            }
        }
        let mut told = answer.code.to_string();
        for warning in answer.warnings() {
            told += &format!("\nwarning: {warning}");
        }
        if shown != json!({}) {
            told += "\n";
            told += &serde_saphyr::to_string(&shown).expect("JSON is YAML");
        }
        let told = namespace.normalised(&told);
        told.trim_end().lines().map(|line| format!("< {line}")).collect::<Vec<_>>().join("\n")
    }
}

const OURS: [&str; 5] = ["as", "keep", "show", "unordered", "until"];

fn header(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(": ")?;
    let plain = name.chars().all(|it| it.is_ascii_lowercase() || it == '-');
    plain.then_some((name, value))
}

/// The path as it is sent: what is written here may be read.
fn encoded(line: &str) -> String {
    let (method, path) = line.split_once(' ').expect("a method and a path");
    const NOT_IN_PATHS: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');
    format!("{method} {}", utf8_percent_encode(path, NOT_IN_PATHS))
}

fn filled(text: &str, kept: &BTreeMap<String, String>) -> String {
    kept.iter()
        .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
}

trait Told {
    fn is(&self, wanted: &[&str]) -> bool;
}

impl Told for Answer {
    fn is(&self, wanted: &[&str]) -> bool {
        match wanted {
            [code] => self.code.to_string() == *code,
            [place, value @ ..] => {
                let found = at(&self.json(), place);
                found.as_str().map_or_else(|| found.to_string(), str::to_owned) == value.join(" ")
            }
            [] => true,
        }
    }
}

/// What is at a place, as in `/items/*/metadata/name`.
fn at(value: &Value, place: &str) -> Value {
    match place.split_once("/*") {
        None => value.pointer(place).cloned().unwrap_or(Value::Null),
        Some((list, rest)) => {
            let items = value.pointer(list).and_then(Value::as_array);
            items.into_iter().flatten().map(|it| at(it, rest)).collect()
        }
    }
}

/// The answer without nulls, which say nothing, and without the record of managers, which has
/// conversations of its own.
fn whole(answer: &Answer) -> Value {
    let mut documents: Vec<Value> = serde_json::Deserializer::from_str(&answer.text)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|_| vec![Value::String(answer.text.clone())]);
    documents.iter_mut().for_each(forget);
    documents.iter_mut().for_each(|it| shorten(it, answer.code));
    match documents.len() {
        0 => json!({}),
        1 => documents.swap_remove(0),
        _ => documents.into(),
    }
}

/// Says of a failure only what not every failure says.
fn shorten(value: &mut Value, code: u16) {
    let always = json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", "code": code});
    let always = always.as_object().expect("an object");
    if let Value::Object(fields) = value
        && always.iter().all(|(field, value)| fields.get(field) == Some(value))
    {
        fields.retain(|field, _| !always.contains_key(field));
    }
}

fn forget(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("managedFields");
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(forget);
        }
        Value::Array(items) => items.iter_mut().for_each(forget),
        _ => {}
    }
}
