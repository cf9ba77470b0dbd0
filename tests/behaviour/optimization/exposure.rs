//! Katib's tools come and go with its kinds, and nobody else's do.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use kubeflow_mcp_core::{Persona, Policy, ToolSet, local::LocalCluster};
use kubeflow_mcp_tests::{agent::Agent, waiting::until};
use serde_json::{Value, json};

/// A cluster of the test's own: on one that others share, all their experiments would go with the
/// kind.
struct Own {
    cluster: LocalCluster,
    agent: Agent,
}

impl Own {
    async fn new() -> Self {
        let cluster = LocalCluster::in_memory(&ToolSet::linked()).expect("a cluster in memory");
        let agent = Agent::new(cluster.client(), Policy::of(Persona::PlatformAdmin)).await;
        Self { cluster, agent }
    }

    fn kinds(&self) -> Api<CustomResourceDefinition> {
        Api::all(self.cluster.client())
    }

    /// The tools of a set that are offered, and how many others are.
    async fn offered(&self, set: &str) -> (usize, usize) {
        let sets = ToolSet::linked();
        let set = sets.iter().find(|it| it.name == set).expect("a linked set");
        let names: Vec<_> = set.tools().map(|it| it.name).collect();
        let offered = self.agent.tools().await;
        let (own, others): (Vec<_>, Vec<_>) =
            offered.iter().partition(|it| names.contains(&it.as_str()));
        (own.len(), others.len())
    }
}

#[tokio::test]
async fn without_experiments_there_are_no_tools_for_them() {
    let own = Own::new().await;
    let all = own.offered("katib").await;
    assert!(all.0 >= 11 && all.1 >= 20, "{all:?}");
    let name = "experiments.kubeflow.org";
    let mut kind = own.kinds().get(name).await.expect("installed");
    own.kinds().delete(name, &DeleteParams::default()).await.expect("removed");
    until("the others alone", async || {
        let offered = own.offered("katib").await;
        if offered == (0, all.1) { Ok(()) } else { Err(format!("{offered:?} of {all:?}")) }
    })
    .await;

    kind.metadata.resource_version = None;
    kind.metadata.uid = None;
    own.kinds().create(&PostParams::default(), &kind).await.expect("installed again");
    until("all of them", async || {
        let offered = own.offered("katib").await;
        if offered == all { Ok(()) } else { Err(format!("{offered:?} of {all:?}")) }
    })
    .await;
    let listed = own.agent.call("list_optimization_jobs", json!({})).await;
    assert_eq!(listed["jobs"], json!([]), "{listed}");
}

#[tokio::test]
async fn katibs_successor_is_recognised() {
    let own = Own::new().await;
    let before = own.agent.call("list_optimization_jobs", json!({})).await;
    assert_eq!(before["note"], Value::Null, "{before}");
    let schema = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let kind = json!({
        "metadata": { "name": "optimizationjobs.trainer.kubeflow.org" },
        "spec": {
            "group": "trainer.kubeflow.org", "scope": "Namespaced",
            "names": {
                "kind": "OptimizationJob", "plural": "optimizationjobs",
                "singular": "optimizationjob", "listKind": "OptimizationJobList",
            },
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": schema },
            }],
        },
    });
    let kind = serde_json::from_value(kind).expect("a definition");
    own.kinds().create(&PostParams::default(), &kind).await.expect("installed");
    until("a word about it", async || {
        let listed = own.agent.call("list_optimization_jobs", json!({})).await;
        let told = listed["note"].as_str().is_some_and(|it| it.contains("OptimizationJobs"));
        if told { Ok(()) } else { Err(listed.to_string()) }
    })
    .await;
}
