//! TrainJobs and training runtimes, right and wrong: what a cluster accepts, what it adds, and how it
//! words what it refuses.
//!
//! The snapshots are what the real controllers said. `UPDATE_EXPECT=1` writes them, on a real
//! cluster only.

mod definitions;
mod lifecycle;
mod objects;
mod rehearsal;
mod snapshot;
mod tables;

use std::collections::BTreeMap;

use kubeflow_mcp_tests::{cluster::Cluster, waiting::until};
use serde_json::Value;

use self::{
    rehearsal::Rehearsal,
    tables::{Resource, Table},
};

#[tokio::test]
async fn train_jobs_are_judged_alike() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let rehearsal = Rehearsal(&namespace);
    make_runtimes(&rehearsal).await;
    let tables = tables::all();
    check(&rehearsal, tables.iter().filter(|it| it.resource == Resource::TrainJobs)).await;
}

#[tokio::test]
async fn runtimes_are_judged_alike() {
    let cluster = Cluster::under_test().await;
    let namespace = cluster.namespace().await;
    let tables = tables::all();
    let of_runtimes = tables.iter().filter(|it| it.resource != Resource::TrainJobs);
    check(&Rehearsal(&namespace), of_runtimes).await;
}

/// The runtimes that the TrainJobs refer to, known to the webhook too.
async fn make_runtimes(rehearsal: &Rehearsal<'_>) {
    let runtimes = tables::runtimes();
    for (resource, runtime) in &runtimes {
        let made = rehearsal.create(*resource, runtime, "").await;
        assert_eq!(made.code, 201, "{}", made.text);
    }
    for (_, runtime) in &runtimes {
        let job = tables::job_of(runtime);
        until("a runtime", async || {
            let answer = rehearsal.create(Resource::TrainJobs, &job, "dryRun=All").await;
            let unknown = answer.text.contains("must be created before");
            if unknown { Err(answer.text) } else { Ok(()) }
        })
        .await;
    }
}

/// Compares what the cluster says of the tables with the snapshots.
async fn check(rehearsal: &Rehearsal<'_>, tables: impl Iterator<Item = &Table>) {
    let writes = std::env::var_os("UPDATE_EXPECT").is_some() && rehearsal.0.cluster().is_real();
    let mut differences = Vec::new();
    for table in tables {
        let outcomes = rehearsal.of(table).await;
        assert_eq!(outcomes.len(), table.changes.len(), "a case of {} stands twice", table.name);
        let path = snapshot::path(&format!("snapshots/{}.json", table.name));
        if writes {
            std::fs::write(&path, as_text(&outcomes)).unwrap();
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a snapshot");
        let expected: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
        let differing = outcomes.iter().filter(|(about, it)| expected.get(*about) != Some(it));
        differences.extend(differing.map(|(about, outcome)| {
            let expected = expected.get(about).unwrap_or(&Value::Null);
            format!("{}, {about}:\n  real: {expected}\n  here: {outcome}", table.name)
        }));
    }
    let count = differences.len();
    assert!(count == 0, "{count} cases differ\n{}", differences.join("\n"));
}

/// JSON with a line for each case.
fn as_text(outcomes: &BTreeMap<String, Value>) -> String {
    let lines = outcomes.iter().map(|(about, it)| format!("{}: {it}", Value::from(about.as_str())));
    format!("{{\n{}\n}}\n", lines.collect::<Vec<_>>().join(",\n"))
}
