//! What goes wrong around a server, on the local cluster and on a real one of its own: its parts are
//! killed, which no other test should meet.

use std::{
    process::{Command, Output},
    thread,
};

use anyhow::{Context as _, bail};

use super::behaviour::REAL;
use crate::{
    cluster::{Generation, TestCluster},
    shell,
};

/// What of the tests needs parts that can be stopped one by one.
const PARTS: &str = "--features=kubeflow-mcp-tests/real-cluster";

pub(super) fn run() -> anyhow::Result<()> {
    shell::run(tests().arg("--no-run"))?;
    shell::run(tests().args([PARTS, "--no-run"]))?;
    let cluster = TestCluster::up("faults", Generation::Newest)?;
    let mut on_real = tests();
    // One after the other: each kills what all others need.
    on_real.args([PARTS, "--", "--test-threads=1"]).env(REAL, cluster.folder());
    let (local, real) = thread::scope(|scope| {
        let local = scope.spawn(|| check("local", tests().env_remove(REAL)));
        let real = check("real", &mut on_real);
        (local.join().expect("it answers with an error"), real)
    });
    cluster.down()?;
    local.and(real)
}

/// The whole workspace, so that what other parts have built is not built anew with fewer features.
fn tests() -> Command {
    shell::cargo("test --quiet --workspace --test faults")
}

/// Runs them, and shows what they say only if they fail: two runs at once would mix it.
fn check(name: &str, tests: &mut Command) -> anyhow::Result<()> {
    let Output { stdout, stderr, status } = tests.output().context("cannot start the tests")?;
    let said = [stdout, stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
    if !status.success() {
        bail!("── on the {name} cluster\n{said}");
    }
    let result = said.lines().find(|it| it.starts_with("test result"));
    println!("{name}: {}", result.context("no test ran")?);
    Ok(())
}
