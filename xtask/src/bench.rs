//! What the project promises in figures, measured on the binary that is shipped.

use crate::{dist, shell};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the rows whose name contains this.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let binary = dist::build()?;
    let mut bench = shell::cargo("bench --quiet --package kubeflow-mcp-tests --bench budgets --");
    bench.args(&args.only).env("KUBEFLOW_MCP_BINARY", binary);
    shell::run(&mut bench)
}
