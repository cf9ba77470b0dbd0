//! The program that supervises the Pods of the tests' clusters.

use std::process::ExitCode;

fn main() -> ExitCode {
    local_kube::kubelet::supervise(std::env::args_os().skip(1))
}
