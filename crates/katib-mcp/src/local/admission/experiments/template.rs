//! The template of trials: what it runs, and which of its placeholders stand for which parameter.

use k8s_openapi::api::{batch::v1::Job, core::v1::ConfigMap};
use kube::{Api, Client};
use regex::Regex;
use serde_json::Value;

use super::{
    fields::{Fault, invalid, required},
    space,
};

const FIELD: &str = "spec.trialTemplate";
/// What of a trial itself a parameter may stand for.
const METADATA: [&str; 6] = ["Name", "Namespace", "Kind", "APIVersion", "Annotations", "Labels"];

pub(super) async fn faults(spec: &Value, client: &Client) -> Vec<Fault> {
    let template = &spec["trialTemplate"];
    if template.is_null() {
        return vec![required(FIELD, "must be specified")];
    }
    let mut faults = Vec::new();
    let absent = |field: &str| template[field].as_str().unwrap_or_default().is_empty();
    if absent("primaryContainerName") {
        faults.push(required(&format!("{FIELD}.primaryContainerName"), "must be specified"));
    }
    if absent("successCondition") || absent("failureCondition") {
        faults.push(required(FIELD, "successCondition and failureCondition must be specified"));
    }
    if let Some(fault) = source(template) {
        faults.push(fault);
        return faults;
    }
    let text = match text(template, client).await {
        Ok(text) => text,
        Err(why) => {
            let why = format!("unable to parse spec.trialTemplate: {why}");
            faults.push(of_template(&why));
            return faults;
        }
    };
    let mut placeholders = Placeholders { text, faults };
    if placeholders.replace(spec) {
        placeholders.judge_rest(template);
        placeholders.judge_workload();
    }
    placeholders.faults
}

/// The first thing that it lacks to be looked at at all.
fn source(template: &Value) -> Option<Fault> {
    let (spec, map) = (&template["trialSpec"], &template["configMap"]);
    let told = |field: &str| !map[field].as_str().unwrap_or_default().is_empty();
    let (field, why) = if template["trialParameters"].is_null() {
        (".trialParameters", "must be specified")
    } else if spec.is_null() && map.is_null() {
        (
            ".TrialSource",
            "spec.trialTemplate.trialSpec or spec.trialTemplate.configMap must be specified",
        )
    } else if !spec.is_null() && !map.is_null() {
        (
            "",
            "only one of spec.trialTemplate.trialSpec or spec.trialTemplate.configMap can be specified",
        )
    } else if !map.is_null()
        && !["configMapName", "configMapNamespace", "templatePath"].into_iter().all(told)
    {
        (".configMap", "configMapName, configMapNamespace and templatePath must be specified")
    } else {
        return None;
    };
    Some(required(&format!("{FIELD}{field}"), why))
}

/// The text in which placeholders are replaced.
async fn text(template: &Value, client: &Client) -> Result<String, String> {
    if template["trialSpec"].is_object() {
        return Ok(format!("{}\n", template["trialSpec"]));
    }
    let field = |name: &str| template["configMap"][name].as_str().unwrap_or_default();
    let (name, path) = (field("configMapName"), field("templatePath"));
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), field("configMapNamespace"));
    let missing = |why: String| format!("configMap not found: {why}");
    let map = match maps.get(name).await {
        Ok(map) => map.data.unwrap_or_default(),
        Err(kube::Error::Api(status)) if status.code == 404 => {
            return Err(missing(format!("ConfigMap {name:?} not found")));
        }
        Err(error) => return Err(missing(error.to_string())),
    };
    map.get(path).cloned().ok_or_else(|| {
        format!(
            "unable to find trial template in ConfigMap: TemplatePath: {path}, ConfigMap: {name}"
        )
    })
}

/// A template's text while its placeholders are replaced, one after the other.
struct Placeholders {
    text: String,
    faults: Vec<Fault>,
}

impl Placeholders {
    /// Replaces those of all trial parameters; false where Katib looks no further.
    fn replace(&mut self, spec: &Value) -> bool {
        let list = &spec["trialTemplate"]["trialParameters"];
        let mut seen: Vec<(&str, &str)> = Vec::new();
        for (place, parameter) in list.as_array().into_iter().flatten().enumerate() {
            let at = format!("{FIELD}.trialParameters[{place}]");
            let text = |field: &str| parameter[field].as_str().unwrap_or_default();
            let (name, reference) = (text("name"), text("reference"));
            if name.is_empty() || reference.is_empty() || name.contains(['{', '}']) {
                let why =
                    "name and reference must be specified and name must not contain '{' or '}'";
                self.faults.push(invalid(&at, &"".into(), why));
                continue;
            }
            let twice = |what: &str, value: &str| {
                let list = in_go(list);
                format!(
                    "parameter {what} {value} can't be duplicated in spec.trialTemplate.trialParameters: {list}"
                )
            };
            if seen.iter().any(|it| it.0 == name) {
                let why = twice("name", name);
                self.faults.push(invalid(&format!("{at}.name"), &name.into(), &why));
                continue;
            }
            if seen.iter().any(|it| it.1 == reference) {
                let why = twice("reference", reference);
                self.faults.push(invalid(&format!("{at}.reference"), &reference.into(), &why));
                continue;
            }
            seen.push((name, reference));
            if !is_searched(spec, reference) && !is_metadata(reference) {
                let parameters = space::in_go(spec);
                let why = format!(
                    "parameter reference {reference} does not exist in spec.parameters: {parameters}"
                );
                self.faults.push(invalid(&format!("{at}.reference"), &reference.into(), &why));
            }
            let placeholder = format!("${{trialParameters.{name}}}");
            if !self.text.contains(&placeholder) {
                let why = format!(
                    "parameter name: {name} in spec.trialParameters not found in spec.trialTemplate: {}",
                    self.text
                );
                self.faults.push(invalid(&format!("{at}.name"), &name.into(), &why));
                return false;
            }
            self.text = self.text.replace(&placeholder, "test-value");
        }
        true
    }

    /// No placeholder may be left.
    fn judge_rest(&mut self, template: &Value) {
        let pattern = Regex::new(r"\$\{trialParameters\..+?\}").expect("an expression of ours");
        let rest: Vec<&str> = pattern.find_iter(&self.text).map(|it| it.as_str()).collect();
        if !rest.is_empty() {
            let why = format!(
                "parameters: [{}] in spec.trialTemplate not found in spec.trialParameters: {}",
                rest.join(" "),
                in_go(&template["trialParameters"])
            );
            self.faults.push(of_template(&why));
        }
    }

    fn judge_workload(&mut self) {
        let Ok(workload) = serde_saphyr::from_str::<Value>(&self.text) else {
            let why =
                format!("unable to convert spec.trialTemplate: {} to unstructured", self.text);
            self.faults.push(of_template(&why));
            return;
        };
        let named =
            |field: &str| !workload["metadata"][field].as_str().unwrap_or_default().is_empty();
        if named("name") || named("namespace") {
            let why = "metadata.name and metadata.namespace in spec.trialTemplate must be omitted";
            self.faults.push(of_template(why));
        }
        let absent = |field: &str| workload[field].as_str().unwrap_or_default().is_empty();
        if absent("apiVersion") || absent("kind") {
            let why = "APIVersion and Kind in spec.trialTemplate must be specified";
            self.faults.push(required(FIELD, why));
        }
        if workload["apiVersion"] == "batch/v1"
            && workload["kind"] == "Job"
            && let Some(why) = no_job(&workload)
        {
            self.faults.push(of_template(&format!("invalid spec.trialTemplate: {why}")));
        }
    }
}

fn of_template(why: &str) -> Fault {
    invalid(FIELD, &"".into(), why)
}

fn is_searched(spec: &Value, reference: &str) -> bool {
    let parameters = spec["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    // Without any, an architecture is searched.
    parameters.is_empty() || parameters.iter().any(|it| it["name"] == reference)
}

/// `${trialSpec.Name}`, or an entry as in `${trialSpec.Labels[team]}`.
fn is_metadata(reference: &str) -> bool {
    let Some((_, rest)) = reference.split_once("${trialSpec.") else { return false };
    let Some((key, _)) = rest.split_once('}') else { return false };
    let entry = key.split_once('[').filter(|(_, rest)| rest.len() > 1 && rest.contains(']'));
    METADATA.contains(&key) || entry.is_some_and(|(key, _)| METADATA.contains(&key))
}

/// What keeps a workload from being a Job: a value of the wrong type, or a field that Jobs lack.
fn no_job(workload: &Value) -> Option<String> {
    let mut plain = workload.clone();
    quantities_as_text(&mut plain);
    let job: Job = match serde_json::from_value(plain.clone()) {
        Ok(job) => job,
        Err(error) => {
            let workload = object_in_go(workload);
            return Some(format!(
                "unable to convert spec.TrialTemplate: {workload} to Job: {error}"
            ));
        }
    };
    let read = serde_json::to_value(job).ok()?;
    let (path, value) = lost(&plain, &read, "")?;
    Some(format!(
        "unable to convert: {path} - {} to Job, converted template: {read}",
        object_in_go(value)
    ))
}

/// Amounts of devices may be numbers.
fn quantities_as_text(workload: &mut Value) {
    let pod = &mut workload["spec"]["template"]["spec"];
    for list in ["containers", "initContainers"] {
        for container in pod[list].as_array_mut().into_iter().flatten() {
            for part in ["limits", "requests"] {
                let amounts = container.pointer_mut(&format!("/resources/{part}"));
                for amount in amounts.and_then(Value::as_object_mut).into_iter().flatten() {
                    if amount.1.is_number() {
                        *amount.1 = amount.1.to_string().into();
                    }
                }
            }
        }
    }
    // Looking a field up has made it.
    if let Some(pod) = pod.as_object_mut() {
        pod.retain(|_, value| !value.is_null());
    }
}

/// The first field that is not among those that were read.
fn lost<'a>(given: &'a Value, read: &Value, at: &str) -> Option<(String, &'a Value)> {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => given.iter().find_map(|(key, value)| {
            let at = format!("{at}/{key}");
            match read.get(key) {
                Some(read) => lost(value, read, &at),
                None if value.is_null() => None,
                None => Some((at, value)),
            }
        }),
        (Value::Array(given), Value::Array(read)) => given
            .iter()
            .zip(read)
            .enumerate()
            .find_map(|(place, (given, read))| lost(given, read, &format!("{at}/{place}"))),
        _ => None,
    }
}

/// The trial parameters as Go prints them.
fn in_go(list: &Value) -> String {
    let parameters = list.as_array().into_iter().flatten().map(|it| {
        let text = |field: &str| it[field].as_str().unwrap_or_default();
        format!("{{{} {} {}}}", text("name"), text("description"), text("reference"))
    });
    format!("[{}]", parameters.collect::<Vec<_>>().join(" "))
}

/// Any object as Go prints it.
fn object_in_go(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, it)| format!("{key}:{}", object_in_go(it)));
            format!("map[{}]", fields.collect::<Vec<_>>().join(" "))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(object_in_go).collect();
            format!("[{}]", items.join(" "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
