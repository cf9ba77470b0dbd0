//! What goes to the log, which is standard error: standard output belongs to the protocol.

use std::io::{self, IsTerminal as _};

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

/// Libraries that repeat what we report ourselves, or that log results, which can hold secrets.
const QUIET: &str =
    "rmcp=warn,rmcp::service=off,kube_client=error,kube_client::client::builder=off";

/// Logs by `filter`, or everything of at least `level`.
pub(super) fn start(filter: Option<&str>, level: &str) -> anyhow::Result<()> {
    let asked = filter.unwrap_or(level);
    let filter = EnvFilter::builder()
        .parse(format!("{QUIET},{asked}"))
        .with_context(|| format!("--log {asked:?} is no filter such as \"debug\""))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
    Ok(())
}
