//! What is wrong with the template of the trials.

use std::{collections::HashSet, sync::LazyLock};

use k8s_openapi::api::batch::v1::Job;
use kube::{Client, Resource as _, api::PostParams, core::Request};
use regex::Regex;
use serde_json::{Value, json};

use crate::{
    api::{Experiment, Parameter, TrialParameter, TrialTemplate},
    local::{
        admission::faults::Faults,
        template::{self, metadata_key, placeholder},
        trial_controller::is_understood,
    },
};

const TEMPLATE: &str = "spec.trialTemplate";
const METADATA: [&str; 6] = ["Name", "Namespace", "Kind", "APIVersion", "Annotations", "Labels"];

static PLACEHOLDER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\{trialParameters\..+?\}").expect("a valid expression"));

pub(super) async fn judge(faults: &mut Faults, experiment: &Experiment, client: &Client) {
    let Some(template) = &experiment.spec.trial_template else {
        faults.required(TEMPLATE, "must be specified");
        return;
    };
    if !form(faults, template) {
        return;
    }
    let text = match template::text(client, template).await {
        Ok(text) => text,
        Err(why) => {
            faults.invalid(TEMPLATE, &"", &format!("unable to parse spec.trialTemplate: {why}"));
            return;
        }
    };
    let Some(filled) = filled(faults, experiment, template, text) else { return };
    let read: Result<Value, _> = serde_saphyr::from_str(&filled);
    let Some(workload) = read.ok().filter(Value::is_object) else {
        let why = format!("unable to convert spec.trialTemplate: {filled} to unstructured");
        faults.invalid(TEMPLATE, &"", &why);
        return;
    };
    let given = |value: &Value| value.as_str().is_some_and(|it| !it.is_empty());
    if given(&workload["metadata"]["name"]) || given(&workload["metadata"]["namespace"]) {
        let why = "metadata.name and metadata.namespace in spec.trialTemplate must be omitted";
        faults.invalid(TEMPLATE, &"", why);
    }
    if !given(&workload["apiVersion"]) || !given(&workload["kind"]) {
        faults.required(TEMPLATE, "APIVersion and Kind in spec.trialTemplate must be specified");
    }
    if workload["apiVersion"] == "batch/v1"
        && workload["kind"] == "Job"
        && let Err(why) = job(experiment, workload, client).await
    {
        faults.invalid(TEMPLATE, &"", &format!("invalid spec.trialTemplate: {why}"));
    }
    let conditions = [
        ("successCondition", &template.success_condition),
        ("failureCondition", &template.failure_condition),
    ];
    for (field, condition) in conditions {
        let condition = condition.as_deref().unwrap_or_default();
        if !condition.is_empty() && !is_understood(condition) {
            let why = r#"evaluates conditions of the form status.conditions.#(type=="Complete")#|#(status=="True")# alone"#;
            faults.lacks(&format!("{TEMPLATE}.{field}"), condition, why);
        }
    }
}

/// Whether all is there that a template is read from.
fn form(faults: &mut Faults, template: &TrialTemplate) -> bool {
    let blank = |text: &Option<String>| text.as_ref().is_none_or(String::is_empty);
    if blank(&template.primary_container_name) {
        faults.required(&format!("{TEMPLATE}.primaryContainerName"), "must be specified");
    }
    if blank(&template.success_condition) || blank(&template.failure_condition) {
        faults.required(TEMPLATE, "successCondition and failureCondition must be specified");
    }
    if template.trial_parameters.is_empty() {
        faults.required(&format!("{TEMPLATE}.trialParameters"), "must be specified");
        return false;
    }
    match (&template.trial_spec, &template.config_map) {
        (None, None) => {
            let why =
                "spec.trialTemplate.trialSpec or spec.trialTemplate.configMap must be specified";
            faults.required(&format!("{TEMPLATE}.TrialSource"), why);
            false
        }
        (Some(_), Some(_)) => {
            let why = "only one of spec.trialTemplate.trialSpec or spec.trialTemplate.configMap can be specified";
            faults.required(TEMPLATE, why);
            false
        }
        (None, Some(source)) => {
            let fields = ["configMapName", "configMapNamespace", "templatePath"];
            let full = fields.iter().all(|it| source[it].as_str().is_some_and(|it| !it.is_empty()));
            if !full {
                let why = "configMapName, configMapNamespace and templatePath must be specified";
                faults.required(&format!("{TEMPLATE}.configMap"), why);
            }
            full
        }
        (Some(_), None) => true,
    }
}

/// The template with a value for each parameter; nothing where one has no place in it.
fn filled(
    faults: &mut Faults,
    experiment: &Experiment,
    template: &TrialTemplate,
    mut text: String,
) -> Option<String> {
    let searched = &experiment.spec.parameters;
    let given = &template.trial_parameters;
    let (mut names, mut references) = (HashSet::new(), HashSet::new());
    for (index, parameter) in given.iter().enumerate() {
        let field = format!("{TEMPLATE}.trialParameters[{index}]");
        let (name, reference) = (parameter.name.as_str(), parameter.reference.as_str());
        if name.is_empty() || reference.is_empty() || name.contains(['{', '}']) {
            let why = "name and reference must be specified and name must not contain '{' or '}'";
            faults.invalid(&field, &"", why);
            continue;
        }
        let twice = |what: &str| {
            format!("can't be duplicated in spec.trialTemplate.trialParameters: {what}")
        };
        if names.contains(name) {
            let why = format!("parameter name {name} {}", twice(&trial_parameters(given)));
            faults.invalid(&format!("{field}.name"), &name, &why);
            continue;
        }
        if references.contains(reference) {
            let why =
                format!("parameter reference {reference} {}", twice(&trial_parameters(given)));
            faults.invalid(&format!("{field}.reference"), &reference, &why);
            continue;
        }
        names.insert(name);
        references.insert(reference);
        let known = searched.is_empty()
            || is_metadata(reference)
            || searched.iter().any(|it| it.name == reference);
        if !known {
            let searched: Vec<String> = searched.iter().map(shown).collect();
            let why = format!(
                "parameter reference {reference} does not exist in spec.parameters: [{}]",
                searched.join(" ")
            );
            faults.invalid(&format!("{field}.reference"), &reference, &why);
        }
        let placeholder = placeholder(name);
        if !text.contains(&placeholder) {
            let why = format!(
                "parameter name: {name} in spec.trialParameters not found in spec.trialTemplate: {text}"
            );
            faults.invalid(&format!("{field}.name"), &name, &why);
            return None;
        }
        text = text.replace(&placeholder, "test-value");
    }
    let left: Vec<_> = PLACEHOLDER.find_iter(&text).map(|it| it.as_str()).collect();
    if !left.is_empty() {
        let why = format!(
            "parameters: [{}] in spec.trialTemplate not found in spec.trialParameters: {}",
            left.join(" "),
            trial_parameters(given)
        );
        faults.invalid(TEMPLATE, &"", &why);
    }
    Some(text)
}

fn is_metadata(reference: &str) -> bool {
    let Some(key) = metadata_key(reference) else { return false };
    let (key, _) = key.strip_suffix(']').and_then(|it| it.split_once('[')).unwrap_or((key, ""));
    METADATA.contains(&key)
}

/// As Go prints a list of them.
fn trial_parameters(parameters: &[TrialParameter]) -> String {
    let shown = |it: &TrialParameter| {
        let description = it.description.as_deref().unwrap_or_default();
        format!("{{{} {description} {}}}", it.name, it.reference)
    };
    format!("[{}]", parameters.iter().map(shown).collect::<Vec<_>>().join(" "))
}

/// As Go prints it.
fn shown(parameter: &Parameter) -> String {
    let Parameter { name, parameter_type, feasible_space: space } = parameter;
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    format!(
        "{{{name} {parameter_type} {{{} {} [{}] {} {}}}}}",
        text(&space.max),
        text(&space.min),
        space.list.join(" "),
        text(&space.step),
        text(&space.distribution)
    )
}

/// What a Job cannot hold. The API server itself is asked, and what it says beyond the form of a Job
/// it will say again when there are values in it.
async fn job(experiment: &Experiment, mut job: Value, client: &Client) -> Result<(), String> {
    job["metadata"]["name"] = json!("trial");
    let namespace = experiment.metadata.namespace.as_deref().unwrap_or_default();
    let path = Job::url_path(&(), Some(namespace));
    let dry_run = PostParams { dry_run: true, field_manager: None };
    let body = serde_json::to_vec(&job).unwrap_or_default();
    let mut request = Request::new(path.clone())
        .create(&dry_run, body)
        .map_err(|error| format!("unable to convert spec.TrialTemplate to Job: {error}"))?;
    *request.uri_mut() = format!("{path}?dryRun=All&fieldValidation=Strict")
        .parse()
        .expect("the path has made a request already");
    let Err(kube::Error::Api(status)) = client.request::<Value>(request).await else {
        return Ok(());
    };
    if status.code != 400 {
        return Ok(());
    }
    let unknown =
        status.message.split_once("unknown field \"").and_then(|(_, it)| it.split_once('"'));
    let Some((field, _)) = unknown else {
        return Err(format!("unable to convert spec.TrialTemplate to Job: {}", status.message));
    };
    let pointer = format!("/{}", field.replace(['.', '['], "/").replace(']', ""));
    let value = job.pointer(&pointer).unwrap_or(&Value::Null);
    Err(format!("unable to convert: {pointer} - {value} to Job"))
}
