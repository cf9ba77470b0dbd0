//! The argument `parameters`: what is searched, and what stays the same in all trials.

use k8s_openapi::api::core::v1::EnvVar;
use kubeflow_mcp_core::{Error, Result, did_you_mean, read_fields};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use workloads::code::FUNC_ARGS;

use crate::api::{FeasibleSpace, Parameter, TrialParameter};

/// What OptimizationJobs are to call the variables of their trials.
const VARIABLE: &str = "KUBEFLOW_TRAINER_OPT_";
/// Every way in which people write a type, and Katib's.
const TYPES: [(&str, &str); 8] = [
    ("double", "double"),
    ("float", "double"),
    ("int", "int"),
    ("integer", "int"),
    ("discrete", "discrete"),
    ("categorical", "categorical"),
    ("category", "categorical"),
    ("choice", "categorical"),
];
const DISTRIBUTIONS: [&str; 4] = ["uniform", "logUniform", "normal", "logNormal"];
/// Other names of the fields, from Katib's own objects and from other optimisers.
const ALIASES: [(&str, &str); 8] = [
    ("parameterType", "type"),
    ("parameter_type", "type"),
    ("choices", "list"),
    ("values", "list"),
    ("low", "min"),
    ("high", "max"),
    ("minimum", "min"),
    ("maximum", "max"),
];

#[derive(Debug, Default)]
pub(super) struct Parameters {
    pub(super) searched: Vec<Parameter>,
    pub(super) fixed: Map<String, Value>,
}

/// One parameter, as its user writes it.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Search {
    #[serde(rename = "type")]
    type_: Option<String>,
    min: Option<Value>,
    max: Option<Value>,
    step: Option<Value>,
    list: Option<Vec<Value>>,
    distribution: Option<String>,
    log: Option<bool>,
}

impl Parameters {
    pub(super) fn read(given: &Map<String, Value>) -> Result<Self> {
        let mut parameters = Self::default();
        for (name, value) in given {
            let argument = format!("parameters.{name}");
            check_name(&argument, name)?;
            match value {
                Value::Object(fields) => {
                    let search: Search = read_fields(&argument, &renamed(fields))?;
                    parameters.searched.push(search.parameter(name, &argument)?);
                }
                Value::Array(list) => {
                    let search = Search { list: Some(list.clone()), ..Search::default() };
                    parameters.searched.push(search.parameter(name, &argument)?);
                }
                Value::Null => {
                    return Err(Error::argument(argument, "must have a value, or several"));
                }
                fixed => {
                    parameters.fixed.insert(name.clone(), fixed.clone());
                }
            }
        }
        if parameters.searched.is_empty() {
            let problem =
                r#"must have something to search, such as {"lr": {"min": 0.001, "max": 0.1}}"#;
            return Err(Error::argument("parameters", problem));
        }
        parameters.check_variables()?;
        Ok(parameters)
    }

    /// Whether each parameter has a variable of its own.
    fn check_variables(&self) -> Result<()> {
        for (index, one) in self.searched.iter().enumerate() {
            let same = |it: &&Parameter| variable(&it.name) == variable(&one.name);
            if let Some(other) = self.searched[..index].iter().find(same) {
                let problem =
                    format!("reaches the trials as the same variable as {:?}", other.name);
                return Err(Error::argument(format!("parameters.{}", one.name), problem));
            }
        }
        Ok(())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.searched.iter().map(|it| it.name.as_str())
    }

    /// Every parameter under its own name.
    pub(super) fn of_trials(&self) -> Vec<TrialParameter> {
        let each = self.names().map(|name| TrialParameter {
            name: name.to_owned(),
            description: None,
            reference: name.to_owned(),
        });
        each.collect()
    }

    /// The variables by which a trial gets its values.
    pub(super) fn variables(&self) -> impl Iterator<Item = EnvVar> {
        self.names().map(|name| EnvVar {
            name: variable(name),
            value: Some(placeholder(name)),
            value_from: None,
        })
    }

    /// The variable that holds all parameters as one JSON object, beside what it held.
    pub(super) fn func_args(&self, others: &Map<String, Value>) -> EnvVar {
        let fixed = others.iter().chain(&self.fixed);
        let fixed = fixed.filter(|(name, _)| !self.names().any(|it| it == *name));
        let fixed: Map<String, Value> =
            fixed.map(|(name, value)| (name.clone(), value.clone())).collect();
        // Kubernetes would read a `$` of theirs.
        let mut json = Value::Object(fixed).to_string().replace('$', r"\u0024");
        json.pop();
        for parameter in &self.searched {
            let comma = if json.len() > 1 { "," } else { "" };
            let (name, value) =
                (Value::from(parameter.name.as_str()), placeholder(&parameter.name));
            let quote = if is_plain(parameter) { "" } else { "\"" };
            json += &format!("{comma}{name}:{quote}{value}{quote}");
        }
        EnvVar { name: FUNC_ARGS.to_owned(), value: Some(json + "}"), value_from: None }
    }
}

impl Search {
    fn parameter(self, name: &str, argument: &str) -> Result<Parameter> {
        let given = self.type_.as_deref().map(|it| type_of(argument, it)).transpose()?;
        let distribution = self.distribution(argument)?;
        let ranged = [&self.min, &self.max, &self.step];
        let ranged: Vec<Option<Number>> = ranged
            .into_iter()
            .zip(["min", "max", "step"])
            .map(|(it, field)| it.as_ref().map(|it| number(argument, field, it)).transpose())
            .collect::<Result<_>>()?;
        let list: Option<Vec<String>> = self
            .list
            .as_ref()
            .map(|it| it.iter().enumerate().map(|(at, it)| item(argument, at, it)).collect())
            .transpose()?;
        let parameter_type = match (given, &list) {
            (Some(given), _) => given,
            (None, Some(_)) => {
                let numbers = self.list.iter().flatten().all(Value::is_number);
                if numbers { "discrete" } else { "categorical" }
            }
            (None, None) => inferred(argument, &ranged)?,
        };
        let whole = parameter_type == "int";
        let mut texts = ranged.into_iter().zip(["min", "max", "step"]).map(|(it, field)| {
            let Some(it) = it else { return Ok(None) };
            match (whole, it.whole) {
                (true, None) => {
                    let problem =
                        format!("has {field} {}, which is not whole, and type int", it.text);
                    Err(Error::argument(argument, problem))
                }
                (true, Some(number)) => Ok(Some(number.to_string())),
                (false, _) => Ok(Some(it.text)),
            }
        });
        let mut next = || texts.next().unwrap_or(Ok(None));
        let (min, max, step) = (next()?, next()?, next()?);
        let feasible_space = FeasibleSpace {
            min,
            max,
            step,
            list: list.unwrap_or_default(),
            distribution: Some(distribution.to_owned()),
        };
        let parameter_type = parameter_type.to_owned();
        Ok(Parameter { name: name.to_owned(), parameter_type, feasible_space })
    }

    fn distribution(&self, argument: &str) -> Result<&'static str> {
        let given = self.distribution.as_deref().unwrap_or("uniform");
        let plain = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
        let found = DISTRIBUTIONS.iter().find(|it| plain(it) == plain(given));
        let Some(found) = found else {
            let guess = did_you_mean(given, DISTRIBUTIONS);
            let problem = format!("must be one of {}{guess}", DISTRIBUTIONS.join(", "));
            return Err(Error::value(format!("{argument}.distribution"), given, problem));
        };
        Ok(match (self.log, *found) {
            (Some(true), "uniform") => "logUniform",
            (Some(true), "normal") => "logNormal",
            (Some(false), "logUniform" | "logNormal") => {
                let problem = format!("is false, which contradicts the distribution {found:?}");
                return Err(Error::argument(format!("{argument}.log"), problem));
            }
            (_, found) => found,
        })
    }
}

struct Number {
    text: String,
    whole: Option<i64>,
    /// Whether its user wrote it as a fraction, such as `1.0`.
    fraction: bool,
}

fn number(argument: &str, field: &str, value: &Value) -> Result<Number> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    let Some(number) = text.parse::<f64>().ok().filter(|it| it.is_finite()) else {
        let problem = "must be a number";
        return Err(Error::value(format!("{argument}.{field}"), value.clone(), problem));
    };
    let exact = number.fract() == 0.0 && number.abs() < 9e15;
    let whole = text.parse().ok().or(exact.then_some(number as i64));
    Ok(Number { fraction: text.parse::<i64>().is_err(), text, whole })
}

/// `int` where every number is whole, and means to be.
fn inferred(argument: &str, ranged: &[Option<Number>]) -> Result<&'static str> {
    if ranged.iter().flatten().any(|it| it.fraction) {
        return Ok("double");
    }
    let whole = |at: usize| ranged[at].as_ref().and_then(|it| it.whole);
    match (whole(0), whole(1), whole(2)) {
        (Some(min), Some(max), None) if max.saturating_sub(min).abs() <= 1 => {
            let problem = format!("must have a type: {min} to {max} may mean double or int");
            Err(Error::argument(argument, problem))
        }
        (None, None, _) => {
            Err(Error::argument(argument, "must have min and max, or a list of values"))
        }
        _ => Ok("int"),
    }
}

fn type_of(argument: &str, given: &str) -> Result<&'static str> {
    let found = TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(given));
    found.map(|(_, katib)| *katib).ok_or_else(|| {
        let guess = did_you_mean(given, TYPES.map(|(name, _)| name));
        let problem = format!("must be double, int, categorical or discrete{guess}");
        Error::value(format!("{argument}.type"), given, problem)
    })
}

/// A value of a list, in the text that trials get.
fn item(argument: &str, at: usize, value: &Value) -> Result<String> {
    let argument = format!("{argument}[{at}]");
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        other => {
            return Err(Error::value(
                argument,
                other.clone(),
                "must be a string, number or boolean",
            ));
        }
    };
    // Katib replaces text in JSON, and Kubernetes reads `$` in variables.
    if text.contains(['"', '\\', '$']) || text.contains(char::is_control) {
        let problem = r#"must not have '"', '\', '$' or a control character, which Katib would put into the trial's JSON unescaped: search over a short name, and let the code choose by it"#;
        return Err(Error::value(argument, text, problem));
    }
    Ok(text)
}

fn check_name(argument: &str, name: &str) -> Result<()> {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    if starts && name.chars().all(|it| it.is_ascii_alphanumeric() || "_-.".contains(it)) {
        return Ok(());
    }
    let problem = "must have a name of letters, digits, '_', '-' and '.' that starts with a letter";
    Err(Error::argument(argument, problem))
}

/// The fields under the names that are read here.
fn renamed(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut renamed = Map::new();
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("feasibleSpace" | "feasible_space", Value::Object(inner)) => {
                renamed.extend(self::renamed(inner));
            }
            (name, value) => {
                let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
                let name = alias.map_or(name, |(_, name)| name);
                renamed.insert(name.to_owned(), value.clone());
            }
        }
    }
    renamed
}

/// Whether every value of a parameter is JSON as it stands.
fn is_plain(parameter: &Parameter) -> bool {
    let json = |it: &String| {
        serde_json::from_str::<Value>(it).is_ok_and(|it| it.is_number() || it.is_boolean())
    };
    parameter.parameter_type != "categorical" || parameter.feasible_space.list.iter().all(json)
}

/// The variable that holds a search parameter's value.
pub(super) fn variable(parameter: &str) -> String {
    VARIABLE.to_owned() + &parameter.to_ascii_uppercase().replace(['-', '.'], "_")
}

/// What Katib replaces by a value.
pub(super) fn placeholder(parameter: &str) -> String {
    format!("${{trialParameters.{parameter}}}")
}

#[cfg(test)]
mod tests;
