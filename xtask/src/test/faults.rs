//! What goes wrong around a server, on a real cluster of its own: its parts are killed, which no other
//! test should meet. The local cluster's half runs with the workspace's tests.

use std::process::Command;

use crate::{
    cluster::{Generation, TestCluster},
    shell,
};

use super::behaviour::REAL;

pub(super) fn run() -> anyhow::Result<()> {
    shell::run(tests().arg("--no-run"))?;
    let cluster = TestCluster::up("faults", Generation::Newest)?;
    // One after the other: each kills what all others need.
    let outcome = shell::run(tests().args(["--", "--test-threads=1"]).env(REAL, cluster.folder()));
    cluster.down()?;
    outcome
}

fn tests() -> Command {
    // The whole workspace, so that what other parts have built is not built anew with fewer features.
    shell::cargo(
        "test --quiet --workspace --features kubeflow-mcp-tests/real-cluster --test faults",
    )
}
