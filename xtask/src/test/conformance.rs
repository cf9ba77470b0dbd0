//! The official MCP conformance suite against the production handler, over loopback HTTP.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use anyhow::Context as _;

use crate::{shell, toolbox};

/// The frozen requirement lists that we hold, with the scenarios of capabilities we do not declare.
const REVISIONS: &[&str] = &["2026-07-28", "2025-11-25"];

pub(crate) fn run() -> anyhow::Result<()> {
    let (node, suite) = toolbox::conformance()?;
    shell::run(&mut shell::cargo(
        "build --quiet --package kubeflow-mcp-tests --bin conformance-server",
    ))?;
    let server = Server::start()?;
    for revision in REVISIONS {
        println!("requirements {revision}");
        shell::run(
            shell::command(&node)
                .arg(&suite)
                .args(["server", "--url", &server.url, "--requirements", revision])
                .arg("--expected-failures")
                .arg(format!("tests/conformance/{revision}.yml"))
                .arg("-o")
                .arg(shell::target().join("conformance").join(revision)),
        )?;
    }
    Ok(())
}

/// The fixture server, ended with us.
struct Server {
    process: Child,
    url: String,
}

impl Server {
    fn start() -> anyhow::Result<Self> {
        let program = shell::target().join("debug/conformance-server");
        let mut process = shell::command(program)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the conformance server")?;
        let mut url = String::new();
        let output = process.stdout.take().context("its output is piped")?;
        BufReader::new(output).read_line(&mut url)?;
        Ok(Self { process, url: url.trim().to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the suite has then told.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
