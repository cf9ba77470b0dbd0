//! The command line, where something about its environment is wrong.

use std::process::Command;

const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
current-context: far
contexts: [{name: far, context: {cluster: far, user: me}}]
clusters: [{name: far, cluster: {server: 'https://far.example:6443'}}]
users: [{name: me, user: {}}]
";

#[test]
fn a_no_proxy_that_cannot_be_read_stops_the_start_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    std::fs::write(&file, KUBECONFIG).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kubeflow-mcp"))
        .args(["serve", "--kubeconfig"])
        .arg(&file)
        .env("HTTPS_PROXY", "http://gate.example:3128")
        .env("NO_PROXY", "localhost,.example.org,")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected = "NO_PROXY is \"localhost,.example.org,\", which cannot be used beside a proxy";
    assert!(said.contains(expected) && said.contains("none at the end"), "{said}");
}
