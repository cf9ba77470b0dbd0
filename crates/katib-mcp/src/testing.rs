//! A cluster whose objects a test writes by hand: Katib's kinds are served, and nothing acts on them.

use std::fmt::Debug;

use futures::FutureExt as _;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod},
};
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

use crate::{
    api::{EXPERIMENT_LABEL, Experiment, Suggestion, TRIAL_LABEL, Trial},
    local::LOCAL,
};

static BY_HAND: ToolSet = ToolSet {
    name: "katib",
    about: "",
    guide: "",
    tools: crate::TOOL_SET.tools,
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
    server: Server,
}

impl ByHand {
    pub(crate) async fn new() -> Self {
        Self::answering(|_, _| None).await
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

/// A search for the learning rate with the best accuracy, in at most ten trials.
pub(crate) fn search() -> Value {
    json!({
        "objective": {"type": "maximize", "objectiveMetricName": "accuracy", "goal": 0.99,
            "additionalMetricNames": ["loss"],
            "metricStrategies": [{"name": "accuracy", "value": "max"}, {"name": "loss", "value": "min"}]},
        "algorithm": {"algorithmName": "random"},
        "parameters": [{"name": "lr", "parameterType": "double",
            "feasibleSpace": {"min": "0.001", "max": "1", "distribution": "logUniform"}}],
        "parallelTrialCount": 2, "maxTrialCount": 10, "maxFailedTrialCount": 3,
        "trialTemplate": {"trialSpec": {"apiVersion": "batch/v1", "kind": "Job"},
            "trialParameters": [{"name": "lr", "reference": "lr"}],
            "primaryContainerName": "main", "retain": true},
    })
}

pub(crate) fn condition(type_: &str) -> Value {
    json!({"type": type_, "status": "True", "reason": format!("By{type_}"), "message": "by hand",
        "lastTransitionTime": "2026-08-21T10:00:00Z", "lastUpdateTime": "2026-08-21T10:00:00Z"})
}

/// A metric that was printed once.
pub(crate) fn metric(name: &str, value: &str) -> Value {
    json!({"name": name, "min": value, "max": value, "latest": value})
}

/// What Katib writes into a trial of `search`.
pub(crate) fn trial_spec(lr: &str) -> Value {
    json!({"objective": search()["objective"], "parameterAssignments": [{"name": "lr", "value": lr}],
        "runSpec": {"apiVersion": "batch/v1", "kind": "Job"}, "primaryContainerName": "main",
        "retainRun": true, "metricsCollector": {"collector": {"kind": "StdOut"}}})
}

impl ByHand {
    /// A trial that has ended well, with this accuracy.
    pub(crate) async fn succeeded(&self, experiment: &str, name: &str, lr: &str, accuracy: &str) {
        let status = json!({"conditions": [condition("Created"), condition("Succeeded")],
            "observation": {"metrics": [metric("accuracy", accuracy), metric("loss", "0.5")]}});
        self.trial(experiment, name, trial_spec(lr), status).await;
    }

    /// The Pod of a trial, with the collector that Katib puts into it, in this status.
    pub(crate) async fn pod(&self, trial: &str, status: Value) {
        let experiment = trial.rsplit_once('-').map(|(it, _)| it);
        let labels = json!({EXPERIMENT_LABEL: experiment, TRIAL_LABEL: trial, "batch.kubernetes.io/job-name": trial});
        let container = |name| json!({"name": name, "image": "localhost/host-python"});
        let containers = [container("main"), container("metrics-logger-and-collector")];
        let object = json!({"metadata": {"name": format!("{trial}-abcde"), "labels": labels},
            // Bound already, so that no scheduler looks at it.
            "spec": {"nodeName": "by-hand", "containers": containers}, "status": status});
        self.create::<Pod>(object).await;
    }

    /// The Job of a trial that has failed, and its Pod.
    pub(crate) async fn failed_job(&self, trial: &str) {
        let container = json!({"name": "main", "image": "localhost/host-python"});
        let template = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
        let job: Job = self
            .create(json!({"metadata": {"name": trial}, "spec": {"backoffLimit": 0, "template": template},
                "status": {"failed": 1, "startTime": "2026-08-21T10:00:00Z"}}))
            .await;
        let state = json!({"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-08-21T10:00:01Z"}});
        let status = |name| {
            json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                "state": state})
        };
        let statuses = [status("main"), status("metrics-logger-and-collector")];
        self.pod(trial, json!({"phase": "Failed", "containerStatuses": statuses})).await;
        let owner = json!([{"apiVersion": "batch/v1", "kind": "Job", "name": trial, "uid": job.metadata.uid, "controller": true}]);
        let owned = Patch::Merge(json!({"metadata": {"ownerReferences": owner,
            "labels": {"job-name": trial}}}));
        let pods = self.api::<Pod>();
        pods.patch(&format!("{trial}-abcde"), &PatchParams::default(), &owned)
            .await
            .expect("patched");
    }

    pub(crate) async fn event(
        &self,
        name: &str,
        kind: &str,
        object: &str,
        type_: &str,
        reason: &str,
    ) {
        let involved = json!({"kind": kind, "name": object, "namespace": "default"});
        self.create::<Event>(json!({"metadata": {"name": name, "namespace": "default"},
            "type": type_, "reason": reason, "message": "told by hand", "involvedObject": involved}))
            .await;
    }

    pub(crate) async fn with_state(&self, experiment: &str, name: &str, state: &str) {
        let status = json!({"conditions": [condition("Created"), condition(state)]});
        self.trial(experiment, name, trial_spec("0.1"), status).await;
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
