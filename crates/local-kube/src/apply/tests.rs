//! Several managers on one object.

use expect_test::expect;
use serde_json::{Value, json};

use super::*;
use crate::schema::Schema;

fn by(name: &str, applies: bool) -> Manager<'_> {
    Manager { name, api_version: "v1", subresource: "", applies }
}

/// Applies to a built-in kind.
fn applied(live: &Value, configuration: Value, manager: &str, force: bool) -> Result<Value> {
    apply(live, &configuration, &by(manager, true), force, Shape::BuiltIn, "2030-01-01T00:00:00Z")
}

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
}

/// The object without its record, and the record as `manager operation fields`.
fn seen(object: &Value) -> (Value, String) {
    let mut object = object.clone();
    let record = object["metadata"].as_object_mut().unwrap().remove("managedFields");
    let entries = record.as_ref().and_then(Value::as_array).into_iter().flatten();
    let lines = entries.map(|entry| {
        format!(
            "{} {} {}\n",
            entry["manager"].as_str().unwrap(),
            entry["operation"].as_str().unwrap(),
            entry["fieldsV1"]
        )
    });
    (object, lines.collect())
}

#[test]
fn creating_by_apply_owns_what_is_applied() {
    let made = applied(
        &Value::Null,
        pod(json!({"containers": [{"name": "a", "image": "x", "ports": [{"containerPort": 80}]}]})),
        "one",
        false,
    )
    .unwrap();
    let (_, record) = seen(&made);
    expect![[r#"
        one Apply {"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}
    "#]].assert_eq(&record);
}

#[test]
fn two_managers_share_a_list_and_each_removes_its_own() {
    let one = applied(
        &Value::Null,
        pod(json!({"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]})),
        "one",
        false,
    )
    .unwrap();
    let two = applied(&one, pod(json!({"containers": [{"name": "b", "image": "y", "args": ["v"]}, {"name": "c", "image": "z"}]})), "two", false).unwrap();
    let three =
        applied(&two, pod(json!({"containers": [{"name": "a", "image": "x"}]})), "one", false)
            .unwrap();
    let (object, record) = seen(&three);
    assert_eq!(
        object["spec"],
        json!({"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y", "args": ["v"]}, {"name": "c", "image": "z"}]})
    );
    expect![[r#"
        one Apply {"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:name":{}}}}}
        two Apply {"f:spec":{"f:containers":{"k:{\"name\":\"b\"}":{".":{},"f:args":{},"f:image":{},"f:name":{}},"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{}}}}}
    "#]].assert_eq(&record);
    let four =
        applied(&three, pod(json!({"containers": [{"name": "c", "image": "z"}]})), "two", false)
            .unwrap();
    assert_eq!(
        four["spec"],
        json!({"containers": [{"name": "a", "image": "x"}, {"name": "c", "image": "z"}]})
    );
}

#[test]
fn another_value_for_another_managers_field_is_a_conflict_unless_forced() {
    let one = applied(
        &Value::Null,
        pod(json!({"nodeName": "n", "containers": [{"name": "a", "image": "x"}]})),
        "one",
        false,
    )
    .unwrap();
    let other = pod(json!({"containers": [{"name": "a", "image": "y"}]}));
    let refused = applied(&one, other.clone(), "two", false).unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
    expect![[
        r#"Apply failed with 1 conflict: conflict with "one": .spec.containers[name="a"].image"#
    ]]
    .assert_eq(&refused.message);
    let causes = refused.details.unwrap().causes;
    assert_eq!(
        (causes[0].reason.as_str(), causes[0].field.as_str()),
        ("FieldManagerConflict", r#".spec.containers[name="a"].image"#)
    );

    let forced = applied(&one, other, "two", true).unwrap();
    let (object, record) = seen(&forced);
    assert_eq!(
        object["spec"],
        json!({"nodeName": "n", "containers": [{"name": "a", "image": "y"}]})
    );
    expect![[r#"
        one Apply {"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:name":{}}},"f:nodeName":{}}}
        two Apply {"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:name":{}}}}}
    "#]].assert_eq(&record);
}

#[test]
fn an_update_takes_over_what_it_changes() {
    let one = applied(
        &Value::Null,
        json!({"metadata": {"name": "c", "labels": {"l": "1"}}, "data": {"a": "1", "b": "2"}}),
        "one",
        false,
    )
    .unwrap();
    let mut two = one.clone();
    two["data"] = json!({"a": "9", "c": "3"});
    record(&one, &mut two, &by("editor", false), Shape::BuiltIn, "2030-01-02T00:00:00Z");
    let (_, record_of_two) = seen(&two);
    expect![[r#"
        one Apply {"f:metadata":{"f:labels":{"f:l":{}}}}
        editor Update {"f:data":{"f:a":{},"f:c":{}}}
    "#]]
    .assert_eq(&record_of_two);
    let refused = applied(
        &two,
        json!({"metadata": {"name": "c"}, "data": {"a": "1", "c": "1"}}),
        "one",
        false,
    )
    .unwrap_err();
    expect![[r#"
        Apply failed with 2 conflicts: conflicts with "editor" using v1:
        - .data.a
        - .data.c"#]]
    .assert_eq(&refused.message);
}

#[test]
fn applying_the_same_again_changes_nothing() {
    let configuration = json!({"metadata": {"name": "c", "finalizers": ["f"]}, "data": {"a": "1"}});
    let one = applied(&Value::Null, configuration.clone(), "one", false).unwrap();
    let later = apply(
        &one,
        &configuration,
        &by("one", true),
        false,
        Shape::BuiltIn,
        "2031-01-01T00:00:00Z",
    )
    .unwrap();
    assert_eq!(later, one);
    let less = applied(&one, json!({"metadata": {"name": "c"}}), "one", false).unwrap();
    assert_eq!(less, json!({"metadata": {"name": "c"}}));
}

#[test]
fn the_schema_says_how_a_custom_resource_merges() {
    let schema: Schema = serde_json::from_value(json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "steps": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "n": {"type": "integer"}}}},
        "args": {"type": "array", "items": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
    }}}})).unwrap();
    let shape = Shape::Custom(Some(&schema));
    let run = |live: &Value, spec: Value, name: &str| {
        let configuration = json!({"metadata": {"name": "x"}, "spec": spec});
        apply(live, &configuration, &by(name, true), false, shape, "2030-01-01T00:00:00Z")
    };
    let one = run(&Value::Null, json!({"steps": [{"name": "a", "n": 1}], "args": ["x"], "free": {"p": {"q": 1}}, "whole": {"k": "v"}}), "one").unwrap();
    let two =
        run(&one, json!({"steps": [{"name": "b", "n": 2}], "free": {"p": {"r": [1]}}}), "two")
            .unwrap();
    let (object, record) = seen(&two);
    assert_eq!(
        object["spec"],
        json!({"steps": [{"name": "a", "n": 1}, {"name": "b", "n": 2}], "args": ["x"],
        "free": {"p": {"q": 1, "r": [1]}}, "whole": {"k": "v"}})
    );
    expect![[r#"
        one Apply {"f:spec":{"f:args":{},"f:free":{"f:p":{".":{},"f:q":{}}},"f:steps":{"k:{\"name\":\"a\"}":{".":{},"f:n":{},"f:name":{}}},"f:whole":{}}}
        two Apply {"f:spec":{"f:free":{"f:p":{".":{},"f:r":{}}},"f:steps":{"k:{\"name\":\"b\"}":{".":{},"f:n":{},"f:name":{}}}}}
    "#]].assert_eq(&record);
    let refused = run(&two, json!({"args": ["y"]}), "two").unwrap_err();
    expect![[r#"Apply failed with 1 conflict: conflict with "one": .spec.args"#]]
        .assert_eq(&refused.message);
    let refused = run(&two, json!({"steps": [{"n": 1}]}), "two").unwrap_err();
    assert_eq!(refused.code, 500);
    let refused = run(&two, json!({"steps": [{"name": "a"}, {"name": "a"}]}), "two").unwrap_err();
    assert!(
        refused.message.ends_with(r#".spec.steps: duplicate entries for key [name="a"]"#),
        "{}",
        refused.message
    );
}
