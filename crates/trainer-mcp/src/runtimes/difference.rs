//! What is different between two versions of an object, a line for each field.

use std::collections::BTreeSet;

use serde_json::Value;

/// How much of a value is shown.
const SHOWN: usize = 100;
/// More lines would not be read.
const MOST: usize = 30;

/// `path: before → after`, where items of lists are named by their names.
pub(super) fn difference(before: &Value, after: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", before, after, &mut lines);
    let more = lines.len().saturating_sub(MOST);
    lines.truncate(MOST);
    if more > 0 {
        lines.push(format!("{more} more"));
    }
    lines
}

fn compare(path: &str, before: &Value, after: &Value, lines: &mut Vec<String>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(&path, &before[name], &after[name], lines);
            }
        }
        (Value::Array(old), Value::Array(new)) => match (names(old), names(new)) {
            (Some(older), Some(newer)) => {
                let all: BTreeSet<&str> = older.iter().chain(&newer).copied().collect();
                for name in all {
                    let of = |list: &[Value]| {
                        list.iter().find(|it| it["name"] == name).cloned().unwrap_or_default()
                    };
                    compare(&format!("{path}[{name}]"), &of(old), &of(new), lines);
                }
            }
            _ => lines.push(format!("{path}: {} → {}", shown(before), shown(after))),
        },
        _ => lines.push(format!("{path}: {} → {}", shown(before), shown(after))),
    }
}

/// The names of all items, if all have one.
fn names(list: &[Value]) -> Option<Vec<&str>> {
    list.iter().map(|it| it["name"].as_str()).collect()
}

fn shown(value: &Value) -> String {
    if value.is_null() {
        return "nothing".to_owned();
    }
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
