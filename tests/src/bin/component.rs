//! Plays the component of a tool set beside a real API server, for as long as it runs.

use clap::Parser as _;
use kubeflow_mcp as _; // Linking the crate registers every tool set.
use kubeflow_mcp_tests::component;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    component::run(&component::Options::parse()).await
}
