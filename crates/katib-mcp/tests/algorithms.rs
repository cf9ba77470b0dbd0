//! Searches by every algorithm in a cluster in the process: their services and trials really run.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::{Event, Pod};
use katib_mcp::{
    TOOL_SET,
    api::{Experiment, Suggestion, Trial, condition},
    search_space::SearchSpace,
};
use kube::{
    Api, Resource, ResourceExt as _,
    api::{DeleteParams, ListParams, PostParams},
    core::NamespaceResourceScope,
    runtime::wait::await_condition,
};
use kubeflow_mcp_core::testing::Cluster;
use serde_json::{Value, json};

/// The first search has to make an environment.
const RUN: Duration = Duration::from_secs(600);

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

    /// A search over numbers and words, whose trials print what they got.
    async fn search(&self, name: &str, algorithm: &str, settings: Value, spec: Value) {
        let settings = settings.as_object().unwrap().iter();
        let settings: Vec<_> =
            settings.map(|(name, value)| json!({"name": name, "value": value})).collect();
        let range = |name: &str, type_: &str, space: Value| json!({"name": name, "parameterType": type_, "feasibleSpace": space});
        let variable = |name: &str| json!({"name": name.to_uppercase(), "value": format!("${{trialParameters.{name}}}")});
        let names = ["x", "y", "n", "k"];
        let container = json!({"name": "main", "image": "localhost/host-python",
            "command": ["sh", "-c"], "args": ["( echo loss=$X of $Y $N $K )"],
            "env": names.map(variable)});
        let pod = json!({"restartPolicy": "Never", "containers": [container]});
        let mut whole = json!({
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": algorithm, "algorithmSettings": settings},
            "parallelTrialCount": 2,
            "maxTrialCount": 6,
            "parameters": [
                range("x", "double", json!({"min": "0.1", "max": "0.9"})),
                range("y", "double", json!({"min": "1", "max": "4", "step": "0.5"})),
                range("n", "int", json!({"min": "1", "max": "9"})),
                range("k", "categorical", json!({"list": ["a", "b c", "it's"]})),
            ],
            "trialTemplate": {
                "primaryContainerName": "main",
                "retain": false,
                "trialParameters": names.map(|it| json!({"name": it, "reference": it})),
                "trialSpec": {"apiVersion": "batch/v1", "kind": "Job",
                    "spec": {"backoffLimit": 0, "template": {"spec": pod}}},
            },
        });
        json_patch::merge(&mut whole, &spec);
        let experiment = json!({"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment",
            "metadata": {"name": name}, "spec": whole});
        let experiment: Experiment = serde_json::from_value(experiment).unwrap();
        self.api().create(&PostParams::default(), &experiment).await.unwrap();
    }

    async fn ended(&self, name: &str) -> Experiment {
        let ended = |it: Option<&Experiment>| {
            let status = it.and_then(|it| it.status.as_ref());
            status.is_some_and(|it| {
                let is = |type_| condition(&it.conditions, type_).is_some();
                (is("Succeeded") || is("Failed")) && it.trials_running == 0
            })
        };
        match tokio::time::timeout(RUN, await_condition(self.api(), name, ended)).await {
            Ok(ended) => ended.unwrap().unwrap(),
            Err(_) => self.explain(name).await,
        }
    }

    async fn explain(&self, name: &str) -> ! {
        let events = self.api::<Event>().list(&ListParams::default()).await.unwrap();
        let said = events.iter().map(|it| (it.name_any(), it.message.clone()));
        let suggestion = self.api::<Suggestion>().get(name).await.map(|it| it.status);
        panic!("{name}: {suggestion:?} {:?}", said.collect::<Vec<_>>());
    }

    /// Its trials, each with its values.
    async fn tried(&self, name: &str) -> Vec<BTreeMap<String, String>> {
        let own = ListParams::default().labels(&format!("katib.kubeflow.org/experiment={name}"));
        let trials: Vec<Trial> = self.api().list(&own).await.unwrap().items;
        let values = |it: Trial| {
            let each = it.spec.parameter_assignments.into_iter();
            each.map(|it| (it.name, it.value)).collect()
        };
        trials.into_iter().map(values).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_search_within_the_space_and_go_with_their_search() {
    let katib = Katib::new().await;
    let algorithms = [
        ("tpe", json!({"random_state": "1", "gamma": "0.3", "n_EI_candidates": "8"})),
        ("multivariate-tpe", json!({"n_startup_trials": "3"})),
        ("cmaes", json!({"restart_strategy": "ipop"})),
        ("sobol", json!({})),
        ("bayesianoptimization", json!({"n_initial_points": "3"})),
    ];
    for (algorithm, settings) in &algorithms {
        katib.search(&format!("by-{algorithm}"), algorithm, settings.clone(), json!({})).await;
    }
    for (algorithm, _) in algorithms {
        let name = format!("by-{algorithm}");
        let experiment = katib.ended(&name).await;
        let status = experiment.status.clone().unwrap();
        assert_eq!(status.trials_succeeded, 6, "{algorithm}: {status:?}");
        let space = SearchSpace::check(&experiment.spec.parameters).unwrap();
        let tried = katib.tried(&name).await;
        for values in &tried {
            assert_eq!(values.len(), 4);
            for (parameter, value) in values {
                assert!(space.get(parameter).unwrap().holds(value), "{algorithm}: {values:?}");
            }
        }
        let least = |one: &&String, other: &&String| {
            one.parse::<f64>().unwrap().total_cmp(&other.parse().unwrap())
        };
        let best = tried.iter().map(|it| &it["x"]).min_by(least).unwrap();
        assert_eq!(&status.current_optimal_trial.observation.metrics[0].latest, best);
        let service = format!("{name}-{algorithm}");
        let gone = await_condition(katib.api::<Pod>(), &service, |it: Option<&Pod>| it.is_none());
        tokio::time::timeout(RUN, gone).await.expect("the service is gone").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_and_results_give_the_same_choices() {
    let katib = Katib::new().await;
    let seed = json!({"random_state": "7"});
    let one_by_one = json!({"parallelTrialCount": 1, "maxTrialCount": 7});
    for name in ["one", "other"] {
        katib.search(name, "tpe", seed.clone(), one_by_one.clone()).await;
    }
    let mut chosen = Vec::new();
    for name in ["one", "other"] {
        katib.ended(name).await;
        let suggestion: Suggestion = katib.api().get(name).await.unwrap();
        let suggestions = suggestion.status.unwrap().suggestions;
        chosen.push(suggestions.into_iter().map(|it| it.parameter_assignments).collect::<Vec<_>>());
    }
    assert_eq!(chosen[0], chosen[1]);
    assert_eq!(chosen[0].len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_lost_is_made_anew_and_knows_as_much() {
    let katib = Katib::new().await;
    let spec = json!({"maxTrialCount": 8, "parallelTrialCount": 1});
    katib.search("long", "sobol", json!({}), spec).await;
    let some = |it: Option<&Experiment>| {
        it.and_then(|it| it.status.as_ref()).is_some_and(|it| it.trials_succeeded >= 2)
    };
    if tokio::time::timeout(RUN, await_condition(katib.api(), "long", some)).await.is_err() {
        katib.explain("long").await;
    }
    katib.api::<Pod>().delete("long-sobol", &DeleteParams::default()).await.unwrap();
    katib.ended("long").await;
    let points: std::collections::BTreeSet<_> =
        katib.tried("long").await.into_iter().map(|it| it["x"].clone()).collect();
    assert_eq!(points.len(), 8, "no point of the sequence comes twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn hyperband_runs_through_its_plan() {
    let katib = Katib::new().await;
    let settings = json!({"r_l": "4", "eta": "2", "resource_name": "n"});
    let spec = json!({"parallelTrialCount": 4, "maxTrialCount": 15});
    katib.search("brackets", "hyperband", settings, spec).await;
    katib.ended("brackets").await;
    let suggestion: Suggestion = katib.api().get("brackets").await.unwrap();
    let status = suggestion.status.unwrap();
    let value = |assignments: &[katib_mcp::api::Setting], name: &str| {
        assignments.iter().find(|it| it.name == name).unwrap().value.clone()
    };
    let chosen: Vec<_> = status
        .suggestions
        .iter()
        .map(|it| (value(&it.parameter_assignments, "n"), value(&it.parameter_assignments, "x")))
        .collect();
    let resources: String = chosen.iter().map(|it| it.0.as_str()).collect();
    assert_eq!(resources, "111122422244444");
    // The best of the first rung go on.
    let mut first: Vec<_> = chosen[..4].iter().map(|it| it.1.clone()).collect();
    first.sort_by(|one, other| one.parse::<f64>().unwrap().total_cmp(&other.parse().unwrap()));
    assert_eq!([&chosen[4].1, &chosen[5].1, &chosen[6].1], [&first[0], &first[1], &first[0]]);
    assert_eq!(value(&status.algorithm_settings, "current_s"), "-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_algorithm_cannot_search_fails_the_experiment_with_the_reason() {
    let katib = Katib::new().await;
    let grid = json!({"maxTrialCount": 8});
    katib.search("endless", "grid", json!({}), grid).await;
    let failed = katib.ended("endless").await.status.unwrap();
    assert!(condition(&failed.conditions, "Failed").is_some(), "{failed:?}");
    let suggestion: Suggestion = katib.api().get("endless").await.unwrap();
    let status = suggestion.status.unwrap();
    let why = condition(&status.conditions, "Failed").unwrap().message.clone().unwrap();
    let expected = "Validation failed: ValidateAlgorithmSettings Error: parameter x needs a step, as grid tries every value";
    assert_eq!(why, expected);
}
