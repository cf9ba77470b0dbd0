//! Strategic merge patch of built-in kinds: lists merge by key, and directives say what else to do.

use serde_json::{Map, Value};

use crate::{
    lists::{self, ListKind},
    patch::as_go_shows,
    status::{self, Result, bad_request},
};

const DIRECTIVE: &str = "$patch";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";
const RETAIN: &str = "$retainKeys";

/// Merges the patch into an object of a built-in kind.
pub fn strategic_merge(object: &mut Value, patch: &Value) -> Result<()> {
    let Value::Object(patch) = patch else {
        return Err(bad_request("error decoding patch: a strategic merge patch is an object"));
    };
    merge(object, patch, &mut Vec::new())
}

/// `path` holds the names of the fields above.
fn merge<'p>(
    value: &mut Value,
    patch: &'p Map<String, Value>,
    path: &mut Vec<&'p str>,
) -> Result<()> {
    match patch.get(DIRECTIVE).map(|directive| directive.as_str().unwrap_or_default()) {
        Some("delete") => {
            *value = Value::Object(Map::new());
            return Ok(());
        }
        Some("replace") => {
            *value = Value::Object(without_directives(patch));
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => {
            return Err(bad_request(format!("Unknown patch type found: {other}")));
        }
    }
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let object = value.as_object_mut().expect("it was just made an object");
    if let Some(Value::Array(retained)) = patch.get(RETAIN) {
        object.retain(|name, _| retained.iter().any(|retained| retained == name));
    }
    for (name, change) in patch {
        if let Some(list) = name.strip_prefix(DELETE_FROM) {
            delete_from(object, list, change);
        } else if !name.starts_with('$') {
            path.push(name);
            let before = object.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
            change_field(object, name, change, path)?;
            let wished = patch.get(&format!("{ORDER}{name}")).and_then(Value::as_array);
            if let (Some(Value::Array(items)), Value::Array(changes)) =
                (object.get_mut(name), change)
            {
                arrange(items, &before, wished.unwrap_or(changes), &lists::strategic(path));
            }
            path.pop();
        }
    }
    // Orders of lists that are not changed otherwise.
    for (name, order) in patch {
        if let (Some(list), Value::Array(order)) = (name.strip_prefix(ORDER), order)
            && !patch.contains_key(list)
        {
            path.push(list);
            if let Some(Value::Array(items)) = object.get_mut(list) {
                let before = items.clone();
                arrange(items, &before, order, &lists::strategic(path));
            }
            path.pop();
        }
    }
    Ok(())
}

fn change_field<'p>(
    object: &mut Map<String, Value>,
    name: &'p str,
    change: &'p Value,
    path: &mut Vec<&'p str>,
) -> Result<()> {
    match change {
        Value::Null => {
            object.remove(name);
        }
        Value::Object(change) => {
            if change.get(DIRECTIVE).and_then(Value::as_str) == Some("delete") {
                object.remove(name);
                return Ok(());
            }
            merge(object.entry(name).or_insert(Value::Null), change, path)?;
        }
        Value::Array(changes) => {
            let list = object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            if !list.is_array() {
                *list = Value::Array(Vec::new());
            }
            let items = list.as_array_mut().expect("it was just made a list");
            merge_list(items, changes, path)?;
        }
        scalar => {
            object.insert(name.to_owned(), scalar.clone());
        }
    }
    Ok(())
}

fn merge_list<'p>(
    items: &mut Vec<Value>,
    changes: &'p [Value],
    path: &mut Vec<&'p str>,
) -> Result<()> {
    let directive = |change: &'p Value| change.get(DIRECTIVE).and_then(Value::as_str);
    if changes.iter().any(|change| directive(change) == Some("replace")) {
        let rest = changes.iter().filter(|change| directive(change) != Some("replace"));
        *items = rest.cloned().collect();
        return Ok(());
    }
    match lists::strategic(path) {
        ListKind::Atomic => *items = changes.to_vec(),
        ListKind::Set => {
            for change in changes {
                if !items.contains(change) {
                    items.push(change.clone());
                }
            }
        }
        ListKind::Map(keys) => {
            let key = &keys[0];
            for change in changes {
                let (Some(id), Value::Object(fields)) = (change.get(key), change) else {
                    let shown = as_go_shows(change);
                    let message =
                        format!("map: {shown} does not contain declared merge key: {key}");
                    return Err(status::plain(500, "", message));
                };
                if directive(change) == Some("delete") {
                    items.retain(|item| item.get(key) != Some(id));
                    continue;
                }
                match items.iter_mut().find(|item| item.get(key) == Some(id)) {
                    Some(item) => merge(item, fields, path)?,
                    None => {
                        let mut item = Value::Null;
                        merge(&mut item, fields, path)?;
                        items.push(item);
                    }
                }
            }
        }
    }
    Ok(())
}

fn delete_from(object: &mut Map<String, Value>, list: &str, gone: &Value) {
    if let (Some(Value::Array(items)), Value::Array(gone)) = (object.get_mut(list), gone) {
        items.retain(|item| !gone.contains(item));
    }
}

/// Puts the items that a patch names into its order. The others stand among them before the first
/// one that they stood before in the list as it was.
fn arrange(items: &mut Vec<Value>, before: &[Value], order: &[Value], kind: &ListKind) {
    let place = |list: &[Value], item: &Value| {
        list.iter().position(|other| match kind {
            ListKind::Map(keys) => keys.iter().all(|key| item.get(key) == other.get(key)),
            _ => item == other,
        })
    };
    if *kind == ListKind::Atomic {
        return;
    }
    let (mut named, others): (Vec<Value>, Vec<Value>) =
        items.drain(..).partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    let mut others = others.into_iter().peekable();
    for item in named {
        let after = |other: &Value| match (place(before, other), place(before, &item)) {
            (Some(other), Some(item)) => other < item,
            _ => false,
        };
        while let Some(other) = others.next_if(after) {
            items.push(other);
        }
        items.push(item);
    }
    items.extend(others);
}

fn without_directives(patch: &Map<String, Value>) -> Map<String, Value> {
    let fields = patch.iter().filter(|(name, _)| !name.starts_with('$'));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(object: Value, patch: Value, expected: Value) {
        let mut object = object;
        strategic_merge(&mut object, &patch).unwrap();
        assert_eq!(object, expected);
    }

    #[test]
    fn containers_and_their_environment_merge_by_name() {
        check(
            json!({"spec": {"containers": [
                {"name": "a", "image": "x", "env": [{"name": "ONE", "value": "1"}], "args": ["old"]},
                {"name": "b", "image": "y"}]}}),
            json!({"spec": {"containers": [
                {"name": "a", "env": [{"name": "TWO", "value": "2"}], "args": ["new"]},
                {"name": "b", "$patch": "delete"},
                {"name": "c", "image": "z"}]}}),
            json!({"spec": {"containers": [
                {"name": "a", "image": "x", "env": [{"name": "TWO", "value": "2"}, {"name": "ONE", "value": "1"}], "args": ["new"]},
                {"name": "c", "image": "z"}]}}),
        );
    }

    #[test]
    fn other_lists_and_replaced_objects_are_taken_whole() {
        check(
            json!({"spec": {"tolerations": [{"key": "a"}], "nodeSelector": {"x": "1"}, "containers": [{"name": "a"}]}}),
            json!({"spec": {"tolerations": [{"key": "b"}], "nodeSelector": {"$patch": "replace", "y": "2"},
                "containers": [{"$patch": "replace"}, {"name": "new"}]}}),
            json!({"spec": {"tolerations": [{"key": "b"}], "nodeSelector": {"y": "2"}, "containers": [{"name": "new"}]}}),
        );
    }

    #[test]
    fn sets_of_scalars_grow_shrink_and_keep_an_order() {
        check(
            json!({"metadata": {"finalizers": ["a", "b"], "labels": {"x": "1"}}}),
            json!({"metadata": {"finalizers": ["c"], "$deleteFromPrimitiveList/finalizers": ["a"],
                "$setElementOrder/finalizers": ["c", "b"], "labels": {"x": null, "y": "2"}}}),
            json!({"metadata": {"finalizers": ["c", "b"], "labels": {"y": "2"}}}),
        );
    }

    #[test]
    fn an_item_without_its_key_is_refused() {
        let error =
            strategic_merge(&mut json!({}), &json!({"spec": {"volumes": [{"emptyDir": {}}]}}));
        let error = error.unwrap_err();
        assert_eq!(error.code, 500);
        assert!(error.message.contains("merge key: name"), "{}", error.message);
    }
}
