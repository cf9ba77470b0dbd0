//! The shape of an Experiment: what Katib's own types keep of what is sent, and what they cannot hold.

use serde_json::Value;

use crate::local::template;

enum Shape {
    Text,
    Whole,
    Number,
    Flag,
    /// Whatever it is, it is kept.
    Open,
    /// A whole object of another kind.
    Workload,
    Texts,
    Of(&'static Fields),
    List(&'static Self),
}

use Shape::{Flag, List, Number, Of, Open, Text, Texts, Whole, Workload};

/// A type of Katib's: its name, and its fields.
struct Fields {
    name: &'static str,
    fields: &'static [(&'static str, Shape)],
}

const SPEC: Fields = Fields {
    name: "ExperimentSpec",
    fields: &[
        ("parameters", List(&Of(&PARAMETER))),
        ("objective", Of(&OBJECTIVE)),
        ("algorithm", Of(&ALGORITHM)),
        ("earlyStopping", Of(&EARLY_STOPPING)),
        ("trialTemplate", Of(&TRIAL_TEMPLATE)),
        ("parallelTrialCount", Whole),
        ("maxTrialCount", Whole),
        ("maxFailedTrialCount", Whole),
        ("metricsCollectorSpec", Of(&METRICS_COLLECTOR)),
        ("nasConfig", Open),
        ("resumePolicy", Text),
    ],
};
const PARAMETER: Fields = Fields {
    name: "ParameterSpec",
    fields: &[("name", Text), ("parameterType", Text), ("feasibleSpace", Of(&FEASIBLE_SPACE))],
};
const FEASIBLE_SPACE: Fields = Fields {
    name: "FeasibleSpace",
    fields: &[
        ("max", Text),
        ("min", Text),
        ("list", List(&Text)),
        ("step", Text),
        ("distribution", Text),
    ],
};
const OBJECTIVE: Fields = Fields {
    name: "ObjectiveSpec",
    fields: &[
        ("type", Text),
        ("goal", Number),
        ("objectiveMetricName", Text),
        ("additionalMetricNames", List(&Text)),
        ("metricStrategies", List(&Of(&METRIC_STRATEGY))),
    ],
};
const METRIC_STRATEGY: Fields =
    Fields { name: "MetricStrategy", fields: &[("name", Text), ("value", Text)] };
const ALGORITHM: Fields = Fields {
    name: "AlgorithmSpec",
    fields: &[("algorithmName", Text), ("algorithmSettings", List(&Of(&ALGORITHM_SETTING)))],
};
const ALGORITHM_SETTING: Fields =
    Fields { name: "AlgorithmSetting", fields: &[("name", Text), ("value", Text)] };
const EARLY_STOPPING: Fields = Fields {
    name: "EarlyStoppingSpec",
    fields: &[("algorithmName", Text), ("algorithmSettings", List(&Of(&EARLY_STOPPING_SETTING)))],
};
const EARLY_STOPPING_SETTING: Fields =
    Fields { name: "EarlyStoppingSetting", fields: &[("name", Text), ("value", Text)] };
const TRIAL_TEMPLATE: Fields = Fields {
    name: "TrialTemplate",
    fields: &[
        ("retain", Flag),
        ("trialSpec", Workload),
        ("configMap", Of(&CONFIG_MAP)),
        ("trialParameters", List(&Of(&TRIAL_PARAMETER))),
        ("primaryPodLabels", Texts),
        ("primaryContainerName", Text),
        ("successCondition", Text),
        ("failureCondition", Text),
    ],
};
const CONFIG_MAP: Fields = Fields {
    name: "ConfigMapSource",
    fields: &[("configMapName", Text), ("configMapNamespace", Text), ("templatePath", Text)],
};
const TRIAL_PARAMETER: Fields = Fields {
    name: "TrialParameterSpec",
    fields: &[("name", Text), ("description", Text), ("reference", Text)],
};
const METRICS_COLLECTOR: Fields = Fields {
    name: "MetricsCollectorSpec",
    fields: &[("source", Of(&SOURCE)), ("collector", Of(&COLLECTOR))],
};
const SOURCE: Fields = Fields {
    name: "SourceSpec",
    fields: &[("httpGet", Open), ("fileSystemPath", Of(&FILE)), ("filter", Of(&FILTER))],
};
const FILE: Fields =
    Fields { name: "FileSystemPath", fields: &[("path", Text), ("kind", Text), ("format", Text)] };
const FILTER: Fields = Fields { name: "FilterSpec", fields: &[("metricsFormat", List(&Text))] };
const COLLECTOR: Fields =
    Fields { name: "CollectorSpec", fields: &[("kind", Text), ("customCollector", Open)] };

/// Drops what Katib does not know from a `spec`, or says what it cannot hold.
pub(super) fn fit(spec: &mut Value) -> Result<(), String> {
    keep(spec, &Of(&SPEC), "Experiment", "spec")
}

fn keep(value: &mut Value, shape: &Shape, holder: &str, path: &str) -> Result<(), String> {
    let fits = match (&*value, shape) {
        (Value::Null, _) | (_, Open) => return Ok(()),
        (Value::String(_), Text)
        | (Value::Bool(_), Flag)
        | (Value::Number(_), Number)
        | (Value::Array(_), List(_))
        | (Value::Object(_), Of(_) | Texts | Workload) => true,
        (Value::Number(number), Whole) => {
            number.as_i64().is_some_and(|it| i32::try_from(it).is_ok())
        }
        _ => false,
    };
    if !fits {
        let literal = match (&*value, shape) {
            (Value::Number(number), Whole) => format!(" {number}"),
            _ => String::new(),
        };
        let (sort, wanted) = (sort(value), shape.name());
        return Err(format!(
            "json: cannot unmarshal {sort}{literal} into Go struct field {holder}.{path} of type {wanted}"
        ));
    }
    match (value, shape) {
        (workload, Workload) if workload["kind"].as_str().is_none_or(str::is_empty) => {
            Err(format!("Object 'Kind' is missing in '{}'", template::as_json(workload)))
        }
        (Value::Array(items), List(of)) => {
            items.iter_mut().try_for_each(|item| keep(item, of, holder, path))
        }
        (Value::Object(fields), Texts) => {
            fields.values_mut().try_for_each(|it| keep(it, &Text, holder, path))
        }
        (Value::Object(fields), Of(of)) => {
            fields.retain(|name, _| of.fields.iter().any(|(known, _)| name == known));
            for (name, shape) in of.fields {
                if let Some(value) = fields.get_mut(*name) {
                    keep(value, shape, of.name, &format!("{path}.{name}"))?;
                }
            }
            // Go writes neither what is nothing nor lists of nothing.
            fields.retain(|_, it| !it.is_null() && it.as_array().is_none_or(|it| !it.is_empty()));
            Ok(())
        }
        _ => Ok(()),
    }
}

impl Shape {
    fn name(&self) -> String {
        match self {
            Text => "string".into(),
            Whole => "int32".into(),
            Number => "float64".into(),
            Flag => "bool".into(),
            Open | Workload => "map[string]interface {}".into(),
            Texts => "map[string]string".into(),
            Of(fields) => format!("v1beta1.{}", fields.name),
            List(of) => format!("[]{}", of.name()),
        }
    }
}

fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
