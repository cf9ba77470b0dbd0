//! The generation of the Trainer before this one, on a real cluster of its own. All but its controllers is
//! what the other clusters are made of.

use std::process::Output;

use anyhow::{Context as _, ensure};

use super::behaviour::suite;
use crate::{
    cluster::{Generation, TestCluster},
    shell,
};

/// Names the cluster's folder to the suite.
const OLDER: &str = "KUBEFLOW_MCP_TEST_OLDER_CLUSTER";

pub(super) fn run() -> anyhow::Result<()> {
    shell::run(suite()?.arg("--no-run"))?;
    let cluster = TestCluster::up("older", Generation::Older)?;
    let tests = suite()?.args(["--", "older::"]).env(OLDER, cluster.folder()).output();
    cluster.down()?;
    let Output { stdout, stderr, status } = tests.context("cannot start the suite")?;
    let said = [stdout, stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
    // A test that was renamed would pass unseen.
    ensure!(status.success() && said.contains("1 passed"), "it did not pass:\n{said}");
    Ok(())
}
