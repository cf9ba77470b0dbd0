//! Objects are created, read, and not found.

use expect_test::expect;
use kubeflow_mcp_tests::cluster::Cluster;

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let answer = namespace.ask("GET /api/v1/namespaces/NAMESPACE/pods/x", &[], "").await;
    expect![[r#"404 {"apiVersion":"v1","code":404,"details":{"kind":"pods","name":"x"},"kind":"Status","message":"pods \"x\" not found","metadata":{},"reason":"NotFound","status":"Failure"}"#]].assert_eq(&format!("{} {}", answer.code, answer.json()));
}
