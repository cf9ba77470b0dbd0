//! The parameters that are searched, as far as Katib looks at them before a search.

use serde_json::{Value, json};

use super::fields::{Fault, invalid, required, shown};

const TYPES: [&str; 5] = ["int", "double", "categorical", "discrete", "unknown"];
const DISTRIBUTIONS: [&str; 5] = ["uniform", "logUniform", "normal", "logNormal", "unknown"];

pub(super) fn faults(spec: &Value) -> Vec<Fault> {
    let parameters = spec["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let mut faults = Vec::new();
    if parameters.is_empty() && spec["nasConfig"].is_null() {
        faults.push(required("spec", "spec.parameters or spec.nasConfig must be specified"));
    }
    if !parameters.is_empty() && !spec["nasConfig"].is_null() {
        let why = "only one of spec.parameters and spec.nasConfig can be specified";
        faults.push(invalid("spec", spec, why));
    }
    for (place, parameter) in parameters.iter().enumerate() {
        faults.extend(of_parameter(&format!("spec.parameters[{place}]"), parameter));
    }
    faults
}

fn of_parameter(at: &str, parameter: &Value) -> Vec<Fault> {
    let sort = parameter["parameterType"].as_str().unwrap_or_default();
    let space = &parameter["feasibleSpace"];
    let mut faults = Vec::new();
    if !TYPES.contains(&sort) {
        let why = format!("parameterType: {sort} is not supported");
        faults.push(invalid(&format!("{at}.parameterType"), &sort.into(), &why));
    }
    if let Some(distribution) = space["distribution"].as_str()
        && !DISTRIBUTIONS.contains(&distribution)
    {
        let why = format!("distribution: {distribution} is not supported");
        faults.push(invalid(
            &format!("{at}.feasibleSpace.distribution"),
            &distribution.into(),
            &why,
        ));
    }
    let has = |field: &str| !space[field].is_null();
    match sort {
        "double" | "int" => {
            if has("list") {
                let why = format!("feasibleSpace.list is not supported for parameterType: {sort}");
                faults.push(invalid(&format!("{at}.feasibleSpace.list"), &space["list"], &why));
            }
            if !has("max") || !has("min") {
                let why = format!(
                    "feasibleSpace.max or feasibleSpace.min must be specified for parameterType: {sort}"
                );
                faults.push(required(&format!("{at}.feasibleSpace.max"), &why));
            }
        }
        "categorical" | "discrete" if has("max") || has("min") || has("step") => {
            let why = format!(
                "feasibleSpace .max, .min and .step is not supported for parameterType: {sort}"
            );
            faults.push(shown(&format!("{at}.feasibleSpace"), &in_order(space), &why));
        }
        _ => {}
    }
    faults
}

/// The space as JSON, in the order of Katib's fields.
fn in_order(space: &Value) -> String {
    let fields = ["max", "min", "list", "step", "distribution"];
    let told = fields.iter().filter(|it| !space[**it].is_null());
    let told: Vec<_> = told.map(|it| format!("{}:{}", json!(it), space[*it])).collect();
    format!("{{{}}}", told.join(","))
}

/// The parameters as Go prints them.
pub(super) fn in_go(spec: &Value) -> String {
    let parameters = spec["parameters"].as_array().into_iter().flatten().map(|it| {
        let space = &it["feasibleSpace"];
        let text = |field: &str| space[field].as_str().unwrap_or_default();
        let list = space["list"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let list = list.collect::<Vec<_>>().join(" ");
        let named = |field: &str| it[field].as_str().unwrap_or_default();
        let (min, max, step) = (text("min"), text("max"), text("step"));
        format!(
            "{{{} {} {{{max} {min} [{list}] {step} {}}}}}",
            named("name"),
            named("parameterType"),
            text("distribution")
        )
    });
    format!("[{}]", parameters.collect::<Vec<_>>().join(" "))
}
