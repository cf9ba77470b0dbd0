//! The tools for Kubeflow Trainer as a server of their own.

use std::process::ExitCode;

use kubeflow_mcp_core::cli::{self, Info};
// Linking the set is what registers its tools.
use trainer_mcp as _;

fn main() -> ExitCode {
    cli::run(Info {
        name: "trainer-mcp",
        about: "Kubeflow Trainer for AI agents: plan, start, follow and explain training jobs",
        version: env!("CARGO_PKG_VERSION"),
        commands: Vec::new(),
    })
}
