//! A cluster whose objects a test writes by hand: Katib's kinds are served, and nothing acts on them.

use std::fmt::Debug;

use futures::FutureExt as _;
use kube::{
    Api, Resource,
    api::{Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
};
use kubeflow_mcp_core::{Local, ToolSet, testing::Cluster};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    api::{EXPERIMENT_LABEL, Experiment, Suggestion, Trial},
    local::LOCAL,
};

static BY_HAND: ToolSet = ToolSet {
    name: "katib",
    about: "",
    guide: "",
    tools: &[],
    local: Some(Local {
        crds: LOCAL.crds,
        objects: LOCAL.objects,
        admit: |_, _| async { Ok(()) }.boxed(),
        run: |_| futures::future::pending().boxed(),
    }),
};

pub(crate) struct ByHand {
    /// Tools are called through it.
    pub(crate) cluster: Cluster,
}

impl ByHand {
    pub(crate) async fn new() -> Self {
        Self { cluster: Cluster::new(&[&BY_HAND]).await }
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.cluster.client(), "default")
    }

    /// An experiment in this status.
    pub(crate) async fn experiment(&self, name: &str, spec: Value, status: Value) -> Experiment {
        let metadata = json!({"name": name});
        self.create(json!({"metadata": metadata, "spec": spec, "status": status})).await
    }

    pub(crate) async fn suggestion(&self, name: &str, spec: Value, status: Value) -> Suggestion {
        let metadata = json!({"name": name});
        self.create(json!({"metadata": metadata, "spec": spec, "status": status})).await
    }

    /// A trial of an experiment, in this status.
    pub(crate) async fn trial(
        &self,
        experiment: &str,
        name: &str,
        spec: Value,
        status: Value,
    ) -> Trial {
        let labels = json!({EXPERIMENT_LABEL: experiment});
        let metadata = json!({"name": name, "labels": labels});
        self.create(json!({"metadata": metadata, "spec": spec, "status": status})).await
    }

    /// Any object with its status; kind and version are known from the type.
    pub(crate) async fn create<K>(&self, mut object: Value) -> K
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Serialize,
    {
        object["apiVersion"] = json!(K::api_version(&()));
        object["kind"] = json!(K::kind(&()));
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let status = json!({"status": object["status"].take()});
        let object: K = serde_json::from_value(object).expect("an object");
        let created = self.api::<K>().create(&PostParams::default(), &object).await;
        let created = created.expect("created");
        if status["status"].is_null() {
            return created;
        }
        self.status(&name, status).await
    }

    pub(crate) async fn status<K>(&self, name: &str, status: Value) -> K
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let patch = Patch::Merge(status);
        let api = self.api::<K>();
        api.patch_status(name, &PatchParams::default(), &patch).await.expect("patched")
    }
}

#[tokio::test]
async fn objects_are_kept_as_they_are_written() {
    let cluster = ByHand::new().await;
    let goal = json!({"objective": {"type": "minimize", "goal": 0.5}});
    cluster.experiment("search", goal, json!({"trials": 1, "completionTime": null})).await;
    cluster.suggestion("search", json!({"requests": 2}), json!({"suggestionCount": 1})).await;
    cluster.trial("search", "search-b", json!({"retainRun": true}), Value::Null).await;
    let experiment: Experiment = cluster.api().get("search").await.expect("an experiment");
    assert_eq!(experiment.spec.objective.and_then(|it| it.goal), Some(0.5));
    assert_eq!(experiment.status.map(|it| it.trials), Some(1));
    let of_search = kube::api::ListParams::default().labels(&format!("{EXPERIMENT_LABEL}=search"));
    let trials = cluster.api::<Trial>().list(&of_search).await.expect("trials").items;
    assert_eq!(trials[0].spec.retain_run, Some(true));
}
