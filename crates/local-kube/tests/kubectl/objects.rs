//! Objects that are listed, written and deleted, and who may do so.

use serde_json::{Value, json};

use crate::shell::Shell;

fn widget(size: i64) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": size}})
}

fn config(value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": value}})
}

#[tokio::test]
async fn objects_are_listed_shown_and_described() {
    let shell = Shell::new().await;
    shell.says("api-resources", Value::Null, &["widgets", "wd", "jobs", "example.com/v1"]).await;
    shell.says("create -f -", widget(3), &["widget.example.com/w created"]).await;
    shell.says("get widgets", Value::Null, &["NAME", "SIZE", "w "]).await;
    shell.says("get wd w -o name", Value::Null, &["widget.example.com/w"]).await;
    shell.says("get wd w -o wide", Value::Null, &["SIZE"]).await;
    shell.says("get wd w -o yaml", Value::Null, &["size: 3"]).await;
    shell.says("get wd w -o jsonpath={.spec.size}", Value::Null, &["3"]).await;
    shell.says("describe widget w", Value::Null, &["Name:", "Size:"]).await;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "p-", "labels": {"app": "p"}},
        "spec": {"containers": [{"name": "main", "image": "x"}]}});
    shell.says("create -f -", pod, &["pod/p-"]).await;
    shell.says("get pods -l app=p", Value::Null, &["READY", "STATUS", "Pending"]).await;
    shell.says("describe pods -l app=p", Value::Null, &["Containers:", "Image:"]).await;
    shell.says("get all", Value::Null, &["pod/p-"]).await;
}

#[tokio::test]
async fn unknown_fields_are_refused_before_anything_is_made() {
    let shell = Shell::new().await;
    let mut wrong = widget(3);
    wrong["spec"]["colour"] = "red".into();
    shell.refuses("create -f -", wrong, r#"unknown field "spec.colour""#).await;
    shell.refuses("get wd w", Value::Null, "not found").await;
}

#[tokio::test]
async fn objects_are_applied_on_both_sides() {
    let shell = Shell::new().await;
    shell.says("apply -f -", config("1"), &["created"]).await;
    shell.says("apply -f -", config("1"), &["unchanged"]).await;
    shell.says("apply -f -", config("2"), &["configured"]).await;
    shell
        .says("apply --server-side --field-manager=one -f -", widget(1), &["serverside-applied"])
        .await;
    let other = "apply --server-side --field-manager=two -f -";
    shell.refuses(other, widget(2), r#"conflict with "one": .spec.size"#).await;
    let forced = "apply --server-side --force-conflicts --field-manager=two -f -";
    shell.says(forced, widget(2), &["serverside-applied"]).await;
    shell.says("get wd w -o jsonpath={.spec.size}", Value::Null, &["2"]).await;
}

#[tokio::test]
async fn objects_are_patched_labelled_awaited_and_deleted() {
    let shell = Shell::new().await;
    shell.says("create -f -", config("1"), &["created"]).await;
    shell.says(r#"patch cm c -p {"data":{"a":"1"}}"#, Value::Null, &["patched"]).await;
    shell.says(r#"patch cm c --type=merge -p {"data":{"b":"2"}}"#, Value::Null, &["patched"]).await;
    let operations = r#"patch cm c --type=json -p [{"op":"remove","path":"/data/k"}]"#;
    shell.says(operations, Value::Null, &["patched"]).await;
    shell.says("get cm c -o jsonpath={.data}", Value::Null, &[r#"{"a":"1","b":"2"}"#]).await;
    shell.says("label cm c team=x", Value::Null, &["labeled"]).await;
    shell.says("annotate cm c note=y", Value::Null, &["annotated"]).await;
    shell
        .says("wait --for=jsonpath={.data.a}=1 cm/c --timeout=20s", Value::Null, &["condition met"])
        .await;
    shell.says("delete cm c --wait", Value::Null, &["deleted"]).await;
    shell.refuses("get cm c", Value::Null, "NotFound").await;
}

#[tokio::test]
async fn kubectl_asks_who_may_do_what() {
    let shell = Shell::new().await;
    shell.says("auth whoami", Value::Null, &["kubernetes-admin"]).await;
    shell.says("auth can-i delete pods", Value::Null, &["yes"]).await;
    shell.refuses("auth can-i delete pods --as=ann", Value::Null, "no").await;
    shell
        .refuses("get pods --as=ann", Value::Null, r#"User "ann" cannot list resource "pods""#)
        .await;
    shell
        .says("create rolebinding v --clusterrole=view --user=ann", Value::Null, &["created"])
        .await;
    shell.says("auth can-i list pods --as=ann", Value::Null, &["yes"]).await;
}
