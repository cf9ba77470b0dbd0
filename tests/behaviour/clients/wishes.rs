//! TrainJobs of the submitting tools beside those that the Kubeflow SDK makes for the same wish.
//! `tests/sdk.md` holds every field that differs, and why; `UPDATE_EXPECT=1` writes it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
    sync::{Arc, Mutex},
};

use expect_test::expect_file;
use http::{Method, Request};
use kube::{Client, client::Body};
use kubeflow_mcp_core::{Persona, Policy, cluster_client};
use kubeflow_mcp_tests::{agent::Agent, cluster::Cluster, namespace::Namespace, runtimes};
use serde_json::{Value, json};
use tower::service_fn;

use super::python;

/// Fields that may differ, `*` for any part of a path, and why they do.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "metadata.annotations.mcp.kubeflow.org/request-digest",
        "the same call sent twice makes one job",
    ),
    ("metadata.labels.app.kubernetes.io/managed-by", "tells which jobs an agent has started"),
    ("spec.runtimeRef.apiGroup", "the API server writes the same where it is left out"),
    ("spec.runtimePatches[0].manager", "each client owns a patch of its own"),
    (
        "spec.trainer.command*",
        "the script arrives byte for byte; the SDK writes it into a here-document, where the shell replaces `$` and back-quotes",
    ),
    (
        "spec.trainer.args",
        "hyper-parameters are arguments of the script; the SDK writes them into its text",
    ),
    ("spec.trainer.env.KUBEFLOW_MCP_*", "carries the script and its packages"),
    ("spec.trainer.env.FUNC_ARGS.value", "hyper-parameters, for scripts that read them there"),
    ("spec.trainer.env.PYTHONUNBUFFERED.value", "has what is printed appear at once"),
    ("spec.runtimePatches", "tells a cluster without images that no package is asked for"),
    ("spec.runtimePatches*packages", "tells a cluster without images which packages to provide"),
    (
        "spec.trainer.args[+*]",
        "the Trainer drops the runtime's data set arguments, without which TorchTune trains with the data of its recipe",
    ),
    (
        "spec.initializer.*.env.*.value*",
        "a secret is referred to; the SDK writes it into the job for everyone to read",
    ),
];

/// The tool and the arguments by which an agent says each wish, by the name that `sdk_wishes.py` has for it.
fn calls() -> Vec<(&'static str, &'static str, Value)> {
    let script = "def learn(lr):\n    print(\"learning with\", lr)\n\nlearn(0.1)\n";
    let model = "hf://meta-llama/Llama-3.2-1B-Instruct";
    let options = json!({
        "queue": "team", "priority": "high", "time_limit_seconds": 3600, "service_account_name": "trainer",
        "node_selector": {"zone": "a"}, "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "image_pull_secrets": ["registry"], "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
        "volume_mounts": [{"name": "data", "mountPath": "/data"}],
    });
    let mut described = options.clone();
    described["annotations"] = json!({"purpose": "baseline"});
    let secret = |key: &str| json!({"secret": "keys", "key": key});
    vec![
        ("a script", "run_custom_training", json!({"script": script, "func_args": {"lr": 0.1}})),
        (
            "a script with everything",
            "run_custom_training",
            json!({"script": script, "func_args": {"lr": 0.1}, "image": "example.org/own:2", "packages": ["einops"],
                "num_nodes": 2, "resources_per_node": {"cpu": 2, "memory": "4Gi", "gpu": 1}, "env": {"SEED": "1"},
                "options": described}),
        ),
        (
            "an image",
            "run_container_training",
            json!({"image": "example.org/own:2", "num_nodes": 2, "resources_per_node": {"memory": "4Gi"},
                "env": {"SEED": "1"}, "command": ["python", "/app/train.py"], "args": ["--epochs=3", "$(SEED)"],
                "options": options}),
        ),
        ("an image alone", "run_container_training", json!({"image": "example.org/own:2"})),
        (
            "a model and a data set",
            "fine_tune",
            json!({"model": model, "dataset": "hf://tatsu-lab/alpaca"}),
        ),
        (
            "adapters with everything",
            "fine_tune",
            json!({"model": model, "dataset": "hf://tatsu-lab/alpaca/data", "batch_size": 4, "epochs": 3, "num_nodes": 1,
                "settings": {"dtype": "bf16", "loss": "torchtune.modules.loss.CEWithChunkedOutputLoss"},
                "resources_per_node": {"gpu": 1, "memory": "32Gi"},
                "lora": {"rank": 8, "alpha": 16, "dropout": 0.1, "apply_to_mlp": true, "apply_to_output": false,
                    "attn_modules": ["q_proj", "k_proj", "v_proj", "output_proj"], "quantize_base": true, "use_dora": false},
                "dataset_format": {"source": "parquet", "split": "train[:95%]", "train_on_input": true,
                    "system_prompt": "You are a helpful assistant.", "column_map": {"input": "instruction", "output": "output"}},
                "env": {"model": {"ACCESS_TOKEN": secret("token")}, "dataset": {"IGNORE_PATTERNS": "*.md"}},
                "options": {"queue": "team", "priority": "high", "time_limit_seconds": 3600}}),
        ),
        (
            "a file, and usual adapters",
            "fine_tune",
            json!({"model": model, "dataset": "hf://tatsu-lab/alpaca/data/train.json", "lora": {}}),
        ),
        (
            "a store",
            "fine_tune",
            json!({"model": "s3://models/llama", "dataset": "s3://sets/alpaca", "runtime": "torchtune-llama3.2-1b",
                "env": {"dataset": {"REGION": "eu-1"}, "model": {"ENDPOINT": "https://s3.example.org",
                    "ACCESS_KEY_ID": secret("id"), "SECRET_ACCESS_KEY": secret("secret"),
                    "ROLE_ARN": "arn:aws:iam::1:role/trainer"}}}),
        ),
    ]
}

#[tokio::test]
async fn the_tools_make_what_the_sdk_makes_for_the_same_wish() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    runtimes::add_host(&cluster.admin(), namespace.name()).await;
    runtimes::add_torchtune(&cluster.admin(), namespace.name(), "localhost/host-python").await;
    let printed = python::run(&namespace, "sdk_wishes.py", &[]).await;
    let theirs: BTreeMap<String, Value> = serde_json::from_str(&printed).expect("JSON");
    let (agent, sent) = listening(&namespace).await;

    let (mut page, mut unexplained) = (PAGE.to_owned(), String::new());
    let (mut wishes, mut used) = (BTreeSet::new(), BTreeSet::new());
    for (wish, tool, mut arguments) in calls() {
        wishes.insert(wish.to_owned());
        arguments["name"] = json!("job");
        if tool != "fine_tune" {
            arguments["runtime"] = json!("host");
        }
        let answer = agent.call(tool, arguments).await;
        let ours = sent.lock().unwrap().pop();
        let ours = ours.unwrap_or_else(|| panic!("{wish}: nothing is sent: {answer}"));
        let mut differing = BTreeMap::new();
        compare("", &plain(&theirs[wish]), &plain(&ours), &mut differing);
        for (field, (theirs, ours)) in differing {
            let row = DIFFERENCES.iter().find(|(pattern, _)| matches(pattern, &field));
            let Some((pattern, why)) = row else {
                unexplained += &format!("{wish}: {field}: the SDK {theirs}, the tool {ours}\n");
                continue;
            };
            used.insert(*pattern);
            // It is another one in each namespace.
            let ours = if field.ends_with("-digest") { "`…`".to_owned() } else { shown(&ours) };
            writeln!(page, "| {wish} | `{field}` | {} | {ours} | {why} |", shown(&theirs)).unwrap();
        }
    }
    assert_eq!(unexplained, "", "no row says why");
    assert_eq!(wishes, theirs.into_keys().collect::<BTreeSet<_>>(), "every wish is made by both");
    for (pattern, _) in DIFFERENCES {
        assert!(used.contains(pattern), "nothing differs any more in {pattern}");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk.md");
    expect_file![file].assert_eq(&page);
}

const PAGE: &str = "\
# TrainJobs of the tools, and of the Kubeflow SDK

Written by `tests/behaviour/clients/wishes.rs` from what the SDK 0.5.0 would send and what the tools
send for the same wishes. Fields that are not listed are equal; a field that differs without a reason
fails the test.

| wish | field | the SDK | the tool | why |
|---|---|---|---|---|
";

/// An agent, and the TrainJobs that are sent in its name.
async fn listening(namespace: &Namespace) -> (Agent, Arc<Mutex<Vec<Value>>>) {
    let client = cluster_client(Some(&namespace.kubeconfig()), None).await.expect("a kubeconfig");
    let sent: Arc<Mutex<Vec<Value>>> = Arc::default();
    let heard = Arc::clone(&sent);
    let through = service_fn(move |request: Request<Body>| {
        let (client, heard) = (client.clone(), Arc::clone(&heard));
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            if parts.method == Method::POST && parts.uri.path().ends_with("/trainjobs") {
                let job = serde_json::from_slice(&body).expect("JSON");
                heard.lock().unwrap().push(job);
            }
            client.send(Request::from_parts(parts, Body::from(body.to_vec()))).await
        }
    });
    let client = Client::new(through, namespace.name());
    (Agent::new(client, Policy::of(Persona::PlatformAdmin)).await, sent)
}

/// Without fields that hold nothing, which the SDK's generated types write out; quantities as text,
/// and variables by their names.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            json!(format!("{number}").trim_end_matches(".0"))
        }
        Value::Array(items) if items.iter().any(|it| it["name"].is_string() && is_variable(it)) => {
            let named = |it: &Value| {
                let mut rest = plain(it);
                let name = rest.as_object_mut()?.remove("name")?;
                Some((name.as_str()?.to_owned(), rest))
            };
            items.iter().filter_map(named).collect()
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.clone(), plain(value)));
            let empty = [Value::Null, json!({}), json!([])];
            fields.filter(|(_, it)| !empty.contains(it)).collect()
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        value => value.clone(),
    }
}

fn is_variable(it: &Value) -> bool {
    it.get("value").is_some() || it.get("valueFrom").is_some()
}

/// Fields by their paths, with what each has; lists of texts are compared by what is in one alone.
fn compare(
    path: &str,
    theirs: &Value,
    ours: &Value,
    differing: &mut BTreeMap<String, (Value, Value)>,
) {
    match (theirs, ours) {
        (theirs, ours) if theirs == ours => {}
        (Value::Object(_), Value::Object(_) | Value::Null) | (Value::Null, Value::Object(_)) => {
            let names = [theirs, ours].into_iter().filter_map(Value::as_object);
            let names: BTreeSet<&String> = names.flat_map(|it| it.keys()).collect();
            for name in names {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                compare(&path, &theirs[name], &ours[name], differing);
            }
        }
        (Value::Array(these), Value::Array(those)) if these.len() == those.len() => {
            for (number, (this, that)) in these.iter().zip(those).enumerate() {
                compare(&format!("{path}[{number}]"), this, that, differing);
            }
        }
        (Value::Array(these), Value::Array(those)) if path.ends_with(".args") => {
            // In their order but for what is only here.
            let common: Vec<&Value> = those.iter().filter(|it| these.contains(it)).collect();
            assert_eq!(common, these.iter().collect::<Vec<_>>(), "{path}");
            for (number, only) in those.iter().enumerate().filter(|(_, it)| !these.contains(it)) {
                differing.insert(format!("{path}[+{number}]"), (Value::Null, only.clone()));
            }
        }
        (theirs, ours) => {
            differing.insert(path.to_owned(), (theirs.clone(), ours.clone()));
        }
    }
}

/// Whether a field is one of those that a pattern names.
fn matches(pattern: &str, field: &str) -> bool {
    let parts: Vec<String> = pattern.split('*').map(regex::escape).collect();
    let pattern = regex::Regex::new(&format!("^{}$", parts.join(".*"))).expect("a pattern");
    pattern.is_match(field)
}

/// A value, or as much of it as a table has room for; what differs from run to run is nobody's.
fn shown(value: &Value) -> String {
    if value.is_null() {
        return "–".to_owned();
    }
    let text = value.to_string().replace('|', "\\|");
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { format!("`{short}…`") } else { format!("`{short}`") }
}
