//! Who may do what with experiments: the roles that Katib adds to those of a Kubeflow platform.

use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::PostParams;
use kubeflow_mcp_core::{Persona, Policy};
use kubeflow_mcp_tests::namespace::Namespace;
use serde_json::json;

use super::namespace;

async fn bind(namespace: &Namespace, user: &str, role: &str) {
    let binding = json!({
        "metadata": { "name": user },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role },
        "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user }],
    });
    let binding: RoleBinding = serde_json::from_value(binding).unwrap();
    namespace.api().create(&PostParams::default(), &binding).await.unwrap();
}

#[tokio::test]
async fn a_viewer_reads_and_an_editor_searches() {
    let namespace = namespace().await;
    bind(&namespace, "vera", "kubeflow-view").await;
    bind(&namespace, "edda", "kubeflow-edit").await;
    let of = async |user: &str, persona: Persona| {
        let agent = namespace.agent(user, &[], Policy::of(persona)).await;
        let tools = agent.tools().await;
        let about =
            |it: &&String| it.contains("optimiz") || it.contains("trial") || it.contains("best");
        tools.iter().filter(about).cloned().collect::<Vec<_>>().join(" ")
    };
    let viewer = of("vera", Persona::DataScientist).await;
    let editor = of("edda", Persona::DataScientist).await;
    let nobody = of("nemo", Persona::DataScientist).await;
    assert!(viewer.contains("get_best_results") && !viewer.contains("delete_"), "{viewer}");
    assert!(
        editor.contains("get_best_results") && editor.contains("delete_optimization_job"),
        "{editor}"
    );
    assert_eq!(nobody, "");
}
