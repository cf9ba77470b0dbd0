//! Programs of `tests/clients` that run to their end.

use std::{env, process::Stdio};

use kubeflow_mcp_tests::namespace::Namespace;
use tokio::process::Command;

use super::session::clients;

/// What a program prints, for whom the namespace is the default one.
pub(super) async fn run(namespace: &Namespace, program: &str, arguments: &[&str]) -> String {
    let python = env::var_os("PYTHON").expect("PYTHON names a program");
    let mut command = Command::new(python);
    command
        .arg(clients().join(program))
        .args(arguments)
        .env("KUBECONFIG", namespace.kubeconfig())
        .env("NAMESPACE", namespace.name())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = command.output().await.expect("Python starts");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{program}: {told}");
    String::from_utf8(ended.stdout).expect("a text")
}
