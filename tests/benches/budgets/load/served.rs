//! The binary, as a client runs it.

use std::process::Command;

use serde_json::{Value, json};

use super::Load;
use crate::{Binary, stdio::Server};

/// A server for the administrator of the cluster.
pub(super) fn start(binary: &Binary, load: &Load) -> anyhow::Result<Server> {
    let mut command = Command::new(&binary.0);
    command.args(["serve", "--kubeconfig"]).arg(load.cluster.kubeconfig());
    let mut server = Server::start(&mut command)?;
    server.initialize()?;
    server.request("tools/list", json!({}))?;
    Ok(server)
}

pub(super) fn call(server: &mut Server, tool: &str, arguments: &Value) -> anyhow::Result<Value> {
    let call = json!({"name": tool, "arguments": arguments});
    let answer = server.request("tools/call", call)?;
    let answered = answer["content"].is_array() && answer["isError"] != true;
    anyhow::ensure!(answered, "{tool} {arguments}: {answer}");
    Ok(answer)
}
