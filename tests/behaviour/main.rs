//! What holds on the local cluster and on a real one alike: each test is written once. It runs on the
//! real one whose folder `KUBEFLOW_MCP_TEST_CLUSTER` names, else on the local one.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod api;
#[cfg(feature = "clients")]
mod clients;
mod conversation;
mod diagnosis;
mod differences;
mod older;
mod optimization;
mod pods;
mod rbac;
mod signs;
mod tools;
mod training;
mod trainjobs;

use kubeflow_mcp as _; // Linking the crate registers every tool set.
