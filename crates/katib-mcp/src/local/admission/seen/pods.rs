//! Pods of trials: the collector beside the program, and the program's line for the shell.

use expect_test::expect;
use kube::{Client, api::PostParams};
use kubeflow_mcp_core::testing::Cluster;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Answer, LABELLED, PLAIN, Refusal, Steps, Verdicts, api, changed, cluster, create, created,
};

const TRIAL: &str = "tune-4hq7zt9k";
/// What a collector is given by Katib's configuration, or by ours.
const CONFIGURED: [&str; 5] = ["image", "imagePullPolicy", "command", "resources", "env"];
/// What only a collector with a database and a service to talk to is told.
const SERVICES: [&str; 2] = ["-s-db", "-s-earlystop"];

#[derive(Deserialize)]
struct Seen {
    trial: Value,
    pod: Value,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(default)]
    trial: Steps,
    #[serde(default)]
    pod: Steps,
    #[serde(default = "one")]
    owners: usize,
    #[serde(default = "yes")]
    owner_of_job: bool,
    #[serde(flatten)]
    answer: Answer,
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

#[tokio::test]
async fn pods_of_trials_are_changed_as_katib_does() {
    let seen: Seen = serde_saphyr::from_str(include_str!("pods.yaml")).expect("our data");
    let mut verdicts = Verdicts::default();
    for case in &seen.cases {
        let cluster = cluster().await;
        let trial = changed(&seen.trial, &case.trial);
        let collector = &trial["spec"]["metricsCollector"]["collector"]["kind"];
        if ["Custom", "TensorFlowEvent"].iter().any(|it| collector == it) {
            // There is no such trial, since there is no such experiment.
            verdicts.lacking.push(case.name.clone());
            continue;
        }
        let mut pod = changed(&seen.pod, &case.pod);
        if let Some(owner) = chain(&cluster, &trial, case).await {
            pod["metadata"]["ownerReferences"] = json!([owner]);
        }
        let before = asked(&cluster.client(), PLAIN, &pod).await.expect("a Pod of nobody");
        let got = asked(&cluster.client(), LABELLED, &pod).await;
        let expected = match &case.answer {
            Answer::Accepted(steps) => Ok(told(&changed(&before, steps))),
            Answer::Refused(refusal) => Err(refusal),
        };
        let got = got.map(|it| told(&it));
        verdicts.compare(&case.name, expected.as_ref().map_err(|it| *it), got.as_ref());
    }
    verdicts.settle(
        seen.cases.len(),
        &expect![[r#"
        events of TensorFlow
        a collector of one's own
        a collector of one's own and a file"#]],
    );
}

/// The trial, its Job and the Job's Job as far as the case has them: who owns the Pod.
async fn chain(cluster: &Cluster, trial: &Value, case: &Case) -> Option<Value> {
    let client = cluster.client();
    let katib = |kind| api(&client, "kubeflow.org", "v1beta1", kind, Some(LABELLED));
    let experiments: Value =
        serde_saphyr::from_str(include_str!("experiments.yaml")).expect("our data");
    create(&katib("Experiment"), &experiments["objects"]["job"]).await.expect("an experiment");
    let suggestion = json!({
        "apiVersion": "kubeflow.org/v1beta1", "kind": "Suggestion", "metadata": { "name": "tune" },
        "spec": { "algorithm": { "algorithmName": "random" }, "requests": 1 },
    });
    create(&katib("Suggestion"), &suggestion).await.expect("a suggestion");
    let trial = create(&katib("Trial"), trial).await.expect("a trial");
    let mut owner = case.owner_of_job.then(|| reference(&trial));
    for name in [TRIAL, "tune-4hq7zt9k-node-0"].into_iter().take(case.owners.max(1)) {
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": { "name": name, "ownerReferences": owner.into_iter().collect::<Vec<_>>() },
            "spec": { "suspend": true, "template": { "spec": {
                "restartPolicy": "Never",
                "containers": [{ "name": "main", "image": "localhost/host-python" }],
            } } },
        });
        let jobs = api(&client, "batch", "v1", "Job", Some(LABELLED));
        owner = Some(reference(&create(&jobs, &job).await.expect("a Job")));
    }
    owner.filter(|_| case.owners > 0)
}

fn reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": true,
    })
}

async fn asked(client: &Client, namespace: &str, pod: &Value) -> Result<Value, Refusal> {
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let pods = api(client, "", "v1", "Pod", Some(namespace));
    created(&pods, pod, &dry_run).await.map_err(Refusal::of)
}

/// Without what differs from cluster to cluster, and what the collectors' authors choose.
fn told(pod: &Value) -> Value {
    let mut pod = pod.clone();
    if let Some(metadata) = pod["metadata"].as_object_mut() {
        metadata.retain(|key, _| ["name", "labels", "annotations"].contains(&key.as_str()));
    }
    for container in pod["spec"]["containers"].as_array_mut().into_iter().flatten() {
        let collects = ["metrics-logger-and-collector", "metrics-collector"]
            .iter()
            .any(|name| container["name"] == *name);
        if let (true, Some(fields)) = (collects, container.as_object_mut()) {
            fields.retain(|key, _| !CONFIGURED.contains(&key.as_str()));
            let arguments = fields["args"].as_array().cloned().unwrap_or_default();
            let told = arguments.chunks(2).filter(|it| !SERVICES.iter().any(|name| it[0] == *name));
            fields["args"] = json!(told.collect::<Vec<_>>().concat());
        }
    }
    pod.as_object_mut().expect("a Pod").remove("status");
    pod
}
