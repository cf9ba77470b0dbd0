//! What a served process holds in memory while it is asked again and again.

use std::process::Command;

use serde_json::{Value, json};

use super::{FEW, Load, MANY, REAL, objects};
use crate::{Binary, Row, stdio::Server};

/// In each of two halves, which are compared.
const CALLS: usize = 100;

pub(super) fn measure(binary: &Binary, load: &Load) -> anyhow::Result<Vec<Row>> {
    let many = ask(binary, load, MANY)?;
    let few = ask(binary, load, FEW)?;
    let mut server = start(binary, load)?;
    let resources = json!({"name": "get_cluster_resources", "arguments": {"namespace": MANY}});
    let before = server.peak()?;
    for _ in 0..3 {
        call(&mut server, &resources)?;
    }
    Ok(vec![
        Row {
            what: "growth from the first 100 calls to the next, medians",
            figure: (many.halves[1] - many.halves[0]).max(0.0),
            budget: 1.0,
            unit: "MiB",
        },
        Row {
            what: "most memory, all jobs instead of 100",
            figure: (many.peak - few.peak).max(0.0),
            budget: 4.0,
            unit: "MiB",
        },
        Row {
            what: "most memory, reading what all Pods take",
            figure: server.peak()? - before,
            budget: 16.0,
            unit: "MiB",
        },
    ])
}

/// What a process held.
struct Memory {
    /// After each call, the median of each half.
    halves: [f64; 2],
    /// At any time, in MiB.
    peak: f64,
}

/// The same calls in turn, each about another job where it is about one.
fn ask(binary: &Binary, load: &Load, namespace: &str) -> anyhow::Result<Memory> {
    let mut server = start(binary, load)?;
    let mut halves = [0.0; 2];
    let real = json!({"namespace": namespace, "name": REAL});
    let mut cursor = Value::Null;
    for half in &mut halves {
        let mut figures = Vec::new();
        for index in 0..CALLS {
            let job = json!({"namespace": namespace, "name": objects::name(index % 97)});
            let (tool, arguments) = match index % 6 {
                0 => ("list_training_jobs", json!({"namespace": namespace, "limit": 100})),
                1 => (
                    "list_training_jobs",
                    json!({"namespace": namespace, "status": "Failed", "cursor": cursor}),
                ),
                2 => ("get_training_job", job),
                3 => ("get_training_logs", real.clone()),
                4 => ("get_training_events", real.clone()),
                // It has ended, and so does the wait.
                _ => ("wait_for_training", real.clone()),
            };
            let answer = call(&mut server, &json!({"name": tool, "arguments": arguments}))?;
            if tool == "list_training_jobs" {
                cursor = answer["structuredContent"]["next_cursor"].clone();
            }
            figures.push(server.resident()?);
        }
        figures.sort_by(f64::total_cmp);
        *half = figures[CALLS / 2];
    }
    Ok(Memory { halves, peak: server.peak()? })
}

fn start(binary: &Binary, load: &Load) -> anyhow::Result<Server> {
    let mut command = Command::new(&binary.0);
    command.args(["serve", "--kubeconfig"]).arg(load.cluster.kubeconfig());
    let mut server = Server::start(&mut command)?;
    server.initialize()?;
    server.request("tools/list", json!({}))?;
    Ok(server)
}

fn call(server: &mut Server, call: &Value) -> anyhow::Result<Value> {
    let answer = server.request("tools/call", call.clone())?;
    let answered = answer["content"].is_array() && answer["isError"] != true;
    anyhow::ensure!(answered, "{call}: {answer}");
    Ok(answer)
}
