//! A cluster in memory for one test, with only the controllers of this crate.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{ListParams, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
    runtime::wait::{Condition, await_condition},
};
use local_kube::{LocalKube, Options};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{sync::Notify, task::JoinSet};

use crate::{
    api::{Experiment, Trial},
    local::LOCAL,
};

/// The slowest machine is faster.
const LONGEST: Duration = Duration::from_secs(60);

pub(super) struct Cluster {
    pub(super) client: Client,
    controllers: JoinSet<()>,
}

impl Cluster {
    pub(super) fn new() -> Self {
        let mut cluster = Self::without_controllers();
        cluster.start();
        cluster
    }

    pub(super) fn without_controllers() -> Self {
        let kube = LocalKube::open(Options {
            crds: (LOCAL.crds)(),
            objects: (LOCAL.objects)(),
            admit: vec![LOCAL.admit],
            ..Options::default()
        });
        Self { client: kube.unwrap().client(), controllers: JoinSet::new() }
    }

    pub(super) fn start(&mut self) {
        self.controllers.spawn((LOCAL.run)(self.client.clone()));
    }

    pub(super) async fn stop(&mut self) {
        self.controllers.shutdown().await;
    }

    /// Runs the controllers until they begin a write after `writes` others, or until all is done.
    /// Whether they were stopped in mid-work.
    pub(super) async fn kill_after(&mut self, writes: usize, done: impl Future) -> bool {
        let (inner, begun) = (self.client.clone(), Arc::new((AtomicUsize::new(0), Notify::new())));
        let counted = begun.clone();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let (inner, begun) = (inner.clone(), counted.clone());
            async move {
                // Events are said beside the work, which does not wait for them.
                let writes_event = request.uri().path().ends_with("/events");
                if request.method() != http::Method::GET
                    && !writes_event
                    && begun.0.fetch_add(1, Ordering::SeqCst) >= writes
                {
                    begun.1.notify_one();
                    std::future::pending::<()>().await;
                }
                inner.send(request).await
            }
        });
        self.controllers.spawn((LOCAL.run)(Client::new(service, "default")));
        let killed = tokio::select! {
            () = begun.1.notified() => true,
            _ = done => false,
        };
        self.stop().await;
        killed
    }

    pub(super) fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::default_namespaced(self.client.clone())
    }

    /// An experiment `search` over one number, with these changes of its spec.
    pub(super) async fn search(&self, changes: Value) {
        let container = json!({"name": "main", "image": "localhost/host-python",
            "command": ["python3", "train.py", "${trialParameters.x}"]});
        let pod = json!({"restartPolicy": "Never", "containers": [container]});
        let mut spec = json!({
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "random"},
            "parallelTrialCount": 2,
            "maxTrialCount": 3,
            "parameters": [{"name": "x", "parameterType": "double",
                "feasibleSpace": {"min": "0.1", "max": "0.9"}}],
            "trialTemplate": {
                "primaryContainerName": "main",
                "retain": true,
                "trialParameters": [{"name": "x", "reference": "x"}],
                "trialSpec": {"apiVersion": "batch/v1", "kind": "Job",
                    "spec": {"backoffLimit": 0, "template": {"spec": pod}}},
            },
        });
        json_patch::merge(&mut spec, &changes);
        let experiment = json!({"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment",
            "metadata": {"name": "search", "labels": {"team": "vision"}}, "spec": spec});
        let experiment: Experiment = serde_json::from_value(experiment).unwrap();
        self.api().create(&PostParams::default(), &experiment).await.unwrap();
    }

    pub(super) async fn list<K>(&self) -> Vec<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        self.api().list(&ListParams::default()).await.unwrap().items
    }

    /// Ends every Job that there is or will be, until dropped.
    pub(super) async fn fail_jobs(client: Client) {
        let jobs: Api<Job> = Api::default_namespaced(client);
        let changes = kube::runtime::watcher(jobs.clone(), Default::default());
        let changes = kube::runtime::WatchStreamExt::applied_objects(changes);
        let mut changes = Box::pin(changes);
        while let Some(change) = futures::StreamExt::next(&mut changes).await {
            let Ok(job) = change else { continue };
            if job.status.unwrap_or_default().conditions.is_none() {
                let _ = end_job(&jobs, &job.metadata.name.unwrap_or_default(), "Failed").await;
            }
        }
    }

    /// Says by hand what a trial has reached, as its collector would have it said.
    pub(super) async fn reaches(&self, trial: &Trial, loss: &str) {
        let metric = json!({"name": "loss", "min": loss, "max": loss, "latest": loss});
        let status = Patch::Merge(json!({"status": {"observation": {"metrics": [metric]}}}));
        let trials: Api<Trial> = self.api();
        let name = trial.name_any();
        trials.patch_status(&name, &PatchParams::default(), &status).await.unwrap();
        end_job(&self.api(), &name, "Complete").await.unwrap();
    }

    pub(super) async fn fails(&self, trial: &Trial) {
        end_job(&self.api(), &trial.name_any(), "Failed").await.unwrap();
    }

    /// So many trials, once they run.
    pub(super) async fn running(&self, count: usize) -> Vec<Trial> {
        let running = |it: &Experiment| {
            it.status.as_ref().is_some_and(|it| it.running_trial_list.len() == count)
        };
        let experiment: Experiment = self.eventually("search", is(running)).await.unwrap();
        let names = experiment.status.unwrap().running_trial_list;
        let trials = self.list::<Trial>().await;
        trials.into_iter().filter(|it| names.contains(&it.name_any())).collect()
    }

    /// The object as soon as it is so, whether it is there or not.
    pub(super) async fn eventually<K>(&self, name: &str, condition: impl Condition<K>) -> Option<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let met = await_condition(self.api(), name, condition);
        match tokio::time::timeout(LONGEST, met).await {
            Ok(met) => met.unwrap(),
            Err(_) => panic!("{name}: {:#?}", self.api::<K>().get_opt(name).await),
        }
    }

    /// Waits until the experiment's conditions are these.
    pub(super) async fn shows(&self, expected: &str) -> Experiment {
        let shown = |it: &Experiment| told(it) == expected;
        let met = await_condition(self.api(), "search", is(shown));
        match tokio::time::timeout(LONGEST, met).await {
            Ok(met) => met.unwrap().unwrap(),
            Err(_) => {
                let experiment: Experiment = self.api().get("search").await.unwrap();
                panic!("{}\n{:?}", told(&experiment), experiment.status);
            }
        }
    }
}

/// Of an object that is there.
pub(super) fn is<K>(so: impl Fn(&K) -> bool) -> impl Condition<K> {
    move |it: Option<&K>| it.is_some_and(&so)
}

/// The conditions of an experiment in their order, with their reasons where they are true.
pub(super) fn told(experiment: &Experiment) -> String {
    let status = experiment.status.clone().unwrap_or_default();
    let shown = status.conditions.iter().map(|it| match it.status.as_str() {
        "True" => it.reason.clone().unwrap_or_default(),
        _ => format!("not {}", it.type_),
    });
    shown.collect::<Vec<_>>().join(", ")
}

async fn end_job(jobs: &Api<Job>, name: &str, type_: &str) -> kube::Result<Job> {
    let now = "2026-01-01T00:00:00Z";
    let condition = json!({"type": type_, "status": "True", "reason": "ByHand",
        "message": "ended by hand", "lastTransitionTime": now});
    let status = Patch::Merge(json!({"status": {"conditions": [condition]}}));
    jobs.patch_status(name, &PatchParams::default(), &status).await
}
