//! The tools for Katib as a server of their own.

use std::process::ExitCode;

// Linking the set is what registers its tools.
use katib_mcp as _;
use kubeflow_mcp_core::cli::{self, Info};

fn main() -> ExitCode {
    cli::run(Info {
        name: "katib-mcp",
        about: "Katib for AI agents: plan, start, follow and explain the search for good hyper-parameters",
        version: env!("CARGO_PKG_VERSION"),
        commands: Vec::new(),
    })
}
