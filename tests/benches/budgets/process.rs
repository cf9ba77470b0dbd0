//! The process: how soon it answers, what it weighs.

use std::{net::TcpListener, time::Instant};

use serde_json::json;

use crate::{Binary, Row, local::Daemon, median, milliseconds, stdio::Server};

pub(crate) fn measure(binary: &Binary) -> anyhow::Result<Vec<Row>> {
    let daemon = Daemon::start(binary)?;
    let start = median(31, || {
        let begin = Instant::now();
        let mut server = Server::start(&mut daemon.command(&["serve", "--local"]))?;
        server.initialize()?;
        Ok(milliseconds(begin.elapsed()))
    })?;
    let mut server = Server::start(&mut daemon.command(&["serve", "--local"]))?;
    server.initialize()?;
    let listed = server.request("tools/list", json!({}))?;
    anyhow::ensure!(listed["tools"].as_array().is_some_and(|it| it.len() > 5), "{listed}");
    let size = std::fs::metadata(&binary.0)?.len();
    Ok(vec![
        Row {
            what: "spawn → `initialize` answer, stdio, median",
            figure: start,
            budget: 5.0,
            unit: "ms",
        },
        Row {
            what: "resident memory after `tools/list`",
            figure: server.resident()?,
            budget: 12.0,
            unit: "MiB",
        },
        Row { what: "binary, `dist` profile", figure: size as f64 / 1e6, budget: 20.0, unit: "MB" },
        Row {
            what: "`tools/list` when the API server hangs",
            figure: hanging(binary)?,
            budget: 3_000.0,
            unit: "ms",
        },
    ])
}

/// An API server that takes connections and never says a word.
fn hanging(binary: &Binary) -> anyhow::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("config");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "hangs",
        "clusters": [{"name": "hangs", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "hangs", "user": {}}],
        "contexts": [{"name": "hangs", "context": {"cluster": "hangs", "user": "hangs"}}],
    });
    std::fs::write(&kubeconfig, config.to_string())?;
    let mut command = std::process::Command::new(&binary.0);
    let mut server = Server::start(command.args(["serve", "--kubeconfig"]).arg(&kubeconfig))?;
    server.initialize()?;
    let begin = Instant::now();
    let listed = server.request("tools/list", json!({}))?;
    anyhow::ensure!(listed["tools"][0]["name"] == "health_check", "{listed}");
    Ok(milliseconds(begin.elapsed()))
}
