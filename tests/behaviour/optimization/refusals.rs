//! What Katib's webhook refuses, and what the tools say of it before.

use expect_test::expect;
use serde_json::{Value, json};

use super::{experiment, label, made, namespace};
use crate::training;

#[tokio::test]
async fn experiments_are_refused_in_katibs_words() {
    let namespace = namespace().await;
    let refused = async |changes: Value| {
        let error = made(&namespace, experiment("search", "echo", &changes)).await.unwrap_err();
        let kube::Error::Api(status) = error else { panic!("{error}") };
        format!("{} {}\n", status.code, status.message)
    };
    let told = [
        refused(json!({ "maxTrialCount": 1 })).await,
        refused(json!({ "algorithm": { "algorithmName": "annealing" } })).await,
        refused(json!({ "parameters": [{ "name": "x", "parameterType": "double" }] })).await,
        refused(json!({ "maxTrialCount": "2" })).await,
    ];
    expect![[r#"
        400 admission webhook "validator.experiment.katib.kubeflow.org" denied the request: spec.parallelTrialCount: Invalid value: 2: should be less than or equal to spec.maxTrialCount
        400 admission webhook "validator.experiment.katib.kubeflow.org" denied the request: spec.algorithm.algorithmName: Invalid value: "annealing": unable to get Suggestion config data for algorithm annealing: failed to find suggestion config for algorithm: annealing in ConfigMap: katib-config
        400 admission webhook "validator.experiment.katib.kubeflow.org" denied the request: spec.parameters[0].feasibleSpace.max: Required value: feasibleSpace.max or feasibleSpace.min must be specified for parameterType: double
        400 admission webhook "defaulter.experiment.katib.kubeflow.org" denied the request: json: cannot unmarshal string into Go struct field ExperimentSpec.spec.maxTrialCount of type int32
    "#]]
    .assert_eq(&told.concat());
}

#[tokio::test]
async fn the_preview_says_what_the_namespace_lacks() {
    let namespace = namespace().await;
    training::once(&namespace).await;
    label(&namespace, Value::Null).await;
    let call = json!({
        "runtime": "once", "script": "print('loss=1')", "objective_metric_name": "loss",
        "parameters": { "x": { "min": 0.0, "max": 1.0 } },
    });
    let refused = namespace.call("optimize", call).await;
    let text = refused.to_string();
    assert!(!refused["code"].is_null(), "{refused}");
    assert!(text.contains("katib.kubeflow.org/metrics-collector-injection"), "{refused}");
}
