//! An experiment as Katib's program reads and writes it again: fields that it does not know and such
//! as say nothing are gone, and a value of the wrong type is an error in Go's words.

use serde_json::{Map, Value};

/// What a field may hold, as Katib's Go types have it.
enum Shape {
    Text,
    Count,
    Number,
    Flag,
    Texts,
    Counts,
    Labels,
    /// Any object of Kubernetes.
    Workload,
    Container,
    /// What is kept as it is.
    Any,
    Struct(&'static Struct),
    Structs(&'static Struct),
    /// Written even if it is empty.
    Part(&'static Struct),
}

struct Struct {
    name: &'static str,
    fields: &'static [(&'static str, Shape)],
}

use Shape::{
    Any, Container, Count, Counts, Flag, Labels, Number, Part, Struct as One, Structs, Text, Texts,
    Workload,
};

static SPEC: Struct = Struct {
    name: "ExperimentSpec",
    fields: &[
        ("parameters", Structs(&PARAMETER)),
        ("objective", One(&OBJECTIVE)),
        ("algorithm", One(&ALGORITHM)),
        ("earlyStopping", One(&EARLY_STOPPING)),
        ("trialTemplate", One(&TEMPLATE)),
        ("parallelTrialCount", Count),
        ("maxTrialCount", Count),
        ("maxFailedTrialCount", Count),
        ("metricsCollectorSpec", One(&COLLECTION)),
        ("nasConfig", One(&NAS)),
        ("resumePolicy", Text),
    ],
};

static PARAMETER: Struct = Struct {
    name: "ParameterSpec",
    fields: &[("name", Text), ("parameterType", Text), ("feasibleSpace", Part(&SPACE))],
};

static SPACE: Struct = Struct {
    name: "FeasibleSpace",
    fields: &[
        ("max", Text),
        ("min", Text),
        ("list", Texts),
        ("step", Text),
        ("distribution", Text),
    ],
};

static OBJECTIVE: Struct = Struct {
    name: "ObjectiveSpec",
    fields: &[
        ("type", Text),
        ("goal", Number),
        ("objectiveMetricName", Text),
        ("additionalMetricNames", Texts),
        ("metricStrategies", Structs(&STRATEGY)),
    ],
};

static STRATEGY: Struct =
    Struct { name: "MetricStrategy", fields: &[("name", Text), ("value", Text)] };

static ALGORITHM: Struct = Struct {
    name: "AlgorithmSpec",
    fields: &[("algorithmName", Text), ("algorithmSettings", Structs(&SETTING))],
};

static SETTING: Struct =
    Struct { name: "AlgorithmSetting", fields: &[("name", Text), ("value", Text)] };

static EARLY_STOPPING: Struct = Struct {
    name: "EarlyStoppingSpec",
    fields: &[("algorithmName", Text), ("algorithmSettings", Structs(&STOPPING_SETTING))],
};

static STOPPING_SETTING: Struct =
    Struct { name: "EarlyStoppingSetting", fields: &[("name", Text), ("value", Text)] };

static TEMPLATE: Struct = Struct {
    name: "TrialTemplate",
    fields: &[
        ("retain", Flag),
        ("trialSpec", Workload),
        ("configMap", One(&CONFIG_MAP)),
        ("trialParameters", Structs(&TRIAL_PARAMETER)),
        ("primaryPodLabels", Labels),
        ("primaryContainerName", Text),
        ("successCondition", Text),
        ("failureCondition", Text),
    ],
};

static CONFIG_MAP: Struct = Struct {
    name: "ConfigMapSource",
    fields: &[("configMapName", Text), ("configMapNamespace", Text), ("templatePath", Text)],
};

static TRIAL_PARAMETER: Struct = Struct {
    name: "TrialParameterSpec",
    fields: &[("name", Text), ("description", Text), ("reference", Text)],
};

static COLLECTION: Struct = Struct {
    name: "MetricsCollectorSpec",
    fields: &[("source", One(&SOURCE)), ("collector", One(&COLLECTOR))],
};

static SOURCE: Struct = Struct {
    name: "SourceSpec",
    fields: &[("httpGet", Any), ("fileSystemPath", One(&FILE)), ("filter", One(&FILTER))],
};

static FILE: Struct =
    Struct { name: "FileSystemPath", fields: &[("path", Text), ("kind", Text), ("format", Text)] };

static FILTER: Struct = Struct { name: "FilterSpec", fields: &[("metricsFormat", Texts)] };

static COLLECTOR: Struct =
    Struct { name: "CollectorSpec", fields: &[("kind", Text), ("customCollector", Container)] };

static NAS: Struct = Struct {
    name: "NasConfig",
    fields: &[("graphConfig", Part(&GRAPH)), ("operations", Structs(&OPERATION))],
};

static GRAPH: Struct = Struct {
    name: "GraphConfig",
    fields: &[("numLayers", Count), ("inputSizes", Counts), ("outputSizes", Counts)],
};

static OPERATION: Struct = Struct {
    name: "Operation",
    fields: &[("operationType", Text), ("parameters", Structs(&PARAMETER))],
};

/// Leaves of an experiment what Katib's program writes again.
pub(super) fn read(experiment: &mut Value) -> Result<(), String> {
    if experiment["spec"].is_null() {
        experiment["spec"] = Value::Object(Map::new());
    }
    fields(&mut experiment["spec"], &SPEC, "Experiment", "spec")
}

/// A value whose type is a struct, which a field of another struct holds.
fn fields(value: &mut Value, of: &Struct, holder: &str, path: &str) -> Result<(), String> {
    if !value.is_object() {
        return Err(misfit(value, holder, path, &format!("v1beta1.{}", of.name)));
    }
    let given = value.as_object_mut().expect("looked at above");
    given.retain(|key, value| !value.is_null() && of.fields.iter().any(|(name, _)| name == key));
    for (name, shape) in of.fields {
        let at = format!("{path}.{name}");
        if let Part(part) = shape {
            let value = given.entry(*name).or_insert_with(|| Value::Object(Map::new()));
            fields(value, part, of.name, &at)?;
        } else if let Some(value) = given.get_mut(*name) {
            field(value, shape, of.name, &at)?;
        }
    }
    given.retain(|name, value| {
        let shape = of.fields.iter().find(|it| it.0 == name).map(|it| &it.1);
        !shape.is_some_and(|it| says_nothing(it, value))
    });
    Ok(())
}

fn field(value: &mut Value, shape: &Shape, holder: &str, path: &str) -> Result<(), String> {
    let fits = |fits: bool, value: &Value, wanted: &str| {
        if fits { Ok(()) } else { Err(misfit(value, holder, path, wanted)) }
    };
    match shape {
        Text => fits(value.is_string(), value, "string"),
        Flag => fits(value.is_boolean(), value, "bool"),
        Number => fits(value.is_number(), value, "float64"),
        Count => fits(is_count(value), value, "int32"),
        Texts => items(value, holder, path, "[]string", |it| (it.is_string(), "string")),
        Counts => items(value, holder, path, "[]int32", |it| (is_count(it), "int32")),
        Labels => {
            fits(value.is_object(), value, "map[string]string")?;
            let wrong = value.as_object().into_iter().flatten().find(|it| !it.1.is_string());
            wrong.map_or(Ok(()), |(_, it)| Err(misfit(it, holder, path, "string")))
        }
        Workload => workload(value),
        Container => {
            fits(value.is_object(), value, "v1.Container")?;
            for (field, empty) in [("name", Value::from("")), ("resources", Map::new().into())] {
                if value[field].is_null() {
                    value[field] = empty;
                }
            }
            Ok(())
        }
        Any => Ok(()),
        One(of) | Part(of) => fields(value, of, holder, path),
        Structs(of) => {
            let wanted = format!("[]v1beta1.{}", of.name);
            let Some(items) = value.as_array_mut() else {
                return Err(misfit(value, holder, path, &wanted));
            };
            items.iter_mut().try_for_each(|it| {
                if it.is_null() {
                    *it = Value::Object(Map::new());
                }
                fields(it, of, holder, path)
            })
        }
    }
}

fn items(
    value: &Value,
    holder: &str,
    path: &str,
    list: &str,
    fits: impl Fn(&Value) -> (bool, &'static str),
) -> Result<(), String> {
    let Some(items) = value.as_array() else { return Err(misfit(value, holder, path, list)) };
    items.iter().try_for_each(|it| match fits(it) {
        (true, _) => Ok(()),
        (false, wanted) => Err(misfit(it, holder, path, wanted)),
    })
}

fn is_count(value: &Value) -> bool {
    value.as_i64().is_some_and(|it| i32::try_from(it).is_ok())
}

fn workload(value: &Value) -> Result<(), String> {
    if value["kind"].as_str().unwrap_or_default().is_empty() {
        return Err(format!("Object 'Kind' is missing in '{value}'"));
    }
    Ok(())
}

/// Whether Go leaves it out when it writes.
fn says_nothing(shape: &Shape, value: &Value) -> bool {
    match shape {
        Text => value == "",
        Flag => value == false,
        Texts | Counts | Structs(_) => value.as_array().is_some_and(Vec::is_empty),
        Labels => value.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}

fn misfit(value: &Value, holder: &str, path: &str, wanted: &str) -> String {
    let given = match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) if wanted == "int32" => format!("number {number}"),
        Value::Number(_) => "number".to_owned(),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Object(_) => "object".to_owned(),
    };
    format!("json: cannot unmarshal {given} into Go struct field {holder}.{path} of type {wanted}")
}
