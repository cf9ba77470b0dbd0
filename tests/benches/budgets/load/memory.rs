//! What a served process holds in memory while it is asked again and again.

use serde_json::{Value, json};

use super::{
    FEW, Load, MANY, REAL, objects,
    served::{call, start},
};
use crate::{Binary, Row};

/// In each of several rounds.
const CALLS: usize = 100;
/// At first buffers take the sizes that they keep; the last two rounds are compared.
const ROUNDS: usize = 4;

pub(super) fn measure(binary: &Binary, load: &Load) -> anyhow::Result<Vec<Row>> {
    let many = ask(binary, load, MANY)?;
    let few = ask(binary, load, FEW)?;
    let mut server = start(binary, load)?;
    let quotas_of = json!({"namespace": MANY});
    let before = server.peak()?;
    for _ in 0..3 {
        call(&mut server, "get_cluster_resources", &quotas_of)?;
    }
    Ok(vec![
        Row {
            what: "growth from a hundred calls to the next, medians",
            figure: (many.rounds[ROUNDS - 1] - many.rounds[ROUNDS - 2]).max(0.0),
            budget: 1.0,
            unit: "MiB",
        },
        Row {
            what: "most memory, all jobs instead of 100, which are less than a page",
            figure: (many.peak - few.peak).max(0.0),
            budget: 8.0,
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
    /// After its calls, the median of each round.
    rounds: [f64; ROUNDS],
    /// At any time, in MiB.
    peak: f64,
}

/// The same calls in turn, each about another job where it is about one.
fn ask(binary: &Binary, load: &Load, namespace: &str) -> anyhow::Result<Memory> {
    let mut server = start(binary, load)?;
    let mut rounds = [0.0; ROUNDS];
    let real = json!({"namespace": namespace, "name": REAL});
    let mut cursor = Value::Null;
    for round in &mut rounds {
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
            let answer = call(&mut server, tool, &arguments)?;
            if tool == "list_training_jobs" {
                cursor = answer["structuredContent"]["next_cursor"].clone();
            }
            figures.push(server.resident()?);
        }
        figures.sort_by(f64::total_cmp);
        *round = figures[CALLS / 2];
    }
    Ok(Memory { rounds, peak: server.peak()? })
}
