//! Every component's tools in one server, and the command line over them.

#[cfg(all(feature = "local", feature = "trainer"))]
mod demo;

use std::process::ExitCode;

// Linking a component is what registers its tools.
#[cfg(feature = "katib")]
use katib_mcp as _;
use kubeflow_mcp_core::cli::{self, Info};
#[cfg(feature = "trainer")]
use trainer_mcp as _;

/// Runs the command line of `kubeflow-mcp`.
pub fn run() -> ExitCode {
    cli::run(Info {
        name: "kubeflow-mcp",
        about: "Kubeflow for AI agents: plan, run, watch and debug machine-learning work",
        version: env!("CARGO_PKG_VERSION"),
        commands: vec![
            #[cfg(all(feature = "local", feature = "trainer"))]
            demo::extra(),
        ],
    })
}
