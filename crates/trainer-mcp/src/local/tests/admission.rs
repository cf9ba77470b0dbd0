//! What admission refuses, in the words of the real webhooks.

use expect_test::{Expect, expect};
use kube::core::Status;
use serde_json::json;

use super::cluster::{Cluster, two_steps};

fn check_refusal<T: std::fmt::Debug>(result: Result<T, Box<Status>>, expected: Expect) {
    let status = result.unwrap_err();
    expected.assert_eq(&format!("{} {}\n{}", status.code, status.reason, status.message));
}

#[tokio::test]
async fn admission_answers_as_the_real_one() {
    let cluster = Cluster::new();
    check_refusal(
        cluster.create("hello", json!({"runtimeRef": {"name": "nope"}})).await,
        expect![[r#"
            403 Forbidden
            admission webhook "validator.trainjob.trainer.kubeflow.org" denied the request: spec.RuntimeRef: Invalid value: {"name":"nope","apiGroup":"trainer.kubeflow.org","kind":"ClusterTrainingRuntime"}: ClusterTrainingRuntime.trainer.kubeflow.org "nope" not found: specified clusterTrainingRuntime must be created before the TrainJob is created"#]],
    );
    check_refusal(
        cluster.create("hello", json!({"runtimeRef": {"name": "python", "kind": "Runtime"}})).await,
        expect![[r#"
            403 Forbidden
            admission webhook "validator.trainjob.trainer.kubeflow.org" denied the request: unsupported runtime: Runtime.trainer.kubeflow.org"#]],
    );
    check_refusal(
        cluster.create("1hello", json!({})).await,
        expect![[r#"
            422 Invalid
            TrainJob.trainer.kubeflow.org "1hello" is invalid: <nil>: Invalid value: metadata.name must match RFC 1035 DNS label format"#]],
    );
    let created = cluster.create("hello", json!({"trainer": {"image": "a"}})).await.unwrap();
    expect![[r#"{"runtimeRef":{"name":"python","apiGroup":"trainer.kubeflow.org","kind":"ClusterTrainingRuntime"},"trainer":{"image":"a"},"suspend":false,"managedBy":"trainer.kubeflow.org/trainjob-controller"}"#]]
        .assert_eq(&serde_json::to_string(&created.spec).unwrap());
    check_refusal(
        cluster.patch("hello", json!({"spec": {"trainer": {"image": "b"}}})).await,
        expect![[r#"
            422 Invalid
            TrainJob.trainer.kubeflow.org "hello" is invalid: spec.trainer: Invalid value: field is immutable"#]],
    );
    let mut runtime = two_steps();
    runtime["spec"]["template"]["spec"]["replicatedJobs"][1]["replicas"] = json!(2);
    check_refusal(
        cluster.create_runtime(runtime).await,
        expect![[r#"
            403 Forbidden
            admission webhook "validator.clustertrainingruntime.trainer.kubeflow.org" denied the request: spec.template.spec.replicatedJobs[1].replicas: Invalid value: 2: always must be 1"#]],
    );
}
