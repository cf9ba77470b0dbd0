//! The Pods of a workload: how each is doing, which stands for which rank, and what they come to.

mod members;
mod state;

use kubeflow_mcp_core::Resource;

pub use self::{
    members::{Container, Group, Labels, Member, failing, groups, newest, ranks},
    state::{PodState, SIGNS, Trouble},
};

pub const PODS: Resource = Resource::namespaced("", "pods");
