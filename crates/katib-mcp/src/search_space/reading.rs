//! Reads the parameters of an experiment; what Katib leaves to its algorithms to trip over is told.

use std::{collections::HashSet, str::FromStr};

use kubeflow_mcp_core::did_you_mean;

use super::{Dimension, Distribution, Objection, SearchSpace, Values};
use crate::api::{FeasibleSpace, Parameter};

const TYPES: [&str; 4] = ["double", "int", "discrete", "categorical"];

pub(super) fn read(parameters: &[Parameter]) -> Result<SearchSpace, Vec<Objection>> {
    let mut names = HashSet::new();
    let mut dimensions = Vec::new();
    let mut objections = Vec::new();
    for parameter in parameters {
        let name = &parameter.name;
        let read = match name.as_str() {
            "" => Err("has no name".to_owned()),
            name if !names.insert(name) => Err("stands twice: give each parameter once".to_owned()),
            _ => values(parameter),
        };
        match read {
            Ok(values) => dimensions.push(Dimension { name: name.clone(), values }),
            Err(problem) => objections.push(Objection { parameter: name.clone(), problem }),
        }
    }
    if objections.is_empty() { Ok(SearchSpace { dimensions }) } else { Err(objections) }
}

fn values(parameter: &Parameter) -> Result<Values, String> {
    let space = &parameter.feasible_space;
    match parameter.parameter_type.as_str() {
        "double" => double(space),
        "int" => int(space),
        "discrete" => {
            let list = list("discrete", space)?;
            for item in &list {
                number("list item", item)?;
            }
            Ok(Values::Discrete(list))
        }
        "categorical" => Ok(Values::Categorical(list("categorical", space)?)),
        other => {
            // What the same is called elsewhere.
            let meant = if matches!(other, "float" | "number" | "real") { "double" } else { other };
            Err(format!(
                "type {other:?} is unknown{}: the types are {}",
                did_you_mean(meant, TYPES),
                TYPES.join(", ")
            ))
        }
    }
}

fn double(space: &FeasibleSpace) -> Result<Values, String> {
    let (min, max) = bounds("double", space, number)?;
    let distribution = distribution(space, min)?;
    if !(max - min).is_finite() {
        return Err(format!("min {min:?} and max {max:?} are too far apart to draw between them"));
    }
    let step = set(space.step.as_ref()).map(|it| number("step", it)).transpose()?;
    if let Some(step) = step.filter(|it| *it <= 0.0) {
        return Err(format!("step {step:?} is not above 0"));
    }
    Ok(Values::Double { min, max, step, distribution })
}

fn int(space: &FeasibleSpace) -> Result<Values, String> {
    let (min, max) = bounds("int", space, whole)?;
    let distribution = distribution(space, min as f64)?;
    let step = set(space.step.as_ref()).map(|it| whole("step", it)).transpose()?;
    if let Some(step) = step.filter(|it| *it <= 0) {
        return Err(format!("step {step} is not above 0"));
    }
    Ok(Values::Int { min, max, step, distribution })
}

fn bounds<T: PartialOrd>(
    type_: &str,
    space: &FeasibleSpace,
    read: fn(&str, &str) -> Result<T, String>,
) -> Result<(T, T), String> {
    if !space.list.is_empty() {
        return Err(format!(
            "type {type_:?} takes min and max, not a list: lists are for discrete and categorical"
        ));
    }
    let (Some(low), Some(high)) = (set(space.min.as_ref()), set(space.max.as_ref())) else {
        return Err(format!("type {type_:?} needs min and max"));
    };
    let (min, max) = (read("min", low)?, read("max", high)?);
    if min > max {
        return Err(format!("min {low} is greater than max {high}"));
    }
    Ok((min, max))
}

fn list(type_: &str, space: &FeasibleSpace) -> Result<Vec<String>, String> {
    let ranged = [("min", &space.min), ("max", &space.max), ("step", &space.step)];
    if let Some((field, _)) = ranged.iter().find(|(_, it)| set(it.as_ref()).is_some()) {
        return Err(format!(
            "type {type_:?} takes a list, not {field}: ranges are for double and int"
        ));
    }
    if space.list.is_empty() {
        return Err(format!("type {type_:?} needs a list of values"));
    }
    Ok(space.list.clone())
}

fn distribution(space: &FeasibleSpace, min: f64) -> Result<Distribution, String> {
    let distribution = match set(space.distribution.as_ref()) {
        None | Some("uniform" | "unknown") => Distribution::Uniform,
        Some("logUniform") => Distribution::LogUniform,
        Some("normal") => Distribution::Normal,
        Some("logNormal") => Distribution::LogNormal,
        Some(other) => {
            return Err(format!(
                "distribution {other:?} is unknown{}: the distributions are {}",
                did_you_mean(other, Distribution::NAMES),
                Distribution::NAMES.join(", ")
            ));
        }
    };
    if distribution.is_log() && min <= 0.0 {
        let name = distribution.name();
        return Err(format!("distribution {name} needs a min above 0, but min is {min}"));
    }
    Ok(distribution)
}

fn number(field: &str, given: &str) -> Result<f64, String> {
    let number = f64::from_str(given.trim()).ok().filter(|it| it.is_finite());
    number.ok_or_else(|| format!("{field} {given:?} is not a number"))
}

fn whole(field: &str, given: &str) -> Result<i64, String> {
    i64::from_str(given.trim()).map_err(|_| match number(field, given) {
        Ok(_) => format!("{field} {given:?} is not a whole number, as type \"int\" needs"),
        Err(problem) => problem,
    })
}

/// Katib leaves out what is empty.
fn set(field: Option<&String>) -> Option<&str> {
    field.map(String::as_str).filter(|it| !it.is_empty())
}
