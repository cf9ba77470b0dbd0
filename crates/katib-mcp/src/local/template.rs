//! The workload of a trial: the template of its experiment with values in it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use serde_json::Value;

use crate::api::{Setting, TrialTemplate};

/// What a parameter may refer to beside what is searched: `${trialSpec.Name}`, and so on.
const METADATA: (&str, &str) = ("${trialSpec.", "}");

/// A template as Katib replaces in it: the JSON of `trialSpec`, or what a ConfigMap holds.
pub(super) async fn text(client: &Client, template: &TrialTemplate) -> Result<String, String> {
    if let Some(spec) = &template.trial_spec {
        // Go ends it with a line.
        return Ok(as_json(spec) + "\n");
    }
    let source = template.config_map.as_ref().unwrap_or(&Value::Null);
    let field = |name: &str| source[name].as_str().unwrap_or_default();
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), field("configMapNamespace"));
    let map = maps.get(field("configMapName")).await.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 404 => {
            format!("configMap not found: ConfigMap {:?} not found", field("configMapName"))
        }
        kube::Error::Api(status) => format!("configMap not found: {}", status.message),
        other => format!("configMap not found: {other}"),
    })?;
    let data = map.data.unwrap_or_default();
    let path = field("templatePath");
    data.get(path).cloned().ok_or_else(|| {
        let data: Vec<_> = data.iter().map(|(key, value)| format!("{key}:{value}")).collect();
        format!(
            "unable to find trial template in ConfigMap: TemplatePath: {path}, ConfigMap: map[{}]",
            data.join(" ")
        )
    })
}

/// As Go writes JSON: what could end a script in a page is escaped.
pub(super) fn as_json(value: &Value) -> String {
    let text = value.to_string();
    text.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

/// Puts name, place and values of a trial into a template's text.
pub(super) fn render(
    template: &TrialTemplate,
    text: &str,
    name: &str,
    namespace: &str,
    assignments: &[Setting],
) -> Result<Value, String> {
    let read = |text: &str| {
        serde_saphyr::from_str::<Value>(text)
            .map_err(|error| format!("failed to convert string to unstructured: {error}"))
    };
    let spec = match &template.trial_spec {
        Some(spec) => spec.clone(),
        None => read(text)?,
    };
    let mut rendered = text.to_owned();
    let mut searched = 0;
    for parameter in &template.trial_parameters {
        let value = match metadata_key(&parameter.reference) {
            Some(key) => metadata(&spec, key, name, namespace, &parameter.reference)?,
            None => {
                searched += 1;
                let assigned = assignments.iter().find(|it| it.name == parameter.reference);
                let assigned = assigned.map(|it| it.value.clone());
                assigned.ok_or_else(|| {
                    format!(
                        "unable to find non-meta parameter from TrialParameters in ParameterAssignment: \
                         parameter: {}, parameter assignment: {}",
                        parameter.reference,
                        shown(assignments)
                    )
                })?
            }
        };
        rendered = rendered.replace(&placeholder(&parameter.name), &value);
    }
    if searched != assignments.len() {
        let assignments: Vec<_> =
            assignments.iter().map(|it| format!("{{{} {}}}", it.name, it.value)).collect();
        return Err(format!(
            "unable to find parameter from ParameterAssignment in TrialParameters: parameter assignments: \
             [{}], non-meta trial parameter count: {searched}",
            assignments.join(" ")
        ));
    }
    let mut workload = match &template.trial_spec {
        Some(_) => serde_json::from_str(&rendered)
            .map_err(|error| format!("failed to convert string to unstructured: {error}"))?,
        None => read(&rendered)?,
    };
    if !workload.is_object() {
        return Err("failed to convert string to unstructured: it is no object".into());
    }
    workload["metadata"]["name"] = name.into();
    workload["metadata"]["namespace"] = namespace.into();
    Ok(workload)
}

/// Where a value goes.
pub(super) fn placeholder(parameter: &str) -> String {
    format!("${{trialParameters.{parameter}}}")
}

/// `Name`, `Labels[key]` and so on, where a reference is to the workload itself.
pub(super) fn metadata_key(reference: &str) -> Option<&str> {
    let (_, rest) = reference.split_once(METADATA.0)?;
    let (key, _) = rest.split_once(METADATA.1)?;
    (!key.is_empty()).then_some(key)
}

fn metadata(
    spec: &Value,
    key: &str,
    name: &str,
    namespace: &str,
    reference: &str,
) -> Result<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |field: &str, index: &str| {
        let value = spec["metadata"][field][index].as_str().map(str::to_owned);
        let what = field.trim_end_matches('s');
        let what = what[..1].to_uppercase() + &what[1..];
        value.ok_or_else(|| {
            format!(
                "illegal reference of trial metadata: {reference}; failed to fetch {what}: {index}"
            )
        })
    };
    let indexed = key.strip_suffix(']').and_then(|it| it.split_once('['));
    match (key, indexed) {
        ("Name", _) => Ok(name.to_owned()),
        ("Namespace", _) => Ok(namespace.to_owned()),
        ("Kind", _) => Ok(text(&spec["kind"])),
        ("APIVersion", _) => Ok(text(&spec["apiVersion"])),
        (_, Some(("Annotations", index))) => of("annotations", index),
        (_, Some(("Labels", index))) => of("labels", index),
        _ => Err(format!("illegal reference of trial metadata: {reference}")),
    }
}

fn shown(assignments: &[Setting]) -> String {
    let sorted: BTreeMap<_, _> = assignments.iter().map(|it| (&it.name, &it.value)).collect();
    let sorted: Vec<_> = sorted.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("map[{}]", sorted.join(" "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(
        workload: Value,
        parameters: Value,
        values: &[(&str, &str)],
    ) -> Result<Value, String> {
        let template = json!({"trialSpec": workload, "trialParameters": parameters});
        let template: TrialTemplate = serde_json::from_value(template).unwrap();
        let assign = |it: &(&str, &str)| Setting { name: it.0.into(), value: it.1.into() };
        let values: Vec<_> = values.iter().map(assign).collect();
        render(&template, &as_json(&workload), "search-b", "team", &values)
    }

    #[test]
    fn values_and_what_is_known_of_the_trial_stand_where_they_are_asked_for() {
        let workload = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"labels": {"a": "<1>"}},
            "run": ["${trialParameters.rate}", "${trialParameters.rate}", "${trialParameters.who}"],
            "about": "${trialParameters.name} ${trialParameters.kind} ${trialParameters.label}",
        });
        let parameters = json!([
            {"name": "rate", "reference": "lr"},
            {"name": "who", "reference": "${trialSpec.Namespace}"},
            {"name": "name", "reference": "${trialSpec.Name}"},
            {"name": "kind", "reference": "${trialSpec.Kind}"},
            {"name": "label", "reference": "${trialSpec.Labels[a]}"},
        ]);
        let expected = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"labels": {"a": "<1>"}, "name": "search-b", "namespace": "team"},
            "run": ["0.1", "0.1", "team"],
            "about": "search-b Job <1>",
        });
        assert_eq!(rendered(workload, parameters, &[("lr", "0.1")]), Ok(expected));
    }

    #[test]
    fn what_does_not_fit_together_is_told_in_katibs_words() {
        let workload = json!({"kind": "Job", "run": "${trialParameters.x}"});
        let refused = |reference: &str, values: &[(&str, &str)]| {
            let parameters = json!([{"name": "x", "reference": reference}]);
            rendered(workload.clone(), parameters, values).unwrap_err()
        };
        assert_eq!(
            refused("lr", &[("depth", "2")]),
            "unable to find non-meta parameter from TrialParameters in ParameterAssignment: \
             parameter: lr, parameter assignment: map[depth:2]"
        );
        assert_eq!(
            refused("lr", &[("lr", "1"), ("depth", "2")]),
            "unable to find parameter from ParameterAssignment in TrialParameters: \
             parameter assignments: [{lr 1} {depth 2}], non-meta trial parameter count: 1"
        );
        assert_eq!(
            refused("${trialSpec.Labels[a]}", &[]),
            "illegal reference of trial metadata: ${trialSpec.Labels[a]}; failed to fetch Label: a"
        );
        let broken = refused("lr", &[("lr", r#"a " b"#)]);
        assert!(broken.starts_with("failed to convert string to unstructured: "), "{broken}");
    }
}
