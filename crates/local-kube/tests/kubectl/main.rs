//! The API as kubectl uses it. `KUBECTL` names the program to run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::PathBuf, process::Stdio};

use local_kube::{LocalKube, Options, http::Listener};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

/// A served cluster with its controllers, and kubectl on it.
struct Shell {
    dir: tempfile::TempDir,
    _listener: Listener,
    controllers: tokio::task::JoinHandle<()>,
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.controllers.abort();
    }
}

impl Shell {
    async fn new() -> Self {
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced",
                "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "shortNames": ["wd"]},
                "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                    "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                        "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
                        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}});
        let crds = vec![serde_json::from_value(crd).unwrap()];
        let kube = LocalKube::open(Options { crds, ..Options::default() }).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let listener = kube.listen(dir.path()).await.unwrap();
        std::fs::write(dir.path().join("kubeconfig"), &listener.kubeconfig).unwrap();
        let controllers = tokio::spawn(async move { kube.run().await });
        Self { dir, _listener: listener, controllers }
    }

    /// Runs kubectl with these words and this input; whether it succeeded, and all it said.
    async fn run(&self, words: &str, input: &Value) -> (bool, String) {
        let program = std::env::var_os("KUBECTL").expect("KUBECTL names the kubectl to test with");
        let mut kubectl = tokio::process::Command::new(PathBuf::from(program));
        kubectl.args(words.split(' ')).env("HOME", self.dir.path());
        kubectl.env("KUBECONFIG", self.dir.path().join("kubeconfig"));
        kubectl
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut kubectl = kubectl.spawn().unwrap();
        let mut stdin = kubectl.stdin.take().unwrap();
        // Commands that read nothing may have closed their input already.
        let _ = stdin.write_all(input.to_string().as_bytes()).await;
        drop(stdin);
        let limit = std::time::Duration::from_secs(60);
        let output =
            tokio::time::timeout(limit, kubectl.wait_with_output()).await.unwrap().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    async fn says(&self, words: &str, input: Value, expected: &[&str]) {
        let (good, said) = self.run(words, &input).await;
        assert!(good, "kubectl {words}: {said}");
        for part in expected {
            assert!(said.contains(part), "kubectl {words}: no {part:?} in {said}");
        }
    }

    async fn refuses(&self, words: &str, input: Value, expected: &str) {
        let (good, said) = self.run(words, &input).await;
        assert!(!good && said.contains(expected), "kubectl {words}: {said}");
    }
}

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
