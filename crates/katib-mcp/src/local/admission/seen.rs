//! What the real Katib answered to experiments and Pods, and that this admission answers the same.

mod experiments;
mod pods;

use futures::FutureExt as _;
use json_patch::Patch as Steps;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    core::{ApiResource, DynamicObject, GroupVersionKind},
};
use kubeflow_mcp_core::{Local, ToolSet, testing::Cluster};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::local::LOCAL;

/// Has Katib's label.
const LABELLED: &str = "labelled";
/// Lacks it.
const PLAIN: &str = "plain";

/// Admission alone: nothing acts on what is created.
static ADMITTING: ToolSet = ToolSet {
    name: "katib",
    about: "",
    guide: "",
    tools: &[],
    local: Some(Local { run: |_| futures::future::pending().boxed(), ..LOCAL }),
};

/// What was answered: what had to be changed of the object, or the `Status`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Accepted(Steps),
    Refused(Refusal),
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Refusal {
    code: u16,
    #[serde(default)]
    reason: String,
    message: String,
}

impl Refusal {
    fn of(error: kube::Error) -> Self {
        let kube::Error::Api(status) = error else { panic!("no answer of an API: {error}") };
        Self { code: status.code, reason: status.reason, message: status.message }
    }
}

/// A cluster with both Namespaces.
async fn cluster() -> Cluster {
    let cluster = Cluster::new(&[&ADMITTING]).await;
    for (name, label) in [(LABELLED, json!("enabled")), (PLAIN, Value::Null)] {
        let namespaces = api(&cluster.client(), "", "v1", "Namespace", None);
        create(&namespaces, &json!({ "metadata": { "name": name } })).await.expect("a namespace");
        let labels = json!({ "katib.kubeflow.org/metrics-collector-injection": label });
        let change = Patch::Merge(json!({ "metadata": { "labels": labels } }));
        namespaces.patch(name, &PatchParams::default(), &change).await.expect("its label");
    }
    cluster
}

fn api(
    client: &Client,
    group: &str,
    version: &str,
    kind: &str,
    namespace: Option<&str>,
) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

async fn create(api: &Api<DynamicObject>, object: &Value) -> kube::Result<Value> {
    created(api, object, &PostParams::default()).await
}

async fn created(
    api: &Api<DynamicObject>,
    object: &Value,
    params: &PostParams,
) -> kube::Result<Value> {
    let object = serde_json::from_value(object.clone()).expect("an object of ours");
    let stored = api.create(params, &object).await?;
    Ok(serde_json::to_value(stored).expect("an object is JSON"))
}

fn changed(object: &Value, steps: &Steps) -> Value {
    let mut object = object.clone();
    json_patch::patch(&mut object, steps).unwrap_or_else(|error| panic!("{error}: {steps}"));
    object
}

/// Tells in what the answers differ from those that were seen.
struct Verdicts(Vec<String>);

impl Verdicts {
    fn compare(
        &mut self,
        name: &str,
        expected: Result<&Value, &Refusal>,
        got: Result<&Value, &Refusal>,
    ) {
        let text = match (expected, got) {
            (Ok(expected), Ok(got)) if expected == got => return,
            (Err(expected), Err(got)) if expected == got => return,
            (Ok(expected), Ok(got)) => json_patch::diff(expected, got).to_string(),
            (expected, got) => format!("expected {}\n     got {}", line(expected), line(got)),
        };
        self.0.push(format!("{name}:\n  {text}"));
    }

    fn settle(self, cases: usize) {
        let wrong = self.0.len();
        assert!(self.0.is_empty(), "{wrong} of {cases} differ\n{}", self.0.join("\n"));
    }
}

fn line(answer: Result<&Value, &Refusal>) -> String {
    match answer {
        Ok(_) => "it accepted".to_owned(),
        Err(Refusal { code, reason, message }) => format!("{code} {reason} {message}"),
    }
}
