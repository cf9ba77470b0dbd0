//! The second part: the same kind of model, with parameters that a search has found.

use anyhow::{Context as _, bail, ensure};
use kubeflow_mcp_core::{cli::say, client::McpClient, local::Home};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    plot::{self, Dot},
    telling::{call, follow, heading, show, start},
    training::{accuracy, reason},
};

const TRIALS: usize = 20;

/// A trial, as `get_best_results` ranks it.
#[derive(Debug, Deserialize)]
struct Trial {
    trial: String,
    value: f64,
    parameters: Map<String, Value>,
}

/// Plays the search on the cluster of `home`, which the server starts.
pub(super) async fn tell(home: &Home, script: &str) -> anyhow::Result<()> {
    say("An MCP client has good hyper-parameters searched, on a cluster only for this demo.")?;
    let client = start(home).await?;
    let outcome = play(&client, script).await;
    client.close().await?;
    outcome
}

async fn play(client: &McpClient, script: &str) -> anyhow::Result<()> {
    heading("What the defaults give: run_custom_training, wait_for_training")?;
    let defaults = defaults(client, script).await?;
    show(&format!("accuracy={defaults} in cross-validation, with all parameters as they are"))?;

    heading("A preview: optimize, not confirmed, is only rehearsed")?;
    let mut search = json!({
        "script": script,
        "packages": ["scikit-learn"],
        "parameters": {
            "alpha": {"min": 1e-6, "max": 10, "log": true},
            "loss": ["hinge", "log_loss", "modified_huber"],
            "max_iter": {"type": "int", "min": 5, "max": 100},
        },
        "objective_metric_name": "accuracy",
        "algorithm_name": "tpe",
        "algorithm_settings": {"random_state": 1},
        "max_trial_count": TRIALS,
        "parallel_trial_count": 2,
    });
    let preview = call(client, "optimize", search.clone()).await?;
    show(&preview.text)?;

    heading("The same call, confirmed")?;
    search["name"] = preview.value["name"].clone();
    search["confirmed"] = true.into();
    let made = call(client, "optimize", search).await?;
    let name = made.value["name"].as_str().context("the server named no search")?;
    let namespace = made.value["namespace"].as_str().unwrap_or_default();
    show(&format!("Experiment {name} made in namespace {namespace}"))?;

    heading("Following it: wait_for_optimization")?;
    let arguments = json!({"name": name, "timeout_seconds": 1800});
    let ended = follow(client, "wait_for_optimization", arguments).await?;
    if ended.value["outcome"] != "reached" || ended.value["state"] != "succeeded" {
        show(&ended.text)?;
        bail!("the search did not complete: {}", cause(&ended.value));
    }

    heading("Its trials: get_best_results")?;
    let results = call(client, "get_best_results", json!({"name": name, "limit": TRIALS})).await?;
    let trials: Vec<Trial> = serde_json::from_value(results.value["results"].clone())?;
    let best = trials.first().context("no trial has an accuracy")?;
    show(&table(&trials))?;
    say("")?;
    show(&plot(&trials, defaults))?;
    say("")?;
    ensure!(
        best.value > defaults,
        "the best accuracy is {}, and the defaults give {defaults}",
        best.value
    );
    say(&format!(
        "With the best of {} choices the model is right about {:.1} % of the images that it had not \
         seen; with the defaults about {:.1} %.",
        trials.len(),
        best.value * 100.0,
        defaults * 100.0
    ))?;
    let values = best.parameters.iter().map(|(name, value)| format!("{name}={}", shown(value)));
    say(&format!("The best values: {}", values.collect::<Vec<_>>().join(" ")))
}

async fn defaults(client: &McpClient, script: &str) -> anyhow::Result<f64> {
    let name = "defaults";
    let job =
        json!({"script": script, "packages": ["scikit-learn"], "name": name, "confirmed": true});
    call(client, "run_custom_training", job).await?;
    let wait = json!({"name": name, "timeout_seconds": 900});
    let ended = follow(client, "wait_for_training", wait).await?;
    if ended.value["outcome"] != "reached" {
        show(&ended.text)?;
        bail!("the training job did not complete: {}", reason(&ended.value));
    }
    let log = call(client, "get_training_logs", json!({"name": name, "tail": 6})).await?;
    let lines = log.value["text"].as_str().unwrap_or_default();
    let (_, accuracy) = accuracy(lines).context("the job printed no line with its accuracy")?;
    Ok(accuracy)
}

/// Why a search did not complete, in one line.
fn cause(ending: &Value) -> &str {
    let notes = ending["notes"].as_array().and_then(|it| it.first()?.as_str());
    let said = notes.or(ending["message"].as_str()).or(ending["outcome"].as_str());
    said.unwrap_or("the server does not say why")
}

/// Parameters come as the texts that trials got.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn table(trials: &[Trial]) -> String {
    let names: Vec<_> =
        trials.first().map(|it| it.parameters.keys()).into_iter().flatten().collect();
    let mut rows = vec![
        ["trial", "accuracy"]
            .map(str::to_owned)
            .into_iter()
            .chain(names.iter().map(|it| (*it).clone()))
            .collect::<Vec<_>>(),
    ];
    rows.extend(trials.iter().map(|trial| {
        let values = names.iter().map(|name| trial.parameters.get(*name).map(shown));
        let values = values.map(|it| short(&it.unwrap_or_default()));
        [trial.trial.clone(), format!("{:.4}", trial.value)].into_iter().chain(values).collect()
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: Vec<_> = (0..names.len() + 2).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A number with as many digits as a reader wants.
fn short(value: &str) -> String {
    match value.parse::<f64>() {
        Ok(number) if number.fract() != 0.0 => {
            let rounded = format!("{number:.2e}").parse().unwrap_or(number);
            format!("{rounded:?}")
        }
        _ => value.to_owned(),
    }
}

/// Accuracy over the parameter that matters most, each trial as the first letter of its loss.
fn plot(trials: &[Trial], defaults: f64) -> String {
    let dots = trials.iter().filter_map(|trial| {
        let alpha: f64 = shown(trial.parameters.get("alpha")?).parse().ok()?;
        let loss = shown(trial.parameters.get("loss")?);
        Some(Dot { x: alpha.log10(), y: trial.value, mark: loss.chars().next()? })
    });
    let dots: Vec<_> = dots.collect();
    let drawn = plot::scatter(&dots, (-6.0, 1.0), defaults);
    format!(
        "accuracy over log10(alpha); h: hinge, l: log_loss, m: modified_huber, ·: defaults\n{drawn}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trials() -> Vec<Trial> {
        let results = json!([
            {"trial": "tune-b2c4d6f8", "value": 0.9623,
             "parameters": {"alpha": "0.2436214873", "loss": "hinge", "max_iter": "92"}},
            {"trial": "tune-x", "value": 0.9,
             "parameters": {"alpha": "1.5e-6", "loss": "log_loss", "max_iter": "5"}},
        ]);
        serde_json::from_value(results).expect("trials")
    }

    #[test]
    fn trials_stand_in_columns() {
        let table = table(&trials());
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "trial          accuracy  alpha   loss      max_iter",
                "tune-b2c4d6f8  0.9623    0.244   hinge     92",
                "tune-x         0.9000    1.5e-6  log_loss  5",
            ]
        );
    }

    #[test]
    fn trials_stand_in_a_plot() {
        let plot = plot(&trials(), 0.92);
        assert!(plot.lines().nth(1).is_some_and(|it| it.contains('h')), "{plot}");
        assert!(plot.contains('l') && plot.contains('·'), "{plot}");
    }

    #[test]
    fn a_search_that_got_stuck_says_why() {
        let stuck = json!({"outcome": "stuck", "notes": ["no trial has started"]});
        assert_eq!(cause(&stuck), "no trial has started");
        assert_eq!(cause(&json!({"outcome": "time_limit"})), "time_limit");
    }
}
