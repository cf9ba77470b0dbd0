//! How large a result may be: an agent pays for every word of it.

use serde_json::Value;

use crate::{Error, Result};

/// In bytes of JSON, some ten thousand tokens: several times what a tool should return.
const LARGEST: usize = 40_000;
/// No text or list is cut below this many bytes or items.
const SHORTEST_TEXT: usize = 400;
const SHORTEST_LIST: usize = 5;

/// Shortens the longest texts and lists of a result until it is small enough, and says what was
/// left out. What remains still fits the schema.
pub(crate) fn cut(value: &mut Value) -> Result<Option<String>> {
    let (mut texts, mut items) = (0, 0);
    let mut size = size_of(value);
    while size > LARGEST {
        let Some(cut) = cut_largest(value, size - LARGEST) else {
            return Err(Error::TooLarge { bytes: size });
        };
        match cut {
            Cut::Text(bytes) => texts += bytes,
            Cut::List(count) => items += count,
        }
        size = size_of(value);
    }
    let said = match (texts, items) {
        (0, 0) => return Ok(None),
        (texts, 0) => format!("{texts} bytes of text"),
        (0, items) => format!("{items} list items"),
        (texts, items) => format!("{items} list items and {texts} bytes of text"),
    };
    let said = format!("too large: {said} left out; ask for less, by a filter or a lower limit");
    if let Value::Object(fields) = value {
        fields.insert("left_out".to_owned(), said.clone().into());
    }
    Ok(Some(said))
}

enum Cut {
    Text(usize),
    List(usize),
}

fn cut_largest(value: &mut Value, surplus: usize) -> Option<Cut> {
    match largest(value)? {
        Value::String(text) => {
            let keep = text.len().saturating_sub(surplus + 100).max(SHORTEST_TEXT);
            let before = text.len();
            // The end of a text, such as a traceback, is worth as much as its beginning.
            let start = floor_boundary(text, keep / 3);
            let end = ceil_boundary(text, before - (keep - keep / 3));
            let left_out = end - start;
            *text = format!("{}\n… {left_out} bytes left out …\n{}", &text[..start], &text[end..]);
            Some(Cut::Text(left_out))
        }
        Value::Array(items) => {
            let before = items.len();
            let mut freed = 0;
            while items.len() > SHORTEST_LIST && freed < surplus + 200 {
                freed += items.pop().map_or(0, |it| size_of(&it) + 1);
            }
            Some(Cut::List(before - items.len()))
        }
        _ => None,
    }
}

/// The largest text or list that can still be cut.
fn largest(value: &mut Value) -> Option<&mut Value> {
    let can_be_cut = match value {
        Value::String(text) => text.len() > SHORTEST_TEXT + 100,
        Value::Array(items) => items.len() > SHORTEST_LIST,
        _ => false,
    };
    let inner = match &*value {
        Value::Array(items) => items.iter().map(cuttable).max().unwrap_or(0),
        Value::Object(fields) => fields.values().map(cuttable).max().unwrap_or(0),
        _ => 0,
    };
    // A long text in a list is cut before the list is.
    if can_be_cut && (inner == 0 || inner * 2 < size_of(value)) {
        return Some(value);
    }
    if inner == 0 {
        return None;
    }
    match value {
        Value::Array(items) => items.iter_mut().find(|it| cuttable(it) == inner).and_then(largest),
        Value::Object(fields) => {
            fields.values_mut().find(|it| cuttable(it) == inner).and_then(largest)
        }
        _ => None,
    }
}

/// The size of the largest part of a value that can be cut, nothing if there is none.
fn cuttable(value: &Value) -> usize {
    let inner = match value {
        Value::Array(items) => items.iter().map(cuttable).max().unwrap_or(0),
        Value::Object(fields) => fields.values().map(cuttable).max().unwrap_or(0),
        _ => 0,
    };
    match value {
        Value::String(text) if text.len() > SHORTEST_TEXT + 100 => text.len(),
        Value::Array(items) if items.len() > SHORTEST_LIST => size_of(value),
        _ => inner,
    }
}

fn size_of(value: &Value) -> usize {
    match value {
        Value::Null => 4,
        Value::Bool(_) => 5,
        Value::Number(number) => number.to_string().len(),
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|it| size_of(it) + 1).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields.iter().map(|(key, it)| key.len() + 4 + size_of(it)).sum::<usize>()
        }
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|it| text.is_char_boundary(*it)).unwrap_or(0)
}

fn ceil_boundary(text: &str, at: usize) -> usize {
    (at..=text.len()).find(|it| text.is_char_boundary(*it)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn small_results_are_left_alone() {
        let mut value = json!({"lines": vec!["a"; 100]});
        assert_eq!(cut(&mut value).expect("it is small"), None);
        assert_eq!(value, json!({"lines": vec!["a"; 100]}));
    }

    #[test]
    fn a_long_text_keeps_both_ends() {
        let mut value = json!({"log": format!("first{}last", "ä".repeat(60_000)), "name": "a"});
        let said = cut(&mut value).expect("it can be cut").expect("it is too large");
        assert!(said.contains("bytes of text left out"), "{said}");
        let log = value["log"].as_str().expect("still a text");
        assert!(log.starts_with("first") && log.ends_with("last"), "{log}");
        assert!(size_of(&value) <= LARGEST + 200);
        assert_eq!(value["name"], "a");
    }

    #[test]
    fn a_long_list_keeps_its_beginning() {
        let row = |it: usize| json!({"name": format!("job-{it}"), "status": "Running"});
        let mut value = json!({"items": (0..5000).map(row).collect::<Vec<_>>()});
        cut(&mut value).expect("it can be cut").expect("it is too large");
        assert_eq!(value["items"][0]["name"], "job-0");
        assert!(size_of(&value) <= LARGEST + 200);
        let left = value["items"].as_array().expect("a list").len();
        assert!(left > 500, "{left}");
        let said = value["left_out"].as_str().expect("a sentence");
        assert!(said.contains(&format!("{} list items", 5000 - left)), "{said}");
    }

    #[test]
    fn what_cannot_be_cut_is_an_error() {
        let fields = (0..9000).map(|it| (it.to_string(), "x".repeat(100).into()));
        let mut value = Value::Object(fields.collect());
        assert_eq!(cut(&mut value).expect_err("too many fields").code(), "too_large");
    }
}
