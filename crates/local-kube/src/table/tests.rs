//! Rows as kubectl prints them.

use serde_json::{Value, json};

use super::{Include, table};
use crate::kinds::Kinds;

fn rows(kind: (&str, &str), definitions: &[Value], objects: &[Value]) -> Vec<Vec<Value>> {
    let kinds = Kinds::serving(definitions);
    let (api_version, kind) = kind;
    let kind = kinds.of_object(api_version, kind).unwrap();
    let table = table(kind, &json!({}), objects.iter(), Include::Nothing);
    let names = |field: &str| table[field].as_array().cloned().unwrap_or_default();
    let header = names("columnDefinitions").into_iter().map(|it| it["name"].clone()).collect();
    let cells = names("rows").into_iter().map(|it| it["cells"].as_array().unwrap().clone());
    std::iter::once(header).chain(cells).collect()
}

#[test]
fn a_pod_shows_the_reason_of_its_container() {
    let pod = |state: Value| {
        json!({"metadata": {"name": "p", "creationTimestamp": jiff::Timestamp::now().to_string()},
            "spec": {"containers": [{}], "nodeName": "n"},
            "status": {"phase": "Running", "containerStatuses": [{"restartCount": 2, "ready": false, "state": state}]}})
    };
    let pods = [
        pod(json!({"waiting": {"reason": "CrashLoopBackOff"}})),
        pod(json!({"terminated": {"exitCode": 3}})),
        pod(json!({"running": {}})),
    ];
    let rows = rows(("v1", "Pod"), &[], &pods);
    let wide = ["IP", "Node", "Nominated Node", "Readiness Gates"];
    assert_eq!(rows[0][..5], ["Name", "Ready", "Status", "Restarts", "Age"]);
    assert_eq!(rows[0][5..], wide);
    let states: Vec<&Value> = rows[1..].iter().map(|row| &row[2]).collect();
    assert_eq!(states, ["CrashLoopBackOff", "ExitCode:3", "Running"]);
    assert_eq!((&rows[1][1], &rows[1][3], &rows[1][6]), (&json!("0/1"), &json!("2"), &json!("n")));
}

#[test]
fn a_custom_resource_shows_its_printer_columns() {
    let definition = json!({"spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets"},
        "versions": [{"name": "v1", "served": true, "storage": true, "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "State", "type": "string", "jsonPath": ".status.state"}]}]}});
    let widget = json!({"metadata": {"name": "w"}, "spec": {"size": 3}});
    let rows = rows(("example.com/v1", "Widget"), &[definition], &[widget]);
    assert_eq!(rows[0], ["Name", "Size", "State"]);
    assert_eq!(rows[1], [json!("w"), json!(3), Value::Null]);
}
