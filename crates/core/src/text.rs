//! JSON as text that costs few tokens: lines of `key: value`, and lists of objects as rows.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Wider columns are mostly blanks, which cost tokens too.
const WIDEST: usize = 60;

/// A value as an agent or a person reads it.
pub(crate) fn of(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(fields) => write_fields(&mut text, fields, 0),
        other => write_item(&mut text, other, 0),
    }
    text.truncate(text.trim_end().len());
    text
}

fn write_fields(text: &mut String, fields: &Map<String, Value>, depth: usize) {
    for (key, value) in in_order(fields) {
        let margin = "  ".repeat(depth);
        match value {
            Value::Null => {}
            Value::Array(items) if items.is_empty() => {
                let _ = writeln!(text, "{margin}{key}: none");
            }
            Value::Object(fields) if fields.is_empty() => {}
            Value::Object(fields) => {
                let _ = writeln!(text, "{margin}{key}:");
                write_fields(text, fields, depth + 1);
            }
            Value::Array(items) => match scalars(items) {
                Some(list) => {
                    let _ = writeln!(text, "{margin}{key}: {}", list.join(", "));
                }
                None => {
                    let _ = writeln!(text, "{margin}{key}:");
                    write_rows(text, items, depth + 1);
                }
            },
            scalar => {
                let _ = writeln!(text, "{margin}{key}: {}", cell(scalar, depth + 1));
            }
        }
    }
}

/// Names first, then what fits on a line, then the rest.
fn in_order(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut ordered: Vec<_> = fields.iter().collect();
    ordered.sort_by_key(|(key, value)| {
        let rank = match value {
            _ if *key == "name" => 0,
            Value::Object(_) => 3,
            Value::Array(items) if scalars(items).is_none() => 3,
            Value::String(text) if text.contains('\n') => 3,
            Value::Array(_) => 2,
            _ => 1,
        };
        (rank, *key)
    });
    ordered
}

/// Objects of scalars become a table, whose columns are named once; anything else a list.
fn write_rows(text: &mut String, items: &[Value], depth: usize) {
    let margin = "  ".repeat(depth);
    let Some(table) = table(items) else {
        for item in items {
            write_item(text, item, depth);
        }
        return;
    };
    let widths: Vec<usize> = (0..table[0].len())
        .map(|column| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    if widths.iter().any(|width| *width > WIDEST) {
        for item in items {
            write_item(text, item, depth);
        }
        return;
    }
    for row in &table {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{margin}{}", line.trim_end());
    }
}

fn write_item(text: &mut String, item: &Value, depth: usize) {
    let margin = "  ".repeat(depth);
    match item {
        Value::Object(fields) => {
            let mut inner = String::new();
            write_fields(&mut inner, fields, depth + 1);
            let _ = writeln!(text, "{margin}- {}", inner.trim());
        }
        Value::Array(items) => write_rows(text, items, depth + 1),
        scalar => {
            let _ = writeln!(text, "{margin}- {}", cell(scalar, depth + 1).trim_start());
        }
    }
}

/// Header and rows, if every item is an object of one-line scalars.
fn table(items: &[Value]) -> Option<Vec<Vec<String>>> {
    let mut columns: Vec<&String> = Vec::new();
    for item in items {
        for (key, value) in in_order(item.as_object()?) {
            if value.is_object() || value.is_array() && scalars(value.as_array()?).is_none() {
                return None;
            }
            if value.as_str().is_some_and(|it| it.contains('\n')) {
                return None;
            }
            if !value.is_null() && !columns.contains(&key) {
                columns.push(key);
            }
        }
    }
    let header = columns.iter().map(|it| (*it).clone()).collect();
    let row = |item: &Value| {
        columns
            .iter()
            .map(|column| match &item[column.as_str()] {
                Value::Array(items) => scalars(items).unwrap_or_default().join(","),
                Value::Null => "-".to_owned(),
                scalar => cell(scalar, 0),
            })
            .collect()
    };
    (!columns.is_empty()).then(|| std::iter::once(header).chain(items.iter().map(row)).collect())
}

fn scalars(items: &[Value]) -> Option<Vec<String>> {
    items
        .iter()
        .map(|item| match item {
            Value::Object(_) | Value::Array(_) => None,
            Value::String(text) if text.contains('\n') || text.len() > 60 => None,
            scalar => Some(cell(scalar, 0)),
        })
        .collect()
}

fn cell(scalar: &Value, depth: usize) -> String {
    match scalar {
        Value::String(text) if text.contains('\n') => {
            let margin = "  ".repeat(depth);
            text.lines().fold(String::new(), |all, line| all + "\n" + &margin + line)
        }
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            // Sixteen digits of a metric are noise to a reader.
            Some(float) if number.is_f64() => {
                let short = format!("{float:.4}");
                let short = short.trim_end_matches('0').trim_end_matches('.');
                let tiny = float != 0.0 && float.abs() < 0.001;
                if tiny { format!("{float:.3e}") } else { short.to_owned() }
            }
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn lists_of_objects_are_rows() {
        let value = json!({
            "namespace": "team-a",
            "items": [
                {"name": "digits", "status": "Complete", "nodes": 1, "accuracy": 0.97222222},
                {"name": "mnist-large", "status": "Running", "nodes": 16, "accuracy": null},
            ],
            "labels": ["a", "b"],
            "cursor": null,
            "rates": [0.5, 2e-5, 10.0],
            "resources": {"cpu": "2", "limits": {"memory": "4Gi"}},
            "warnings": [],
            "lines": ["one\ntwo", "three"],
            "pods": [{"name": "p", "containers": [{"name": "node", "state": "Running"}]}],
            "hidden": [{"tools": ["a", "b"], "why": "w".repeat(61)}, {"tools": ["c"], "why": "x"}],
        });
        expect![[r#"
            namespace: team-a
            labels: a, b
            rates: 0.5, 2.000e-5, 10
            warnings: none
            hidden:
              - why: wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww
                tools: a, b
              - why: x
                tools: c
            items:
              name         accuracy  nodes  status
              digits       0.9722    1      Complete
              mnist-large  -         16     Running
            lines:
              - one
                two
              - three
            pods:
              - name: p
                containers:
                  name  state
                  node  Running
            resources:
              cpu: 2
              limits:
                memory: 4Gi"#]]
        .assert_eq(&super::of(&value));
    }
}
