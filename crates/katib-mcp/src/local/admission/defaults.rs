//! What Katib fills in where an Experiment does not say.

use serde_json::{Value, json};

/// The success and failure conditions of workloads that Katib knows.
const COMPLETE: &str = "Complete";
const SUCCEEDED: &str = "Succeeded";

/// Fills in a `spec` of the right shape.
pub(super) fn fill(spec: &mut Value) {
    absent(&mut spec["parallelTrialCount"], || json!(3));
    blank(&mut spec["resumePolicy"], || json!("Never"));
    strategies(&mut spec["objective"]);
    template(&mut spec["trialTemplate"]);
    collector(&mut spec["metricsCollectorSpec"]);
    for parameter in spec["parameters"].as_array_mut().into_iter().flatten() {
        blank(&mut parameter["feasibleSpace"]["distribution"], || json!("uniform"));
    }
    let Some(spec) = spec.as_object_mut() else { return };
    spec.retain(|_, it| !it.is_null());
}

fn absent(field: &mut Value, default: impl FnOnce() -> Value) {
    if field.is_null() {
        *field = default();
    }
}

fn blank(field: &mut Value, default: impl FnOnce() -> Value) {
    if field.as_str().is_none_or(str::is_empty) {
        *field = default();
    }
}

/// The objective and every additional metric count as the direction asks for.
fn strategies(objective: &mut Value) {
    if !objective.is_object() {
        return;
    }
    let value = match objective["type"].as_str() {
        Some("minimize") => "min",
        Some("maximize") => "max",
        _ => "latest",
    };
    let name = objective["objectiveMetricName"].as_str().unwrap_or_default();
    let additional = objective["additionalMetricNames"].as_array().into_iter().flatten();
    let names = std::iter::once(name).chain(additional.filter_map(Value::as_str));
    let names: Vec<String> = names.map(str::to_owned).collect();
    let mut strategies = objective["metricStrategies"].as_array().cloned().unwrap_or_default();
    for name in names {
        if !strategies.iter().any(|it| it["name"] == name.as_str()) {
            strategies.push(json!({"name": name, "value": value}));
        }
    }
    objective["metricStrategies"] = json!(strategies);
}

fn template(template: &mut Value) {
    let (success, labels) = match template["trialSpec"]["kind"].as_str() {
        Some("Job") => (COMPLETE, None),
        Some("TrainJob") => (
            COMPLETE,
            Some(json!({
                "jobset.sigs.k8s.io/replicatedjob-name": "node",
                "batch.kubernetes.io/job-completion-index": "0",
            })),
        ),
        Some("TFJob" | "PyTorchJob" | "XGBoostJob" | "MPIJob") => {
            (SUCCEEDED, Some(json!({"training.kubeflow.org/job-role": "master"})))
        }
        _ => return,
    };
    blank(&mut template["successCondition"], || condition(success));
    blank(&mut template["failureCondition"], || condition("Failed"));
    if let Some(labels) = labels
        && template["primaryPodLabels"].as_object().is_none_or(serde_json::Map::is_empty)
    {
        template["primaryPodLabels"] = labels;
    }
}

fn condition(type_: &str) -> Value {
    json!(format!(r#"status.conditions.#(type=="{type_}")#|#(status=="True")#"#))
}

fn collector(spec: &mut Value) {
    absent(&mut spec["collector"], || json!({"kind": "StdOut"}));
    let (kind, path, format) = match spec["collector"]["kind"].as_str() {
        Some("File") => ("File", "/var/log/katib/metrics.log", Some("TEXT")),
        Some("TensorFlowEvent") => ("Directory", "/var/log/katib/tfevent/", None),
        _ => return,
    };
    let file = &mut spec["source"]["fileSystemPath"];
    blank(&mut file["kind"], || json!(kind));
    blank(&mut file["path"], || json!(path));
    if let Some(format) = format {
        blank(&mut file["format"], || json!(format));
    }
}
