//! What Katib writes into an experiment where it says nothing.

use serde_json::{Value, json};

/// Fills in what is left out of a spec.
pub(super) fn fill(spec: &mut Value) {
    absent(spec, "parallelTrialCount", json!(3));
    absent(spec, "resumePolicy", json!("Never"));
    if spec["objective"].is_object() {
        strategies(&mut spec["objective"]);
    }
    if spec["trialTemplate"]["trialSpec"].is_object() {
        template(&mut spec["trialTemplate"]);
    }
    collector(spec);
    for parameter in spec["parameters"].as_array_mut().into_iter().flatten() {
        absent(&mut parameter["feasibleSpace"], "distribution", json!("uniform"));
    }
    // Looking a field up has made it.
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
}

fn absent(object: &mut Value, field: &str, value: Value) {
    if object[field].is_null() {
        object[field] = value;
    }
}

/// The objective first, where it has no strategy; then the metrics beside it that have none.
fn strategies(objective: &mut Value) {
    let value = match objective["type"].as_str() {
        Some("minimize") => "min",
        Some("maximize") => "max",
        _ => "latest",
    };
    let mut strategies = objective["metricStrategies"].as_array().cloned().unwrap_or_default();
    let metric = objective.get("objectiveMetricName").cloned().unwrap_or_else(|| json!(""));
    let named = |strategies: &[Value], name: &Value| {
        strategies.iter().any(|it| it.get("name").unwrap_or(&json!("")) == name)
    };
    let given = strategies.clone();
    let strategy = |name: &Value| match name.as_str() {
        Some("") | None => json!({ "value": value }),
        Some(name) => json!({ "name": name, "value": value }),
    };
    if !named(&given, &metric) {
        strategies.push(strategy(&metric));
    }
    for name in objective["additionalMetricNames"].as_array().into_iter().flatten() {
        if name == &metric || !named(&given, name) {
            strategies.push(strategy(name));
        }
    }
    objective["metricStrategies"] = strategies.into();
    if let Some(fields) = objective.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
}

/// When a workload of a kind that Katib knows has succeeded or failed, and which Pod counts.
fn template(template: &mut Value) {
    let kind = template["trialSpec"]["kind"].as_str().unwrap_or_default().to_owned();
    let (success, labels) = match kind.as_str() {
        "Job" => ("Complete", None),
        "TrainJob" => (
            "Complete",
            Some(json!({
                "jobset.sigs.k8s.io/replicatedjob-name": "node",
                "batch.kubernetes.io/job-completion-index": "0",
            })),
        ),
        "TFJob" | "PyTorchJob" | "XGBoostJob" | "MPIJob" => {
            ("Succeeded", Some(json!({ "training.kubeflow.org/job-role": "master" })))
        }
        _ => return,
    };
    absent(template, "successCondition", json!(condition(success)));
    absent(template, "failureCondition", json!(condition("Failed")));
    if let Some(labels) = labels {
        absent(template, "primaryPodLabels", labels);
    }
}

fn condition(kind: &str) -> String {
    format!(r#"status.conditions.#(type=="{kind}")#|#(status=="True")#"#)
}

fn collector(spec: &mut Value) {
    absent(spec, "metricsCollectorSpec", json!({}));
    let collects = &mut spec["metricsCollectorSpec"];
    absent(collects, "collector", json!({ "kind": "StdOut" }));
    let (kind, path, format) = match collects["collector"]["kind"].as_str() {
        Some("File") => ("File", "/var/log/katib/metrics.log", Some("TEXT")),
        Some("TensorFlowEvent") => ("Directory", "/var/log/katib/tfevent/", None),
        _ => {
            collects.as_object_mut().expect("it was made").retain(|_, it| !it.is_null());
            return;
        }
    };
    let source = &mut collects["source"]["fileSystemPath"];
    absent(source, "kind", json!(kind));
    absent(source, "path", json!(path));
    if let Some(format) = format {
        absent(source, "format", json!(format));
    }
}
