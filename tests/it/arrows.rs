//! Which crate may depend on which: the arrows of ARCHITECTURE.md.

use std::process::Command;

use serde_json::Value;

/// Every allowed arrow from a crate of ours: to crates of ours, and to those that one crate alone
/// may name.
const ARROWS: &[(&str, &[&str])] = &[
    ("katib-mcp", &["kubeflow-mcp-core", "local-kube", "workloads"]),
    ("kubeflow-mcp", &["katib-mcp", "kubeflow-mcp-core", "trainer-mcp"]),
    ("kubeflow-mcp-core", &["local-kube", "rmcp"]),
    ("local-kube", &[]),
    ("trainer-mcp", &["kubeflow-mcp-core", "local-kube", "workloads"]),
    ("workloads", &["kubeflow-mcp-core", "local-kube"]),
    ("xtask", &[]),
];

/// Crates outside that not everybody may name.
const GUARDED: &[&str] = &["rmcp"];

#[test]
fn crates_depend_only_along_the_arrows() {
    let packages = workspace();
    let ours: Vec<&str> = packages.iter().map(|it| it["name"].as_str().unwrap()).collect();
    for package in packages.iter().filter(|it| it["name"] != "kubeflow-mcp-tests") {
        let name = package["name"].as_str().unwrap();
        let (_, allowed) = ARROWS
            .iter()
            .find(|(from, _)| *from == name)
            .unwrap_or_else(|| panic!("{name} has no line in the table of arrows"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = dependency["name"].as_str().unwrap();
            let watched = ours.contains(&to) || GUARDED.contains(&to);
            assert!(
                !watched || dependency["kind"] == "dev" || allowed.contains(&to),
                "{name} must not depend on {to}: see the arrows in ARCHITECTURE.md"
            );
        }
    }
}

#[test]
fn every_arrow_is_in_use() {
    let packages = workspace();
    for (from, allowed) in ARROWS {
        let package = packages.iter().find(|it| it["name"] == *from).unwrap();
        for to in *allowed {
            let dependencies = package["dependencies"].as_array().unwrap();
            assert!(
                dependencies.iter().any(|it| it["name"] == *to),
                "{from} no longer depends on {to}: take the arrow out of the table"
            );
        }
    }
}

fn workspace() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}
