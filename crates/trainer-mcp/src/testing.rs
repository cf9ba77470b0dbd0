//! A cluster whose objects a test writes by hand: TrainJobs are served, and nothing acts on them.

use std::fmt::Debug;

use futures::FutureExt as _;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::{
    Api, Resource,
    api::{Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
};
use kubeflow_mcp_core::{
    Caller, Local, Persona, Policy, Progress, Server, ToolSet,
    testing::{Cluster, answering},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use workloads::train_job::TrainJob;

/// The Trainer's tools in a cluster that only knows what a TrainJob is.
static BY_HAND: ToolSet = ToolSet {
    name: "trainer",
    about: "",
    guide: "",
    tools: crate::TOOL_SET.tools,
    local: Some(Local {
        crds: || vec![serde_json::from_value(definition()).expect("a definition")],
        objects: Vec::new,
        admit: |_, _| async { Ok(()) }.boxed(),
        run: |_| futures::future::pending().boxed(),
    }),
};

fn definition() -> Value {
    let open = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"type": "object", "properties": {"spec": open, "status": open}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "trainjobs.trainer.kubeflow.org"},
        "spec": {"group": "trainer.kubeflow.org", "scope": "Namespaced",
            "names": {"kind": "TrainJob", "plural": "trainjobs", "singular": "trainjob",
                "listKind": "TrainJobList"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true,
                "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}}]}})
}

pub(crate) struct ByHand {
    cluster: Cluster,
    server: Server,
}

/// The log of a Pod, by its name and the query of the request: a code and a body.
pub(crate) type Logs = fn(&str, &str) -> (u16, String);

impl ByHand {
    pub(crate) async fn new(logs: Logs) -> Self {
        Self::answering(move |path, query| {
            let pod = path.strip_suffix("/log")?.rsplit('/').next()?;
            Some(logs(pod, query))
        })
        .await
    }

    /// Some requests are answered by the test, by their path and query, and all others as usual.
    pub(crate) async fn answering(
        answer: impl Fn(&str, &str) -> Option<(u16, String)> + Clone + Send + 'static,
    ) -> Self {
        let cluster = Cluster::new(&[&BY_HAND]).await;
        let client = answering(cluster.client(), answer);
        let caller = Caller::new(client, Policy::of(Persona::PlatformAdmin));
        Self { server: Server::new(caller, &[&BY_HAND]), cluster }
    }

    /// What an agent gets.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.call_telling(tool, arguments, Progress::default()).await
    }

    pub(crate) async fn call_telling(
        &self,
        tool: &str,
        arguments: Value,
        progress: Progress,
    ) -> Value {
        let arguments = arguments.as_object().expect("an object").clone();
        let answer = self.server.call(tool, arguments, progress).await;
        answer.map_or_else(|error| error.to_json(), |answer| answer.value)
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.cluster.client(), "default")
    }

    async fn create<K>(&self, object: Value)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Serialize,
    {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let status = json!({"status": object["status"]});
        let object: K = serde_json::from_value(object).expect("an object");
        self.api::<K>().create(&PostParams::default(), &object).await.expect("created");
        if !status["status"].is_null() {
            self.status::<K>(&name, status).await;
        }
    }

    pub(crate) async fn status<K>(&self, name: &str, status: Value)
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let patch = Patch::Merge(status);
        self.api::<K>().patch_status(name, &PatchParams::default(), &patch).await.expect("patched");
    }

    /// A job of so many nodes, in this status.
    pub(crate) async fn job(&self, name: &str, nodes: i32, status: Value) {
        let spec = json!({"runtimeRef": {"name": "torch"}, "trainer": {"numNodes": nodes}});
        self.create::<TrainJob>(json!({"apiVersion": "trainer.kubeflow.org/v1alpha1",
            "kind": "TrainJob", "metadata": {"name": name}, "spec": spec, "status": status}))
            .await;
    }

    /// A Pod of the job, with the state and restarts of its one container.
    pub(crate) async fn pod(&self, job: &str, rank: u32, phase: &str, state: Value, restarts: i32) {
        let labels = json!({"jobset.sigs.k8s.io/jobset-name": job,
            "jobset.sigs.k8s.io/replicatedjob-name": "node",
            "batch.kubernetes.io/job-completion-index": rank.to_string()});
        let container = json!({"name": "node", "image": "localhost/host-python", "imageID": "",
            "ready": phase == "Running", "restartCount": restarts, "state": state});
        self.create::<Pod>(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("{job}-node-0-{rank}-abcde"), "labels": labels},
            // Bound already, so that no scheduler looks at it.
            "spec": {"nodeName": "by-hand", "containers": [{"name": "node", "image": "localhost/host-python"}]},
            "status": {"phase": phase, "containerStatuses": [container]}}))
            .await;
    }

    pub(crate) async fn event(&self, name: &str, kind: &str, object: &str, reason: &str) {
        self.create::<Event>(json!({"apiVersion": "v1", "kind": "Event",
            "metadata": {"name": name, "namespace": "default"}, "type": "Warning",
            "reason": reason, "message": "told by hand",
            "involvedObject": {"kind": kind, "name": object, "namespace": "default"}}))
            .await;
    }
}

/// The status of a job whose `node` Job has so many active and ready, and these conditions.
pub(crate) fn status(active: i32, ready: i32, condition: Option<(&str, &str)>) -> Value {
    let conditions = condition.map(|(kind, reason)| {
        json!([{"type": kind, "status": "True", "reason": reason, "message": "by hand",
            "lastTransitionTime": "2026-08-21T10:00:00Z"}])
    });
    json!({"conditions": conditions.unwrap_or_else(|| json!([])), "jobsStatus": [
        {"name": "node", "active": active, "ready": ready, "succeeded": 0,
         "failed": 0, "suspended": 0}]})
}
