//! The part of JSONPath that the printer columns of CustomResourceDefinitions use.

use serde_json::Value;

/// What the path finds, e.g. `.status.conditions[?(@.type=="Ready")].status`.
pub(super) fn find<'v>(value: &'v Value, path: &str) -> Vec<&'v Value> {
    let mut found = vec![value];
    let mut rest = path.trim().trim_start_matches('$');
    while !rest.is_empty() {
        let step;
        (step, rest) = split(rest);
        found = found.into_iter().flat_map(|it| take(it, &step)).collect();
    }
    found
}

enum Step {
    Field(String),
    Index(i64),
    /// From the first position up to the second.
    Slice(Option<i64>, Option<i64>),
    All,
    /// The items whose field has the value.
    Where(String, Value),
    /// Nothing that is known here.
    Unknown,
}

fn split(path: &str) -> (Step, &str) {
    if let Some(rest) = path.strip_prefix('[') {
        let end =
            if rest.starts_with('?') { rest.find(")]").map(|it| it + 1) } else { rest.find(']') };
        let Some(end) = end else { return (Step::Unknown, "") };
        return (bracket(&rest[..end]), &rest[end + 1..]);
    }
    let path = path.trim_start_matches('.');
    let mut name = String::new();
    let mut characters = path.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            '.' | '[' => return (Step::Field(name), &path[at..]),
            other => name.push(other),
        }
    }
    (Step::Field(name), "")
}

fn bracket(inner: &str) -> Step {
    let quoted = |text: &str| text.trim_matches(['\'', '"']).to_owned();
    if inner == "*" {
        return Step::All;
    }
    if let Ok(index) = inner.parse() {
        return Step::Index(index);
    }
    if let Some((from, to)) = inner.split_once(':').filter(|_| !inner.starts_with('?')) {
        let bound = |text: &str| match text.trim() {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        };
        return match (bound(from), bound(to)) {
            (Some(from), Some(to)) => Step::Slice(from, to),
            _ => Step::Unknown,
        };
    }
    let Some(filter) = inner.strip_prefix("?(").and_then(|it| it.strip_suffix(')')) else {
        return Step::Field(quoted(inner));
    };
    match filter.split_once("==") {
        Some((field, value)) => {
            let value = value.trim();
            let wanted = serde_json::from_str(value).unwrap_or_else(|_| Value::from(quoted(value)));
            Step::Where(
                field.trim().trim_start_matches('@').trim_start_matches('.').to_owned(),
                wanted,
            )
        }
        None => Step::Unknown,
    }
}

fn take<'v>(value: &'v Value, step: &Step) -> Vec<&'v Value> {
    let items = || value.as_array().into_iter().flatten();
    match step {
        Step::Field(name) if name.is_empty() => vec![value],
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::Index(index) => {
            let length = value.as_array().map_or(0, Vec::len);
            let index = if *index < 0 {
                length.checked_sub(index.unsigned_abs() as usize)
            } else {
                usize::try_from(*index).ok()
            };
            index.and_then(|it| value.get(it)).into_iter().collect()
        }
        Step::Slice(from, to) => {
            let length = value.as_array().map_or(0, Vec::len);
            // Negative positions count from the end.
            let position = |at: i64| match usize::try_from(at) {
                Ok(at) => at.min(length),
                Err(_) => length.saturating_sub(at.unsigned_abs() as usize),
            };
            let (from, to) = (from.map_or(0, position), to.map_or(length, position));
            items().take(to).skip(from).collect()
        }
        Step::All => items().collect(),
        Step::Where(field, wanted) => {
            items().filter(|item| find(item, field).first() == Some(&wanted)).collect()
        }
        Step::Unknown => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::find;

    #[test]
    fn the_paths_of_printer_columns_are_followed() {
        let object = json!({"spec": {"size": 3, "list": [1, 2]}, "metadata": {"labels": {"a.b/c": "x"}},
            "status": {"conditions": [{"type": "Old", "status": "False"}, {"type": "Ready", "status": "True"}]}});
        let first = |path| find(&object, path).first().map(ToString::to_string).unwrap_or_default();
        assert_eq!(first(".spec.size"), "3");
        assert_eq!(first(r#".status.conditions[?(@.type=="Ready")].status"#), r#""True""#);
        assert_eq!(first(".status.conditions[-1:].type"), r#""Ready""#);
        assert_eq!(find(&object, ".spec.list[:-1]").len(), 1);
        assert_eq!(first(".status.conditions[-1].type"), r#""Ready""#);
        assert_eq!(first(r".metadata.labels.a\.b/c"), r#""x""#);
        assert_eq!(first(".metadata.labels['a.b/c']"), r#""x""#);
        assert_eq!(find(&object, ".spec.list[*]").len(), 2);
        assert_eq!(first(".nowhere.at[0].all"), "");
    }
}
