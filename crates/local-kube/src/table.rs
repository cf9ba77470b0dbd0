//! Objects as rows, which is what `kubectl get` asks for and prints.

mod age;
mod columns;
mod json_path;
mod pods;

use serde_json::{Value, json};

use self::columns::{Column, columns};
use crate::{kinds::Kind, representation::in_version};

/// What a row says of its object besides the cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Include {
    Nothing,
    #[default]
    Metadata,
    Object,
}

/// A `Table` of the objects. `list` is the metadata of the list that they are.
pub(crate) fn table<'o>(
    kind: &Kind,
    list: &Value,
    objects: impl Iterator<Item = &'o Value>,
    include: Include,
) -> Value {
    let columns = columns(kind);
    let rows: Vec<Value> = objects
        .map(|object| {
            let cells: Vec<Value> = columns.iter().map(|it| it.cell(object)).collect();
            let mut row = json!({"cells": cells});
            match include {
                Include::Nothing => {}
                Include::Metadata => {
                    row["object"] = json!({"kind": "PartialObjectMetadata",
                        "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]});
                }
                Include::Object => row["object"] = in_version(kind, object).into_owned(),
            }
            row
        })
        .collect();
    let definitions: Vec<Value> = columns.iter().map(Column::definition).collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list,
           "columnDefinitions": definitions, "rows": rows})
}

/// How long ago a time was, as people read it.
fn since(time: &Value) -> String {
    let Some(time) = time.as_str().and_then(|it| it.parse::<jiff::Timestamp>().ok()) else {
        return "<unknown>".to_owned();
    };
    age::human(jiff::Timestamp::now().duration_since(time).as_secs())
}

#[cfg(test)]
mod tests;
