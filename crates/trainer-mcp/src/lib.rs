//! Tools for Kubeflow Trainer: plan, start, follow and explain training jobs.

pub mod capacity;
pub mod diagnosis;
pub mod estimates;
pub mod events;
pub mod jobs;
#[cfg(feature = "local")]
mod local;
pub mod logs;
pub mod pre_flight;
pub mod runtimes;
pub mod submission;
#[cfg(all(test, feature = "local"))]
mod testing;
mod torchtune;
pub mod waiting;

use kubeflow_mcp_core::{Sign, ToolSet};

/// What the tools conclude something from, beside what any workload is judged by.
pub fn signs() -> Vec<Sign> {
    [capacity::SIGNS.as_slice(), &pre_flight::SIGNS, &submission::SIGNS].concat()
}

pub const TOOL_SET: ToolSet = ToolSet {
    name: "trainer",
    about: "Plan, start, follow and explain training jobs",
    guide: include_str!("guide.md"),
    tools: &[
        capacity::TOOLS,
        estimates::TOOLS,
        runtimes::TOOLS,
        pre_flight::TOOLS,
        submission::TOOLS,
        jobs::TOOLS,
        logs::TOOLS,
        events::TOOLS,
        diagnosis::TOOLS,
        waiting::TOOLS,
    ],
    #[cfg(feature = "local")]
    local: Some(local::LOCAL),
    #[cfg(not(feature = "local"))]
    local: None,
};

inventory::submit!(TOOL_SET);
