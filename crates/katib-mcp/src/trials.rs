//! The trials of an optimization job: which are best, and how their metrics went.

mod best;
mod common;
mod curves;
mod listed;
mod printed;

use kubeflow_mcp_core::ToolDef;

pub(crate) use self::{
    best::{Best, best_of},
    curves::named,
    listed::{Trials, belongs, slim},
};

pub const TOOLS: &[ToolDef] =
    &[ToolDef::of::<best::GetBestResults>(), ToolDef::of::<curves::GetTrialMetrics>()];
