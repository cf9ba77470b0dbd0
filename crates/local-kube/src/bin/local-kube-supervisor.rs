//! Watches over one process of a Pod, for programs that embed the kubelet and bring no supervisor of their own.

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    local_kube::kubelet::supervise(std::env::args_os().skip(1))
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
