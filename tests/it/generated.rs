//! What is published about the tools is derived from them, committed, and current.
//! `cargo xtask generate` writes it.

mod document;
mod roles;

use expect_test::{ExpectFile, expect_file};
use kubeflow_mcp_core::ToolSet;

#[test]
fn generated_snapshots_are_current() {
    for set in ToolSet::linked() {
        let tools: Vec<_> = set.tools().map(|tool| tool.describe()).collect();
        let text = serde_json::to_string_pretty(&tools).unwrap();
        current(file(&format!("it/snapshots/{}.json", set.name)), &(text + "\n"));
    }
}

#[test]
fn generated_tool_document_is_current() {
    current(expect_file!["../../docs/tools.md"], &document::tools(&ToolSet::linked()));
}

#[test]
fn generated_roles_are_current() {
    current(expect_file!["../../deploy/rbac.yaml"], &roles::yaml(&ToolSet::linked()));
}

fn file(path: &str) -> ExpectFile {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    expect_file![path]
}

fn current(expected: ExpectFile, actual: &str) {
    expected.assert_eq(actual);
}
