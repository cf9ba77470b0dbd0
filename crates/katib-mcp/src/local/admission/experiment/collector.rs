//! What is wrong with how metrics are collected, and what a local cluster cannot collect.

use std::{path::Path, sync::LazyLock};

use regex::Regex;

use crate::{
    api::{FileSource, MetricsCollector, Source},
    local::admission::faults::Faults,
};

const KIND: &str = "spec.metricsCollectorSpec.collector.kind";
const FILE: &str = "spec.metricsCollectorSpec.source.fileSystemPath";
const FILTER: &str = "spec.metricsCollectorSpec.source.filter";

static TWO_GROUPS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r".*\(.*\).*\(.*\).*").expect("a valid expression"));

pub(super) fn judge(faults: &mut Faults, spec: Option<&MetricsCollector>) {
    let spec = spec.cloned().unwrap_or_default();
    let collector = spec.collector.unwrap_or_default();
    let kind = collector.kind.as_deref().unwrap_or_default();
    let source = spec.source.unwrap_or_default();
    match kind {
        "StdOut" => return,
        "File" => file(faults, &source),
        "Push" => {
            let why = "has no database that a training could report to; print the metrics, and use StdOut";
            faults.lacks(KIND, kind, why);
            return;
        }
        "TensorFlowEvent" => {
            events(faults, source.file_system_path.as_ref());
            let why = "does not read the events of TensorFlow; print the metrics, and use StdOut";
            faults.lacks(KIND, kind, why);
        }
        "PrometheusMetric" => {
            let why = "GetMetricsCollectorConfigData failed: failed to find metrics collector config \
                       for kind: PrometheusMetric in ConfigMap: katib-config";
            faults.invalid(KIND, &kind, why);
        }
        "Custom" => {
            if collector.custom_collector.is_none() {
                let why = "metrics collector kind: Custom is required";
                faults.required("spec.metricsCollectorSpec.collector.customCollector", why);
            }
            let why = "has no database that a collector could report to; print the metrics, and use StdOut";
            faults.lacks(KIND, kind, why);
        }
        _ => faults.invalid(KIND, &kind, &format!("invalid metrics collector kind: {kind}")),
    }
    for format in source.filter.iter().flat_map(|it| &it.metrics_format) {
        let field = format!("{FILTER}.metricsFormat");
        if let Err(error) = Regex::new(format) {
            faults.invalid(&field, format, &format!("invalid filter: {}", in_go(format, &error)));
        } else if !TWO_GROUPS.is_match(format) {
            faults.invalid(&field, format, "two top subexpressions are required");
        }
    }
}

fn file(faults: &mut Faults, source: &Source) {
    let file = source.file_system_path.clone().unwrap_or_default();
    if file.kind.as_deref() != Some("File") || !is_absolute(&file) {
        let why = "file path where metrics file exists is required";
        faults.required(&format!("{FILE}.path"), why);
    }
    let format = file.format.as_deref().unwrap_or_default();
    if !["TEXT", "JSON"].contains(&format) {
        let why = "format of metrics file is required for metrics collector";
        faults.required(&format!("{FILE}.format"), why);
    }
    if format == "JSON" && source.filter.is_some() {
        faults.invalid(FILTER, &"", "filter must be nil when format of metrics file is json");
    }
}

fn events(faults: &mut Faults, file: Option<&FileSource>) {
    let file = file.cloned().unwrap_or_default();
    if file.kind.as_deref() != Some("Directory") || !is_absolute(&file) {
        let why = "directory path where tensorflow event files exist is required by .spec.metricsCollectorSpec.source.fileSystemPath.path";
        faults.required("spec.metricsCollectorSpec.source", why);
    }
    if let Some(format) = file.format.filter(|it| !it.is_empty()) {
        faults.invalid(&format!("{FILE}.format"), &format, "must be empty");
    }
}

fn is_absolute(file: &FileSource) -> bool {
    file.path.as_deref().is_some_and(|it| Path::new(it).has_root())
}

/// The commonest mistakes in expressions, in Go's words.
fn in_go(format: &str, error: &regex::Error) -> String {
    let told = error.to_string();
    let what = if told.contains("unclosed group") {
        format!("missing closing ): `{format}`")
    } else if let Some(at) = format.find("(?").filter(|_| told.contains("look-around")) {
        let end = format[at..].char_indices().nth(3).map_or(format.len(), |(end, _)| at + end);
        format!("invalid or unsupported Perl syntax: `{}`", &format[at..end])
    } else {
        let told = told.lines().last().unwrap_or_default();
        format!("{}: `{format}`", told.trim_start_matches("error: "))
    };
    format!("error parsing regexp: {what}")
}
