//! The built product as its users meet it: from an MCP client, and from the shell.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::{shell, toolbox};

/// The MCP SDK for Python plans, submits, follows and reads a job over stdio.
pub(crate) fn python_client() -> anyhow::Result<()> {
    let python = toolbox::clients()?.join("python");
    shell::run(shell::command(python).arg("tests/clients/mcp_session.py").arg(binary()?))
}

/// The demo ends with the accuracy that the job's own log line says; a crippled script gets less.
pub(crate) fn demo() -> anyhow::Result<()> {
    let binary = binary()?;
    let whole = accuracy(&shell::output(shell::command(&binary).arg("demo"))?)?;
    let crippled = accuracy(&shell::output(shell::command(&binary).args([
        "demo",
        "--script",
        "tests/demo/crippled.py",
    ]))?)?;
    println!("accuracy {whole}, with a crippled script {crippled}");
    if whole <= 0.9 || crippled >= whole {
        bail!("expected an accuracy above 0.9, and less from the crippled script");
    }
    Ok(())
}

fn binary() -> anyhow::Result<PathBuf> {
    shell::run(&mut shell::cargo("build --quiet --package kubeflow-mcp"))?;
    Ok(shell::target().join("debug/kubeflow-mcp"))
}

/// What the demo's last line says, if the job's log says the same.
fn accuracy(printed: &str) -> anyhow::Result<f64> {
    print!("{printed}");
    let last = printed.lines().last().unwrap_or_default();
    let number = last.split_whitespace().last().unwrap_or_default().trim_end_matches('.');
    let logged = format!("accuracy={number}");
    if !printed.lines().any(|line| line.contains(&logged)) {
        bail!("the last line says {number:?}, and no log line says {logged:?}");
    }
    number.parse().with_context(|| format!("no accuracy in {last:?}"))
}
