//! The server as users run it, for tests that kill it.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubeflow_mcp::run()
}
