//! Experiments whose trials really run, in a cluster in the process.

use std::{fmt::Debug, time::Duration};

use expect_test::{Expect, expect};
use k8s_openapi::api::{batch::v1::Job, core::v1::Event};
use katib_mcp::{
    TOOL_SET,
    api::{Condition, Experiment, Trial},
    metrics::{ANNOTATION, Point},
};
use kube::{
    Api, Resource, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
    core::NamespaceResourceScope,
    runtime::wait::await_condition,
};
use kubeflow_mcp_core::testing::Cluster;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const RUN: Duration = Duration::from_secs(120);

struct Katib(Cluster);

impl Katib {
    async fn new() -> Self {
        let supervisor = vec![env!("CARGO_BIN_EXE_katib-mcp").into(), "supervise".into()];
        Self(Cluster::with_pods(&[&TOOL_SET], supervisor).await)
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::default_namespaced(self.0.client())
    }

    /// Creates an experiment `search` of trials that run this line of a shell, with `X` between 0
    /// and 1.
    async fn search(&self, line: &str, changes: Value) {
        let container = json!({"name": "main", "image": "localhost/host-python",
            "command": ["sh", "-c"], "args": [format!("( {line} )")],
            "env": [{"name": "X", "value": "${trialParameters.x}"}]});
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
            "metadata": {"name": "search"}, "spec": spec});
        let experiment: Experiment = serde_json::from_value(experiment).unwrap();
        self.api().create(&PostParams::default(), &experiment).await.unwrap();
    }

    async fn eventually<K>(&self, name: &str, is: impl Fn(&K) -> bool) -> K
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let met = await_condition(self.api(), name, |it: Option<&K>| it.is_some_and(&is));
        match tokio::time::timeout(RUN, met).await {
            Ok(met) => met.unwrap().unwrap(),
            Err(_) => {
                let events: Api<Event> = self.api();
                for it in events.list(&ListParams::default()).await.unwrap() {
                    println!("{} {:?} {:?}", it.name_any(), it.reason, it.message);
                }
                panic!("{name}: {:?}", self.api::<K>().get_opt(name).await);
            }
        }
    }

    async fn ended(&self) -> Experiment {
        let ended = |it: &Experiment| {
            let status = it.status.clone().unwrap_or_default();
            status.trials_running == 0
                && status.conditions.iter().any(|it| {
                    it.status == "True" && (it.type_ == "Succeeded" || it.type_ == "Failed")
                })
        };
        self.eventually("search", ended).await
    }

    async fn trials(&self) -> Vec<Trial> {
        self.api().list(&ListParams::default()).await.unwrap().items
    }

    async fn events(&self, object: &str, expected: &Expect) {
        let events: Api<Event> = self.api();
        let about = ListParams::default()
            .fields(&format!("involvedObject.name={object},involvedObject.kind=Trial"));
        let mut events = events.list(&about).await.unwrap().items;
        events.sort_by_key(ResourceExt::name_any);
        let lines: Vec<_> = events
            .iter()
            .map(|it| {
                format!(
                    "{} {}: {}",
                    it.type_.as_deref().unwrap(),
                    it.reason.as_deref().unwrap(),
                    it.message.as_deref().unwrap().replace(object, "it")
                )
            })
            .collect();
        expected.assert_eq(&lines.join("\n"));
    }
}

fn told(conditions: &[Condition]) -> String {
    let line = |it: &Condition| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{}={} {}: {}", it.type_, it.status, text(&it.reason), text(&it.message))
    };
    conditions.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn trials_run_and_the_best_is_found() {
    let katib = Katib::new().await;
    katib.search("echo loss=0.95; echo loss=$X", json!({})).await;
    let status = katib.ended().await.status.unwrap();
    expect![[r#"
        Created=True ExperimentCreated: Experiment is created
        Running=False ExperimentRunning: Experiment is running
        Succeeded=True ExperimentMaxTrialsReached: Experiment has succeeded because max trial count has reached"#]].assert_eq(&told(&status.conditions));
    let trials = katib.trials().await;
    assert_eq!((status.trials, status.trials_succeeded, trials.len()), (3, 3, 3));
    let x = |it: &Trial| it.spec.parameter_assignments[0].value.clone();
    let best = trials.iter().min_by(|one, other| x(one).cmp(&x(other))).unwrap();
    let optimal = status.current_optimal_trial;
    assert_eq!(optimal.best_trial_name, best.name_any());
    assert_eq!(optimal.observation.metrics[0].latest, x(best));
    let of_best = best.status.as_ref().unwrap();
    expect![[r#"
        Created=True TrialCreated: Trial is created
        Running=False TrialRunning: Trial is running
        Succeeded=True TrialSucceeded. Job reason: CompletionsReached: Trial has succeeded. Job message: Reached expected number of succeeded pods"#]].assert_eq(&told(&of_best.conditions));
    katib
        .events(
            &best.name_any(),
            &expect![[r#"
        Normal JobCreated: Job it has been created
        Normal JobRunning: Job it is running
        Normal JobSucceeded: Job it has succeeded"#]],
        )
        .await;
    let points: Vec<Point> = serde_json::from_str(&best.annotations()[ANNOTATION]).unwrap();
    let values: Vec<_> = points.iter().map(|it| it.value.clone()).collect();
    assert_eq!(values, ["0.95".to_owned(), x(best)]);
    let jobs = katib.api::<Job>().list(&ListParams::default()).await.unwrap().items;
    assert_eq!(jobs.len(), 3, "they are retained");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_failures_end_an_experiment() {
    let katib = Katib::new().await;
    let changes = json!({"maxFailedTrialCount": 1, "parallelTrialCount": 1,
        "trialTemplate": {"retain": false}});
    katib.search("echo loss=$X; exit 3", changes).await;
    let status = katib.ended().await.status.unwrap();
    expect![[r#"
        Created=True ExperimentCreated: Experiment is created
        Running=False ExperimentRunning: Experiment is running
        Failed=True ExperimentFailed: Experiment has failed because max failed count has reached"#]]
    .assert_eq(&told(&status.conditions));
    let trials = katib.trials().await;
    expect![[r#"
        Created=True TrialCreated: Trial is created
        Running=False TrialRunning: Trial is running
        Failed=True TrialFailed. Job reason: BackoffLimitExceeded: Trial has failed. Job message: Job has reached the specified backoff limit"#]].assert_eq(&told(&trials[0].status.as_ref().unwrap().conditions));
    katib.events(&trials[0].name_any(), &expect![[r#"
        Normal JobCreated: Job it has been created
        Normal JobRunning: Job it is running
        Normal JobFailed: Job it has failed. Job has reached the specified backoff limit BackoffLimitExceeded"#]]).await;
    let gone = await_condition(katib.api::<Job>(), "x", |_: Option<&Job>| true);
    gone.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prints_no_metric_counts_as_failed_and_a_raised_budget_goes_on() {
    let katib = Katib::new().await;
    let changes =
        json!({"maxTrialCount": 1, "parallelTrialCount": 1, "resumePolicy": "LongRunning"});
    katib.search("true", changes).await;
    let status = katib.ended().await.status.unwrap();
    expect![[r#"
        Created=True ExperimentCreated: Experiment is created
        Running=False ExperimentRunning: Experiment is running
        Succeeded=True ExperimentMaxTrialsReached: Experiment has succeeded because max trial count has reached"#]].assert_eq(&told(&status.conditions));
    let trials = katib.trials().await;
    expect![[r#"
        Created=True TrialCreated: Trial is created
        Running=False TrialRunning: Trial is running
        MetricsUnavailable=True MetricsUnavailable. Job reason: CompletionsReached: Metrics are not available. Job message: Reached expected number of succeeded pods"#]].assert_eq(&told(&trials[0].status.as_ref().unwrap().conditions));
    let more = Patch::Merge(json!({"spec": {"maxTrialCount": 2}}));
    let experiments: Api<Experiment> = katib.api();
    experiments.patch("search", &PatchParams::default(), &more).await.unwrap();
    let two =
        |it: &Experiment| it.status.as_ref().is_some_and(|it| it.trial_metrics_unavailable == 2);
    katib.eventually("search", two).await;
    let status = katib.ended().await.status.unwrap();
    expect![[r#"
        Created=True ExperimentCreated: Experiment is created
        Restarting=True ExperimentRestarting: Experiment is restarted
        Running=False ExperimentRunning: Experiment is running
        Succeeded=True ExperimentMaxTrialsReached: Experiment has succeeded because max trial count has reached"#]].assert_eq(&told(&status.conditions));
}
