//! How metrics are collected, as far as a local cluster can.

use regex::Regex;
use serde_json::Value;

use super::fields::{Fault, invalid, required};

const COLLECTOR: &str = "spec.metricsCollectorSpec.collector";
const SOURCE: &str = "spec.metricsCollectorSpec.source";
/// What needs services that a local cluster does not have.
const ELSEWHERE: [(&str, &str); 3] = [
    ("TensorFlowEvent", "events of TensorFlow"),
    ("Push", "metrics that are pushed to Katib's database"),
    ("Custom", "the metrics of a collector of one's own"),
];

pub(super) fn faults(spec: &Value) -> Vec<Fault> {
    let kind = spec["collector"]["kind"].as_str().unwrap_or_default();
    let of_kind = |why: &str| invalid(&format!("{COLLECTOR}.kind"), &kind.into(), why);
    match kind {
        // Its filter is never looked at.
        "StdOut" => Vec::new(),
        "File" => file(&spec["source"]).into_iter().chain(formats(&spec["source"])).collect(),
        "PrometheusMetric" => vec![of_kind(
            "GetMetricsCollectorConfigData failed: failed to find metrics collector config for \
             kind: PrometheusMetric in ConfigMap: katib-config",
        )],
        other => match ELSEWHERE.iter().find(|(name, _)| *name == other) {
            Some((_, what)) => vec![of_kind(&format!(
                "a local cluster does not collect {what}: use StdOut or File"
            ))],
            None => vec![of_kind(&format!("invalid metrics collector kind: {other}"))],
        },
    }
}

fn file(source: &Value) -> Vec<Fault> {
    let file = &source["fileSystemPath"];
    let text = |field: &str| file[field].as_str().unwrap_or_default();
    let mut faults = Vec::new();
    if text("kind") != "File" || !text("path").starts_with('/') {
        let why = "file path where metrics file exists is required";
        faults.push(required(&format!("{SOURCE}.fileSystemPath.path"), why));
    }
    if !["TEXT", "JSON"].contains(&text("format")) {
        let why = "format of metrics file is required for metrics collector";
        faults.push(required(&format!("{SOURCE}.fileSystemPath.format"), why));
    }
    if text("format") == "JSON" && !source["filter"].is_null() {
        let why = "filter must be nil when format of metrics file is json";
        faults.push(invalid(&format!("{SOURCE}.filter"), &"".into(), why));
    }
    faults
}

/// Each format must find a name and a value.
fn formats(source: &Value) -> Vec<Fault> {
    let field = format!("{SOURCE}.filter.metricsFormat");
    let groups = Regex::new(r".*\(.*\).*\(.*\).*").expect("an expression of ours");
    let formats = source["filter"]["metricsFormat"].as_array().into_iter().flatten();
    let of_format = |format: &Value| {
        let text = format.as_str().unwrap_or_default();
        match Regex::new(text) {
            Err(error) => {
                let last = error.to_string();
                let last = last.lines().last().unwrap_or_default().trim_start_matches("error: ");
                let why = format!("invalid filter: error parsing regexp: {last}: `{text}`");
                Some(invalid(&field, format, &why))
            }
            Ok(_) if !groups.is_match(text) => {
                Some(invalid(&field, format, "two top subexpressions are required"))
            }
            Ok(_) => None,
        }
    };
    formats.filter_map(of_format).collect()
}
