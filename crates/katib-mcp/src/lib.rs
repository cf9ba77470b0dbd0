//! Tools for Katib: plan, start, follow and explain the search for good hyper-parameters.

pub mod algorithms;
pub mod api;
pub mod budget;
pub mod deletion;
pub mod diagnosis;
pub mod events;
pub mod experiments;
#[cfg(feature = "local")]
mod local;
pub mod logs;
pub mod metrics;
pub mod objective;
pub mod optimize;
mod pods;
pub mod search_space;
pub mod states;
#[cfg(all(test, feature = "local"))]
mod testing;
pub mod trials;
pub mod waiting;

use kubeflow_mcp_core::{Sign, ToolSet};

/// What the tools conclude something from.
pub fn signs() -> Vec<Sign> {
    [diagnosis::signs(), optimize::SIGNS.to_vec(), budget::SIGNS.to_vec()].concat()
}

pub const TOOL_SET: ToolSet = ToolSet {
    name: "katib",
    about: "Plan, start, follow and explain the search for good hyper-parameters",
    guide: include_str!("guide.md"),
    tools: &[
        optimize::TOOLS,
        experiments::TOOLS,
        trials::TOOLS,
        logs::TOOLS,
        events::TOOLS,
        diagnosis::TOOLS,
        waiting::TOOLS,
        budget::TOOLS,
        deletion::TOOLS,
    ],
    #[cfg(feature = "local")]
    local: Some(local::LOCAL),
    #[cfg(not(feature = "local"))]
    local: None,
};

inventory::submit!(TOOL_SET);
