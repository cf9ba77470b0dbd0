//! What the real Katib answered to experiments and Pods, and that this admission answers the same.

mod experiments;
mod pods;

use expect_test::Expect;
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
    /// Whether both say the same before these words.
    fn is_up_to(&self, other: &Self, words: &str) -> bool {
        let head = |it: &Self| it.message.split(words).next().map(str::to_owned);
        self.code == other.code && self.reason == other.reason && head(self) == head(other)
    }

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

/// Cases in which Katib shows an object as a whole or asks a registry, and the words from which on
/// answers are not compared.
const SHOWN: [(&str, &str); 6] = [
    ("parameters and an architecture", "Invalid value: "),
    ("a field that Jobs lack", ", converted template"),
    ("a field of a Job of the wrong type", "spec.TrialTemplate"),
    ("another Pod without the primary container", "]  ["),
    ("no container of the primary's name", "]  ["),
    ("no command", "denied the request: "),
];

/// Tells in what the answers differ from those that were seen.
#[derive(Default)]
struct Verdicts {
    wrong: Vec<String>,
    /// The cases of what a local cluster does not have.
    lacking: Vec<String>,
}

impl Verdicts {
    fn compare(
        &mut self,
        name: &str,
        expected: Result<&Value, &Refusal>,
        got: Result<&Value, &Refusal>,
    ) {
        if got.is_err_and(|it| it.message.contains("a local cluster ")) {
            self.lacking.push(name.to_owned());
            return;
        }
        let shown = SHOWN.iter().find(|(case, _)| *case == name);
        let text = match (expected, got) {
            (Err(expected), Err(got))
                if shown.is_some_and(|(_, words)| expected.is_up_to(got, words)) =>
            {
                return;
            }
            (Ok(expected), Ok(got)) if expected == got => return,
            (Err(expected), Err(got)) if expected == got => return,
            (Ok(expected), Ok(got)) => json_patch::diff(expected, got).to_string(),
            (expected, got) => format!("expected {}\n     got {}", line(expected), line(got)),
        };
        self.wrong.push(format!("{name}:\n  {text}"));
    }

    fn settle(self, cases: usize, lacking: &Expect) {
        let wrong = self.wrong.len();
        assert!(self.wrong.is_empty(), "{wrong} of {cases} differ\n{}", self.wrong.join("\n"));
        lacking.assert_eq(&self.lacking.join("\n"));
    }
}

fn line(answer: Result<&Value, &Refusal>) -> String {
    match answer {
        Ok(_) => "it accepted".to_owned(),
        Err(Refusal { code, reason, message }) => format!("{code} {reason} {message}"),
    }
}
