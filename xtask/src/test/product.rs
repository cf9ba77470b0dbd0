//! The built product as its users meet it: from an MCP client of theirs.

use std::path::PathBuf;

use crate::{shell, toolbox};

/// The MCP SDK for Python plans, submits, follows and reads a job over stdio.
pub(crate) fn python_client() -> anyhow::Result<()> {
    let python = toolbox::clients()?.join("python");
    shell::run(shell::command(python).arg("tests/clients/mcp_session.py").arg(binary()?))
}

fn binary() -> anyhow::Result<PathBuf> {
    shell::run(&mut shell::cargo("build --quiet --package kubeflow-mcp"))?;
    Ok(shell::target().join("debug/kubeflow-mcp"))
}
