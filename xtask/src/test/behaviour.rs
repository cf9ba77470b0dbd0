//! The behaviour suite against the local cluster and against a real one, side by side.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Output},
    thread,
};

use anyhow::{Context as _, bail};

use crate::{
    cluster::{self, Generation, TestCluster},
    shell, toolbox,
};

/// Names the real cluster's folder to the suite.
pub(crate) const REAL: &str = "KUBEFLOW_MCP_TEST_CLUSTER";

pub(crate) fn run() -> anyhow::Result<()> {
    shell::run(suite()?.arg("--no-run"))?;
    let cluster = TestCluster::up("test", Generation::Newest)?;
    let (local, real) = thread::scope(|scope| {
        let local = scope.spawn(|| run_suite("local", None));
        let real = run_suite("real", Some(cluster.folder()));
        (local.join().expect("it answers with an error"), real)
    });
    let outcome = (|| compare(&local?, &real?))();
    cluster.down()?;
    outcome
}

/// With the clients that it runs.
pub(super) fn suite() -> anyhow::Result<Command> {
    let mut suite = shell::cargo(
        "test --quiet --workspace --features kubeflow-mcp-tests/clients --test behaviour",
    );
    suite.env("KUBECTL", cluster::kubectl()?);
    suite.env("PYTHON", toolbox::clients()?.join("python"));
    Ok(suite)
}

/// What the suite said of one cluster.
#[derive(Default)]
struct Verdicts {
    passed: BTreeSet<String>,
    others: BTreeSet<String>,
    complete: bool,
}

fn run_suite(name: &str, real: Option<&Path>) -> anyhow::Result<Verdicts> {
    let mut suite = suite()?;
    suite.args(["--", "--format=pretty"]).env_remove(REAL).envs(real.map(|it| (REAL, it)));
    let Output { stdout, stderr, status } = suite.output().context("cannot start the suite")?;
    let said = String::from_utf8_lossy(&stdout);
    let mut verdicts = read(&said);
    verdicts.complete &= status.success();
    if !verdicts.complete || !verdicts.others.is_empty() {
        println!("── on the {name} cluster\n{said}{}", String::from_utf8_lossy(&stderr));
    }
    Ok(verdicts)
}

/// The lines `test NAME ... ok` of a test run, and its end.
fn read(said: &str) -> Verdicts {
    let mut verdicts = Verdicts::default();
    for line in said.lines() {
        verdicts.complete |= line.starts_with("test result: ");
        let Some((name, verdict)) =
            line.strip_prefix("test ").and_then(|line| line.split_once(" ... "))
        else {
            continue;
        };
        let list = if verdict == "ok" { &mut verdicts.passed } else { &mut verdicts.others };
        list.insert(name.to_owned());
    }
    verdicts
}

fn compare(local: &Verdicts, real: &Verdicts) -> anyhow::Result<()> {
    for (name, these, those) in [("local", local, real), ("real", real, local)] {
        for test in these.passed.difference(&those.passed) {
            println!("passed on the {name} cluster only: {test}");
        }
        for test in &these.others {
            println!("not passed on the {name} cluster: {test}");
        }
        if !these.complete {
            bail!("the suite failed on the {name} cluster");
        }
    }
    if local.passed != real.passed || !local.others.is_empty() || !real.others.is_empty() {
        bail!("the suite did not pass alike on both clusters");
    }
    if local.passed.is_empty() {
        bail!("the suite has no test");
    }
    println!("{} tests passed on each cluster", local.passed.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{compare, read};

    const BOTH: &str = "test api::gets ... ok\ntest tools::lists ... ok\ntest result: ok. 2 passed";

    #[test]
    fn the_same_list_on_both_clusters_passes() {
        assert!(compare(&read(BOTH), &read(BOTH)).is_ok());
    }

    #[test]
    fn a_test_that_passed_on_one_cluster_only_fails_the_run() {
        let fewer = "test api::gets ... ok\ntest result: ok. 1 passed";
        assert!(compare(&read(BOTH), &read(fewer)).is_err());
    }

    #[test]
    fn a_failed_an_ignored_and_an_unfinished_run_fail() {
        for other in ["test api::gets ... FAILED", "test api::gets ... ignored"] {
            let run = format!("{BOTH}\n{other}\n");
            assert!(compare(&read(&run), &read(&run)).is_err(), "{other}");
        }
        let cut_off = "test api::gets ... ok";
        assert!(compare(&read(cut_off), &read(cut_off)).is_err());
    }
}
