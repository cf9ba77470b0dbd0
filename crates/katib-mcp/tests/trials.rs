//! Experiments whose trials really run, in a cluster in the process.

use std::{fmt::Debug, time::Duration};

use expect_test::{Expect, expect};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod},
};
use katib_mcp::{
    TOOL_SET,
    api::{Condition, Experiment, Trial},
    metrics::{ANNOTATION, Point, without_prefix},
    states::TrialState,
};
use kube::{
    Api, Resource, ResourceExt,
    api::{ListParams, LogParams, Patch, PatchParams, PostParams},
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
        let experiment: Experiment =
            serde_json::from_value(experiment).expect("what was asked for");
        self.api().create(&PostParams::default(), &experiment).await.expect("what was asked for");
    }

    /// Creates a trial `one` of no experiment, which runs this line of a shell.
    async fn trial(&self, line: &str, changes: Value) {
        let container = json!({"name": "main", "image": "localhost/host-python",
            "command": ["sh", "-c"], "args": [format!("( {line} )")]});
        let pod = json!({"restartPolicy": "Never", "containers": [container]});
        let mut spec = json!({
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "metricsCollector": {"collector": {"kind": "StdOut"}},
            "primaryContainerName": "main",
            "retainRun": true,
            "successCondition": r#"status.conditions.#(type=="Complete")#|#(status=="True")#"#,
            "failureCondition": r#"status.conditions.#(type=="Failed")#|#(status=="True")#"#,
            "runSpec": {"apiVersion": "batch/v1", "kind": "Job",
                "metadata": {"name": "one", "namespace": "default"},
                "spec": {"backoffLimit": 0, "template": {"spec": pod}}},
        });
        json_patch::merge(&mut spec, &changes);
        let trial = json!({"apiVersion": "kubeflow.org/v1beta1", "kind": "Trial",
            "metadata": {"name": "one"}, "spec": spec});
        let trial: Trial = serde_json::from_value(trial).expect("what was asked for");
        self.api().create(&PostParams::default(), &trial).await.expect("what was asked for");
    }

    /// What the collector of the one Pod has said, without its prefix.
    async fn log(&self) -> String {
        let pods: Api<Pod> = self.api();
        let pod = pods
            .list(&ListParams::default())
            .await
            .expect("what was asked for")
            .items
            .remove(0)
            .name_any();
        let container = Some("metrics-logger-and-collector".to_owned());
        let log = pods
            .logs(&pod, &LogParams { container, ..LogParams::default() })
            .await
            .expect("what was asked for");
        log.lines().map(without_prefix).collect::<Vec<_>>().join("\n")
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
            Ok(met) => met.expect("what was asked for").expect("what was asked for"),
            Err(_) => {
                let events: Api<Event> = self.api();
                let events = events.list(&ListParams::default()).await.expect("events");
                let told = |it: Event| (it.involved_object.name, it.reason, it.message);
                let events: Vec<_> = events.into_iter().map(told).collect();
                panic!("{name}: {:?}\n{events:#?}", self.api::<K>().get_opt(name).await);
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
        self.api().list(&ListParams::default()).await.expect("what was asked for").items
    }

    async fn events(&self, object: &str, last: &str, expected: &Expect) {
        let api: Api<Event> = self.api();
        let about = ListParams::default()
            .fields(&format!("involvedObject.name={object},involvedObject.kind=Trial"));
        let told = async {
            loop {
                let events = api.list(&about).await.expect("what was asked for").items;
                if events.iter().any(|it| it.reason.as_deref() == Some(last)) {
                    return events;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let mut events = tokio::time::timeout(RUN, told).await.expect("the last event");
        events.sort_by_key(ResourceExt::name_any);
        let lines: Vec<_> = events
            .iter()
            .map(|it| {
                format!(
                    "{} {}: {}",
                    it.type_.as_deref().expect("what was asked for"),
                    it.reason.as_deref().expect("what was asked for"),
                    it.message.as_deref().expect("what was asked for").replace(object, "it")
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
            "JobSucceeded",
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
    katib.events(&trials[0].name_any(), "JobDeleted", &expect![[r#"
        Normal JobCreated: Job it has been created
        Normal JobRunning: Job it is running
        Normal JobFailed: Job it has failed. Job has reached the specified backoff limit BackoffLimitExceeded
        Normal JobDeleted: Job it has been deleted"#]]).await;
    let name = trials[0].name_any();
    let gone = await_condition(katib.api(), &name, |it: Option<&Job>| it.is_none());
    tokio::time::timeout(RUN, gone).await.expect("not retained").unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_stops_a_training_early() {
    let katib = Katib::new().await;
    let training = "import time\nfor step in range(600):\n    print(f\"loss=0.{90 - step}\", flush=True)\n    time.sleep(0.1)";
    let rules = json!([{"name": "loss", "value": "0.5", "comparison": "greater", "startStep": 3}]);
    katib
        .trial(&format!("exec python3 -c '{training}'"), json!({"earlyStoppingRules": rules}))
        .await;
    let ended = |it: &Trial| TrialState::of(it) == TrialState::EarlyStopped;
    let trial = katib.eventually("one", ended).await;
    let status = trial.status.as_ref().unwrap();
    expect![[r#"
        Created=True TrialCreated: Trial is created
        Running=True TrialRunning: Trial is running
        EarlyStopped=True TrialEarlyStopped: Trial is early stopped"#]]
    .assert_eq(&told(&status.conditions));
    assert!(status.completion_time.is_none(), "as Katib leaves it");
    let metric = &status.observation.as_ref().unwrap().metrics[0];
    assert_eq!((metric.max.as_str(), metric.min.as_str() < "0.89"), ("0.90", true), "{metric:?}");
    expect![[r#"
        Trial Name: one
        Training container is early stopped
        Metrics reported. :"#]]
    .assert_eq(
        &katib.log().await.lines().filter(|it| !it.contains("loss")).collect::<Vec<_>>().join("\n"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_read_from_a_file_of_json() {
    let katib = Katib::new().await;
    let file = json!({"collector": {"kind": "File"},
        "source": {"fileSystemPath": {"kind": "File", "path": "/out/metrics.json", "format": "JSON"}}});
    let line = r#"echo "{\"loss\": \"0.4\", \"timestamp\": 3}" > /out/metrics.json; echo said"#;
    katib.trial(line, json!({"metricsCollector": file})).await;
    let ended = |it: &Trial| TrialState::of(it) == TrialState::Succeeded;
    let trial = katib.eventually("one", ended).await;
    let metric = &trial.status.as_ref().unwrap().observation.as_ref().unwrap().metrics[0];
    assert_eq!(metric.latest, "0.4");
    assert_eq!(
        trial.annotations()[ANNOTATION],
        r#"[{"name":"loss","value":"0.4","at":"1970-01-01T00:00:03Z"}]"#
    );
}
