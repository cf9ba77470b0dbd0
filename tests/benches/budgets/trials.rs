//! How fast the local cluster gets through trials that do nothing.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use katib_mcp::api::{Experiment, condition};
use kube::{Api, api::PostParams, runtime::wait::await_condition};
use serde_json::json;

use crate::{Binary, Row, local::Daemon};

const TRIALS: i32 = 100;

pub(crate) fn measure(binary: &Binary) -> anyhow::Result<Vec<Row>> {
    let daemon = Daemon::start(binary)?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let experiments: Api<Experiment> = Api::namespaced(daemon.client().await?, "default");
        // The first Pod pays for making the environment.
        run(&experiments, "warm", 8).await?;
        let seconds = run(&experiments, "many", TRIALS).await?;
        Ok(vec![Row {
            what: "100 trials that do nothing, 8 at a time",
            figure: seconds,
            budget: 10.0,
            unit: "s",
        }])
    })
}

/// How long a random search of so many trials takes.
async fn run(experiments: &Api<Experiment>, name: &str, trials: i32) -> anyhow::Result<f64> {
    let container = json!({"name": "main", "image": local_kube::HOST_PYTHON,
        "command": ["sh", "-c"], "args": ["( echo loss=${trialParameters.x} )"]});
    let pod = json!({"restartPolicy": "Never", "containers": [container]});
    let experiment = json!({
        "apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": name},
        "spec": {
            "objective": {"type": "minimize", "objectiveMetricName": "loss"},
            "algorithm": {"algorithmName": "random"},
            "parallelTrialCount": 8,
            "maxTrialCount": trials,
            "parameters": [{"name": "x", "parameterType": "double",
                "feasibleSpace": {"min": "0", "max": "1"}}],
            "trialTemplate": {
                "primaryContainerName": "main",
                "trialParameters": [{"name": "x", "reference": "x"}],
                "trialSpec": {"apiVersion": "batch/v1", "kind": "Job",
                    "spec": {"backoffLimit": 0, "template": {"spec": pod}}},
            },
        },
    });
    let begin = Instant::now();
    experiments.create(&PostParams::default(), &serde_json::from_value(experiment)?).await?;
    let ended = |it: Option<&Experiment>| {
        let status = it.and_then(|it| it.status.as_ref());
        status.is_some_and(|it| {
            ["Succeeded", "Failed"].iter().any(|type_| condition(&it.conditions, type_).is_some())
        })
    };
    let wait = await_condition(experiments.clone(), name, ended);
    let experiment = tokio::time::timeout(Duration::from_secs(600), wait).await??;
    let took = begin.elapsed().as_secs_f64();
    let status = experiment.and_then(|it| it.status).context("the search is gone")?;
    anyhow::ensure!(status.trials_succeeded >= trials, "not all trials succeeded: {status:?}");
    Ok(took)
}
