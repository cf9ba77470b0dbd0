//! The demo's steps, each told as a person would want to read it.

use anyhow::{Context as _, bail};
use kubeflow_mcp_core::{
    cli::{Steps, say},
    client::{McpClient, Reply},
    local::Home,
};
use serde_json::{Map, Value, json};
use tokio::process::Command;

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

async fn start(home: &Home) -> anyhow::Result<McpClient> {
    let program = std::env::current_exe().context("could not find the server's program")?;
    let mut serve = Command::new(program);
    serve.args(["--log", "error", "serve", "--local", "--local-dir"]).arg(home.path());
    // The demo is the same whatever its user has configured.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("KUBEFLOW_MCP_") {
            serve.env_remove(name);
        }
    }
    McpClient::start(&mut serve).await
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
    let ended = {
        // A reader who is gone misses the steps, not the work.
        let mut steps = Steps::new(|step| show(step).unwrap_or_default());
        let arguments = object(json!({"name": name, "timeout_seconds": 900}));
        client.call("wait_for_training", arguments, |step| steps.show(&step)).await?
    };
    let ended = succeeded("wait_for_training", ended)?;
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

async fn call(client: &McpClient, tool: &str, arguments: Value) -> anyhow::Result<Reply> {
    let reply = client.call(tool, object(arguments), |_| {}).await?;
    succeeded(tool, reply)
}

fn succeeded(tool: &str, reply: Reply) -> anyhow::Result<Reply> {
    if reply.failed {
        let why = reply.value["message"].as_str().unwrap_or(&reply.text);
        let next = reply.value["hint"].as_str().map(|it| format!("; {it}")).unwrap_or_default();
        bail!("{tool}: {why}{next}");
    }
    Ok(reply)
}

/// Why a job did not complete, in one line. A program that failed tells why at the end of its log,
/// and an installer at the end of what it said.
fn reason(ending: &Value) -> String {
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

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The last accuracy that a log states, with its line.
fn accuracy(log: &str) -> Option<(&str, f64)> {
    log.lines().rev().find_map(|line| {
        let stated = line.split_whitespace().rev().find_map(|it| it.strip_prefix("accuracy="))?;
        Some((line, stated.parse().ok()?))
    })
}

fn heading(text: &str) -> anyhow::Result<()> {
    say("")?;
    say(&format!("● {text}"))
}

fn show(text: &str) -> anyhow::Result<()> {
    text.lines().try_for_each(|line| say(&format!("  {line}")))
}

/// The text in lines that a terminal shows whole.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().filter(|line| line.len() + word.len() < 96);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => *line = format!("{line} {word}"),
            None => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
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

    #[test]
    fn long_lines_are_wrapped_between_words() {
        let text = ["list_training_jobs,"; 12].join(" ");
        let wrapped = wrapped(&text);
        assert!(wrapped.lines().all(|line| line.len() <= 96), "{wrapped}");
        assert_eq!(wrapped.replace('\n', " "), text);
    }
}
