//! The first part: a model is trained, and its accuracy read.

use anyhow::{Context as _, bail};
use kubeflow_mcp_core::{cli::say, client::McpClient, local::Home};
use serde_json::{Value, json};

use super::telling::{call, follow, heading, show, start, wrapped};

/// As many of the log's last lines as a reader takes in.
const LOG_LINES: usize = 6;

/// Plays the demo on the cluster of `home`, which the server starts.
pub(super) async fn tell(home: &Home, script: &str) -> anyhow::Result<()> {
    say("An MCP client has a model trained, on a cluster that exists only for this demo.")?;
    let client = start(home).await?;
    let outcome = play(&client, script).await;
    client.close().await?;
    outcome
}

async fn play(client: &McpClient, script: &str) -> anyhow::Result<()> {
    heading("What the server offers")?;
    let tools = client.tools().await?;
    let names: Vec<&str> = tools.iter().map(|it| it.name.as_str()).collect();
    show(&wrapped(&names.join(", ")))?;

    heading("What there is to work with: get_cluster_resources, list_runtimes")?;
    show(&call(client, "get_cluster_resources", json!({})).await?.text)?;
    show(&call(client, "list_runtimes", json!({})).await?.text)?;

    heading("A preview: run_custom_training, not confirmed, is only rehearsed")?;
    let mut job = json!({"script": script, "packages": ["scikit-learn"]});
    let preview = call(client, "run_custom_training", job.clone()).await?;
    show(&preview.text)?;

    heading("The same call, confirmed")?;
    job["name"] = preview.value["name"].clone();
    job["confirmed"] = true.into();
    let made = call(client, "run_custom_training", job).await?;
    let name = made.value["name"].as_str().context("the server named no job")?;
    let namespace = made.value["namespace"].as_str().unwrap_or_default();
    show(&format!("TrainJob {name} made in namespace {namespace}"))?;

    heading("Following it: wait_for_training")?;
    let arguments = json!({"name": name, "timeout_seconds": 900});
    let ended = follow(client, "wait_for_training", arguments).await?;
    if ended.value["outcome"] != "reached" {
        show(&ended.text)?;
        bail!("the training job did not complete: {}", reason(&ended.value));
    }

    heading("What it printed last: get_training_logs")?;
    let log = call(client, "get_training_logs", json!({"name": name, "tail": LOG_LINES})).await?;
    let lines = log.value["text"].as_str().unwrap_or_default();
    show(lines)?;
    let (line, accuracy) = accuracy(lines).context("the job printed no line with its accuracy")?;
    say("")?;
    say(&format!(
        "The trained model is right about {:.1} % of the images that it had not seen.",
        accuracy * 100.0
    ))?;
    say(&format!("Its own log says so: {line}"))
}

/// Why a job did not complete, in one line. A program that failed tells why at the end of its log,
/// and an installer at the end of what it said.
pub(super) fn reason(ending: &Value) -> String {
    let last = |key: &str| ending[key].as_str().and_then(|it| it.lines().last());
    let crashed = ending["phase"] == "CrashLooping" || ending["phase"] == "Failed";
    if let Some(line) = last("log").filter(|_| crashed) {
        return format!("its program failed: {line}");
    }
    let said: Vec<&str> = [last("reason"), last("message")].into_iter().flatten().collect();
    if said.is_empty() {
        return last("phase").unwrap_or("the server does not say why").to_owned();
    }
    said.join(": ")
}

/// The last accuracy that a log states, with its line.
pub(super) fn accuracy(log: &str) -> Option<(&str, f64)> {
    log.lines().rev().find_map(|line| {
        let stated = line.split_whitespace().rev().find_map(|it| it.strip_prefix("accuracy="))?;
        Some((line, stated.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_accuracy_of_a_log_is_found_with_its_line() {
        let log = "epoch=1/2 loss=2.1 accuracy=0.5\nepoch=2/2 loss=1.9 accuracy=0.75\ndone\n";
        assert_eq!(accuracy(log), Some(("epoch=2/2 loss=1.9 accuracy=0.75", 0.75)));
        assert_eq!(accuracy("accuracy=high\n"), None);
        assert_eq!(accuracy(""), None);
    }

    #[test]
    fn a_crash_is_explained_by_the_program_and_all_else_by_the_cluster() {
        let check = |ending: Value, expected: &str| assert_eq!(reason(&ending), expected);
        let log = "Traceback\nValueError: boom\n";
        check(
            json!({"phase": "CrashLooping", "message": "back-off 10s", "log": log}),
            "its program failed: ValueError: boom",
        );
        check(json!({"phase": "CrashLooping", "message": "back-off 10s"}), "back-off 10s");
        check(
            json!({"reason": "CreateContainerError", "message": "trying\nERROR: no such package"}),
            "CreateContainerError: ERROR: no such package",
        );
        check(json!({"phase": "Running", "log": log}), "Running");
    }
}
