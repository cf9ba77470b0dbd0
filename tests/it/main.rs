//! What holds of the whole server, over its public boundary.
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod arrows;
mod bad_input;
mod confirmation;
mod contributing;
mod diagnosis;
mod estimates;
mod generated;
mod registry;
mod requests;
mod session;
mod tokens;
mod unreliable;
mod wire;

use kubeflow_mcp as _; // Linking the crate registers every tool set.
use kubeflow_mcp_core::{ToolDef, ToolSet};

/// Every tool that the product offers, set by set.
fn tools() -> impl Iterator<Item = &'static ToolDef> {
    ToolSet::linked().into_iter().flat_map(ToolSet::tools)
}
