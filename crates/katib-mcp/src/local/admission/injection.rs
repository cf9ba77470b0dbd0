//! What Katib changes in the Pods of a trial: its labels, its name in the environment, and, where
//! metrics are collected, a collector beside the training and a shell around it.

use std::path::Path;

use local_kube::HOST_PYTHON;
use serde_json::{Value, json};

use crate::api::{Collector, FileSource, MetricsCollector, StoppingRule, TRIAL_LABEL};

/// The container that reads the metrics.
pub(in crate::local) const COLLECTOR: &str = "metrics-logger-and-collector";
const VOLUME: &str = "metrics-volume";
/// Where the shell writes what a training prints.
const PRINTED: &str = "/var/log/katib/metrics.log";
/// What a local cluster collects with.
const PROGRAM: &str = include_str!("../collector.py");

/// Changes a Pod of the trial, or says why Katib refuses it.
pub(super) fn inject(pod: &mut Value, trial: &Value) -> Result<(), String> {
    let spec = &trial["spec"];
    let own_labels = pod["metadata"]["labels"].clone();
    let labels = &mut pod["metadata"]["labels"];
    for (key, value) in trial["metadata"]["labels"].as_object().into_iter().flatten() {
        labels[key] = value.clone();
    }
    labels[TRIAL_LABEL] = trial["metadata"]["name"].clone();
    let primary = spec["primaryContainerName"].as_str().unwrap_or_default();
    let place = place(pod, primary).ok_or_else(|| {
        let shown: Vec<String> = containers(pod).iter().map(in_go).collect();
        let shown = shown.join(" ");
        format!("Unable to find primary container {primary} in mutated pod containers [{shown}]")
    })?;
    let named = json!({"name": "KATIB_TRIAL_NAME", "valueFrom":
        {"fieldRef": {"fieldPath": format!("metadata.labels['{TRIAL_LABEL}']")}}});
    push(&mut pod["spec"]["containers"][place]["env"], named);
    let mut wanted = spec["primaryPodLabels"].as_object().into_iter().flatten();
    if !wanted.all(|(key, value)| own_labels[key] == *value) {
        return Ok(());
    }
    let collector: MetricsCollector =
        serde_json::from_value(spec["metricsCollector"].clone()).unwrap_or_default();
    let Some(followed) = Followed::by(&collector) else { return Ok(()) };
    let wrapped = wrapped(&pod["spec"]["containers"][place], &followed, spec)?;
    let mount = json!({"name": VOLUME, "mountPath": folder(&followed.path)});
    let container = &mut pod["spec"]["containers"][place];
    container["command"] = json!(wrapped.0);
    container["args"] = json!([wrapped.1]);
    push(&mut container["volumeMounts"], mount.clone());
    let container = json!({
        "name": COLLECTOR,
        "image": HOST_PYTHON,
        "imagePullPolicy": "IfNotPresent",
        // Started as bare as Python can be: it starts with each trial.
        "command": ["python3", "-I", "-S", "-c", PROGRAM],
        "args": arguments(trial, &collector, &followed),
        "volumeMounts": [mount],
    });
    push(&mut pod["spec"]["containers"], container);
    push(&mut pod["spec"]["volumes"], json!({"name": VOLUME, "emptyDir": {}}));
    pod["spec"]["shareProcessNamespace"] = json!(true);
    Ok(())
}

/// The file that a collector follows.
struct Followed {
    path: String,
    /// Whether the shell writes it, from what the training prints.
    printed: bool,
    format: String,
}

impl Followed {
    /// Nothing of what a local cluster cannot collect, which it takes no experiment for.
    fn by(collector: &MetricsCollector) -> Option<Self> {
        let kind = collector.collector.as_ref().and_then(|it: &Collector| it.kind.as_deref());
        let source = collector.source.as_ref().and_then(|it| it.file_system_path.clone());
        let FileSource { path, format, .. } = source.unwrap_or_default();
        match kind {
            Some("StdOut") => {
                Some(Self { path: PRINTED.into(), printed: true, format: "TEXT".into() })
            }
            Some("File") => Some(Self {
                path: path.unwrap_or_else(|| PRINTED.into()),
                printed: false,
                format: format.unwrap_or_else(|| "TEXT".into()),
            }),
            _ => None,
        }
    }
}

fn arguments(trial: &Value, collector: &MetricsCollector, followed: &Followed) -> Vec<String> {
    let spec = &trial["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let objective = &spec["objective"];
    let additional = objective["additionalMetricNames"].as_array().into_iter().flatten();
    let names: Vec<_> =
        std::iter::once(&objective["objectiveMetricName"]).chain(additional).map(text).collect();
    let mut arguments = Vec::new();
    let mut say = |option: &str, value: String| arguments.extend([option.to_owned(), value]);
    say("-t", text(&trial["metadata"]["name"]));
    say("-m", names.join(";"));
    say("-o-type", text(&objective["type"]));
    say("-path", followed.path.clone());
    let filter = collector.source.as_ref().and_then(|it| it.filter.as_ref());
    if let Some(filter) = filter.filter(|it| !it.metrics_format.is_empty()) {
        say("-f", filter.metrics_format.join(";"));
    }
    say("-format", followed.format.clone());
    for rule in rules(spec) {
        let StoppingRule { name, value, comparison, start_step } = rule;
        let start = start_step.unwrap_or_default();
        say("-stop-rule", format!("{name};{value};{comparison};{start}"));
    }
    arguments
}

/// The shell and the line for it: all arguments in a row, with what marks the end.
fn wrapped(
    container: &Value,
    followed: &Followed,
    spec: &Value,
) -> Result<(Vec<String>, String), String> {
    let words = |field: &str| -> Vec<String> {
        let words = container[field].as_array().into_iter().flatten();
        words.map(|it| it.as_str().unwrap_or_default().to_owned()).collect()
    };
    let mut shell = vec!["sh".to_owned(), "-c".to_owned()];
    let mut line = words("command");
    if line.is_empty() {
        let image = &container["image"];
        return Err(format!(
            "the command of a trial's container must be specified: no registry is asked what {image} runs"
        ));
    }
    line.extend(words("args"));
    if matches!(line[0].as_str(), "sh" | "bash") && line.get(1).is_some_and(|it| it == "-c") {
        shell = line.drain(..2).collect();
    }
    if followed.printed {
        line.push(format!("1>{} 2>&1", followed.path));
    }
    let folder = folder(&followed.path);
    if spec["earlyStoppingRules"].is_array() {
        line.push("||".to_owned());
        line.push(format!(
            "if test -f {folder}/$$$$.pid && [ $(head -n 1 {folder}/$$.pid) = early-stopped ]; \
             then echo Training Container was Early Stopped; \
             else echo Training Container was Failed; exit 1; fi"
        ));
    }
    line.push(format!("&& echo completed > {folder}/$$$$.pid"));
    Ok((shell, line.join(" ")))
}

fn rules(spec: &Value) -> Vec<StoppingRule> {
    serde_json::from_value(spec["earlyStoppingRules"].clone()).unwrap_or_default()
}

fn folder(path: &str) -> String {
    let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
    folder.to_string_lossy().into_owned()
}

fn containers(pod: &Value) -> &[Value] {
    pod["spec"]["containers"].as_array().map_or(&[], Vec::as_slice)
}

fn place(pod: &Value, name: &str) -> Option<usize> {
    containers(pod).iter().position(|it| it["name"] == name)
}

/// Appends to a list that may not be there.
fn push(list: &mut Value, item: Value) {
    match list {
        Value::Array(items) => items.push(item),
        other => *other = json!([item]),
    }
}

/// A container, as Go prints it, as far as it is told by name, image and command.
fn in_go(container: &Value) -> String {
    let text = |field: &str| container[field].as_str().unwrap_or_default();
    let words = |field: &str| {
        let words = container[field].as_array().into_iter().flatten();
        words.filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
    };
    format!("{{{} {} [{}] [{}]  […}}", text("name"), text("image"), words("command"), words("args"))
}
