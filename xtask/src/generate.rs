//! What is published about the tools, written from the tools.

use crate::shell;

/// The generated files are expectations of a test; generating them is running it in writing mode.
pub(crate) fn run() -> anyhow::Result<()> {
    shell::run(
        shell::cargo(
            "test --quiet --package kubeflow-mcp-tests --test it --test behaviour -- generated",
        )
        .env("UPDATE_EXPECT", "1"),
    )?;
    shell::run(shell::command("git").args(["status", "--short", "docs", "deploy", "tests"]))
}
