//! Algorithms that others have written, in a Python service: a Pod of its own for each Suggestion.

mod pod;

use std::time::Duration;

use kube::Client;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::{State, SuggestError};
use crate::{
    api::{Setting, SuggestedTrial, Suggestion, Trial},
    search_space::{Dimension, Values},
    states::TrialState,
};

/// What each of these algorithms needs. Their own needs are left to the installer, which knows the
/// Python at hand.
pub(super) fn packages(algorithm: &str) -> Option<&'static [&'static str]> {
    Some(match algorithm {
        "tpe" | "multivariate-tpe" => &["optuna==5.0.0"],
        "cmaes" => &["cmaes==0.13.1"],
        "sobol" => &["scipy"],
        "bayesianoptimization" => &["scikit-optimize==0.10.2"],
        _ => return None,
    })
}

/// A surrogate model of many trials takes its time on a busy machine.
const LONGEST: Duration = Duration::from_secs(120);

/// All that the service is told. It remembers nothing, so that a new one knows as much.
#[derive(Debug, Serialize)]
struct Request<'a> {
    algorithm: &'a str,
    settings: Map<String, Value>,
    seed: u64,
    /// How many were chosen before.
    number: usize,
    count: usize,
    maximize: bool,
    space: Vec<Map<String, Value>>,
    /// Those that count, in the order in which they ended; then those that run.
    trials: Vec<Told<'a>>,
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    values: Vec<&'a str>,
    /// Of trials that run, none yet.
    objective: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Reply {
    Chosen { chosen: Vec<Vec<Value>> },
    Error { error: String },
}

pub(super) async fn next(
    client: &Client,
    state: &State<'_>,
    suggestion: &Suggestion,
    packages: &[&str],
    count: usize,
) -> Result<Vec<Vec<Setting>>, SuggestError> {
    let algorithm = &state.algorithm.algorithm_name;
    let port = pod::ready(client, suggestion, algorithm, packages).await?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let request = request(state, count);
    let failed = |why: String| SuggestError::Failed(format!("the service of {algorithm}: {why}"));
    let reply = match timeout(LONGEST, exchange(port, &request)).await {
        Ok(reply) => reply.map_err(|error| failed(error.to_string()))?,
        Err(_) => return Err(failed(format!("no answer within {} s", LONGEST.as_secs()))),
    };
    match serde_json::from_str(&reply).map_err(|error| failed(error.to_string()))? {
        Reply::Chosen { chosen } => {
            Ok(chosen.into_iter().map(|it| assignments(state, it)).collect())
        }
        Reply::Error { error } => Err(failed(error)),
    }
}

async fn exchange(port: u16, request: &Request<'_>) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).await?;
    Ok(reply)
}

fn request<'a>(state: &State<'a>, count: usize) -> Request<'a> {
    let settings = state.algorithm.algorithm_settings.iter();
    let objective = state.experiment.spec.objective.as_ref();
    Request {
        algorithm: &state.algorithm.algorithm_name,
        settings: settings.map(|it| (it.name.clone(), it.value.clone().into())).collect(),
        seed: state.seed,
        number: state.chosen.len(),
        count,
        maximize: objective.is_some_and(|it| it.maximizes()),
        space: searched(state).filter_map(described).collect(),
        trials: trials(state),
    }
}

/// The parameters with more than one value; libraries stumble over those that have no other.
fn searched<'a>(state: &'a State<'_>) -> impl Iterator<Item = &'a Dimension> {
    state.space.dimensions.iter().filter(|it| it.values.count() != Some(1))
}

fn described(dimension: &Dimension) -> Option<Map<String, Value>> {
    let mut described = Map::new();
    let mut say = |key: &str, value: Value| described.insert(key.to_owned(), value);
    say("name", dimension.name.clone().into());
    match &dimension.values {
        Values::Double { min, max, step, .. } => {
            say("kind", "double".into());
            say("min", (*min).into());
            say("max", (*max).into());
            say("step", (*step).into());
        }
        Values::Int { min, max, step, .. } => {
            say("kind", "int".into());
            say("min", (*min).into());
            say("max", (*max).into());
            say("step", (*step).into());
        }
        Values::Discrete(list) | Values::Categorical(list) => {
            say("kind", "list".into());
            say("list", list.clone().into());
        }
    }
    say("distribution", dimension.values.distribution().name().into());
    Some(described)
}

fn trials<'a>(state: &State<'a>) -> Vec<Told<'a>> {
    let mut ended = Vec::new();
    let mut running = Vec::new();
    for (number, (chosen, trial)) in state.chosen.iter().enumerate() {
        let Some(values) = values(state, chosen) else { continue };
        let over = trial.filter(|it| TrialState::of(it).is_final());
        let objective = state.experiment.spec.objective.as_ref();
        match (over, over.and_then(|it| objective?.value(it))) {
            (None, _) => running.push(Told { values, objective: None }),
            (Some(trial), Some(value)) => {
                ended.push((ended_at(trial), number, Told { values, objective: Some(value) }));
            }
            // It has ended without a value, and nobody learns from it.
            (Some(_), None) => {}
        }
    }
    ended.sort_by(|(one, first, _), (other, second, _)| (one, first).cmp(&(other, second)));
    ended.into_iter().map(|(_, _, told)| told).chain(running).collect()
}

fn ended_at(trial: &Trial) -> Option<jiff::Timestamp> {
    // Trials that were stopped early have no time of completion.
    let stopped = || {
        let conditions = &trial.status.as_ref()?.conditions;
        conditions.iter().find(|it| it.type_ == "EarlyStopped")?.last_transition_time.as_ref()
    };
    let completed = trial.status.as_ref().and_then(|it| it.completion_time.as_ref());
    completed.or_else(stopped).map(|it| it.0)
}

/// What was chosen for the parameters that are searched.
fn values<'a>(state: &State<'_>, chosen: &'a SuggestedTrial) -> Option<Vec<&'a str>> {
    let value = |dimension: &Dimension| {
        let mut assignments = chosen.parameter_assignments.iter();
        assignments.find(|it| it.name == dimension.name).map(|it| it.value.as_str())
    };
    searched(state).map(value).collect()
}

fn assignments(state: &State<'_>, chosen: Vec<Value>) -> Vec<Setting> {
    let mut chosen = chosen.into_iter();
    let each = state.space.dimensions.iter().map(|Dimension { name, values }| {
        let value = if values.count() == Some(1) {
            values.at(0).unwrap_or_default()
        } else {
            match chosen.next() {
                Some(Value::String(text)) => text,
                Some(number) => values.nearest(number.as_f64().unwrap_or_default()),
                None => String::new(),
            }
        };
        Setting { name: name.clone(), value }
    });
    each.collect()
}
