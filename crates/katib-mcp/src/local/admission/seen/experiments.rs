//! Experiments: what is created, with which defaults, and which changes are let through.

use std::collections::BTreeMap;

use expect_test::expect;
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, LABELLED, Refusal, Steps, Verdicts, api, changed, cluster, created};

#[derive(Deserialize)]
struct Seen {
    objects: BTreeMap<String, Value>,
    statuses: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    object: String,
    namespace: Option<String>,
    #[serde(default)]
    change: Steps,
    status: Option<String>,
    #[serde(default)]
    update: Steps,
    #[serde(flatten)]
    answer: Answer,
}

#[tokio::test]
async fn experiments_are_answered_as_katib_does() {
    let seen: Seen = serde_saphyr::from_str(include_str!("experiments.yaml")).expect("our data");
    let cluster = cluster().await;
    let mut verdicts = Verdicts::default();
    for case in &seen.cases {
        let namespace = case.namespace.as_deref().unwrap_or(LABELLED);
        let kind = ("kubeflow.org", "v1beta1", "Experiment");
        let api = api(&cluster.client(), kind.0, kind.1, kind.2, Some(namespace));
        let sent = changed(&seen.objects[&case.object], &case.change);
        let (sent, got) = match &case.status {
            None => (sent.clone(), asked(&api, &sent).await),
            Some(status) => updated(&api, &sent, &seen.statuses[status], &case.update).await,
        };
        let expected = match &case.answer {
            Answer::Accepted(steps) => Ok(changed(&told(&sent), steps)),
            Answer::Refused(refusal) => Err(refusal),
        };
        verdicts.compare(&case.name, expected.as_ref().map_err(|it| *it), got.as_ref());
        let _ =
            api.delete(sent["metadata"]["name"].as_str().unwrap(), &DeleteParams::default()).await;
    }
    verdicts.settle(
        seen.cases.len(),
        &expect![[r#"
        nothing of what is given is changed
        events of TensorFlow
        metrics that are pushed
        a collector of one's own
        another kind of workload with its conditions"#]],
    );
}

/// The answer to its creation, which a dry run foretells.
async fn asked(api: &Api<DynamicObject>, sent: &Value) -> Result<Value, Refusal> {
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let foretold = answer(created(api, sent, &dry_run).await);
    let got = answer(created(api, sent, &PostParams::default()).await);
    assert_eq!(foretold, got, "{sent}");
    got
}

/// What is sent to change a stored one that stands so, and the answer.
async fn updated(
    api: &Api<DynamicObject>,
    sent: &Value,
    status: &Value,
    steps: &Steps,
) -> (Value, Result<Value, Refusal>) {
    let stored = created(api, sent, &PostParams::default()).await.expect("a good one");
    let name = stored["metadata"]["name"].as_str().expect("it has one");
    let status = Patch::Merge(json!({ "status": status }));
    let stands = api.patch_status(name, &PatchParams::default(), &status).await.expect("a status");
    let stands = serde_json::to_value(stands).expect("an object is JSON");
    let sent = changed(&stands, steps);
    let object: DynamicObject = serde_json::from_value(sent.clone()).expect("an object");
    let got = api.replace(name, &PostParams::default(), &object).await;
    let got = got.map(|it| serde_json::to_value(it).expect("an object is JSON"));
    (sent, answer(got))
}

fn answer(answer: kube::Result<Value>) -> Result<Value, Refusal> {
    answer.map(|it| told(&it)).map_err(Refusal::of)
}

/// Without what differs from cluster to cluster.
fn told(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|key, _| ["name", "labels", "annotations"].contains(&key.as_str()));
    }
    object
}
