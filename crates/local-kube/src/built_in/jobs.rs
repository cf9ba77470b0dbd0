//! Validation of Jobs.

use kube::core::response::StatusCause;
use serde_json::Value;

use super::{
    object,
    pods::{at_least, choice, pod_spec},
    text,
};
use crate::{jobs::JOB_CONTROLLER, status::cause};

/// What a Job may ask for and would not get.
const UNSUPPORTED: [&str; 5] = [
    "podFailurePolicy",
    "successPolicy",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
    "manualSelector",
];

pub(super) fn job(job: &Value, causes: &mut Vec<StatusCause>) {
    let spec = &job["spec"];
    let selector = &spec["selector"];
    let wanted = object(selector, "matchLabels");
    let more = wanted.is_some_and(|it| it.len() > 1) || !selector["matchExpressions"].is_null();
    let generated = spec["manualSelector"] != true;
    let refused = |field, value: &Value, why| {
        cause::cause("FieldValueInvalid", field, format!("Invalid value: {value}: {why}"))
    };
    if generated && more {
        causes.push(refused("spec.selector", selector, "`selector` not auto-generated"));
    }
    job_spec(spec, causes);
    let labels = &spec["template"]["metadata"]["labels"];
    if wanted.into_iter().flatten().any(|(key, value)| labels[key] != *value) {
        let why = "`selector` does not match template `labels`";
        causes.push(refused("spec.template.metadata.labels", labels, why));
    }
}

fn job_spec(spec: &Value, causes: &mut Vec<StatusCause>) {
    for field in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
    ] {
        at_least(spec, "spec", field, 0, causes);
    }
    choice(spec, "spec", "completionMode", &["NonIndexed", "Indexed"], causes);
    if spec["completionMode"] == "Indexed" && spec["completions"].is_null() {
        let mode = r#"when completion mode is Indexed"#;
        causes.push(cause::required("spec.completions", mode));
    }
    // Another controller may do what the one here does not.
    if ["", JOB_CONTROLLER].contains(&text(spec, "managedBy")) {
        let is_asked_for = |field: &&&str| !spec[**field].is_null() && spec[**field] != false;
        for field in UNSUPPORTED.iter().filter(is_asked_for) {
            let why = format!("the local cluster's Job controller does not support {field}");
            causes.push(cause::forbidden(format!("spec.{field}"), &why));
        }
    }
    let template = &spec["template"]["spec"];
    pod_spec(template, "spec.template.spec", causes);
    if !["OnFailure", "Never"].contains(&text(template, "restartPolicy")) {
        let why = r#"valid values: "OnFailure", "Never""#;
        causes.push(cause::required("spec.template.spec.restartPolicy", why));
    }
}

/// A Job's template is fixed, but for where its Pods go while it is suspended.
pub(super) fn job_change(old: &Value, new: &Value, causes: &mut Vec<StatusCause>) {
    let (old, new) = (&old["spec"], &new["spec"]);
    let suspended = old["suspend"] == true;
    let template = |spec: &Value| {
        let mut template = spec["template"].clone();
        if suspended {
            template["metadata"] = Value::Null;
            for field in ["nodeSelector", "affinity", "tolerations", "schedulingGates"] {
                template["spec"][field] = Value::Null;
            }
        }
        template
    };
    if template(old) != template(new) {
        let field = if suspended { "spec.template.spec" } else { "spec.template" };
        causes.push(cause::invalid(field, &new["template"], "field is immutable"));
    }
    let indexed = new["completionMode"] == "Indexed";
    let elastic = indexed && new["completions"] == new["parallelism"];
    for field in [
        "selector",
        "completionMode",
        "manualSelector",
        "completions",
        "podFailurePolicy",
        "backoffLimitPerIndex",
    ] {
        let why = match field {
            "completions" if indexed => "can only be modified in tandem with spec.parallelism",
            _ => "field is immutable",
        };
        if old[field] != new[field] && !(field == "completions" && elastic) {
            causes.push(cause::invalid(format!("spec.{field}"), &new[field], why));
        }
    }
}
