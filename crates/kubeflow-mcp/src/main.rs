//! The server of every linked component.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubeflow_mcp::run()
}
