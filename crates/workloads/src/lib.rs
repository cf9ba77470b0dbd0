//! What running work has in common, whatever Kubeflow component started it.

pub mod code;
pub mod creation;
pub mod diagnosis;
pub mod environment;
pub mod events;
pub mod image;
pub mod job;
pub mod logs;
pub mod metrics;
pub mod output;
pub mod pages;
pub mod phase;
pub mod pods;
pub mod progress;
pub mod train_job;
pub mod waiting;
pub mod workload;

use kubeflow_mcp_core::Sign;

/// What is concluded from, of Pods and what they belong to.
pub fn signs() -> Vec<Sign> {
    let pods = pods::SIGNS.into_iter().flatten().copied();
    let logs = [logs::NODE_OUT_OF_REACH];
    let jobs = train_job::phase::SIGNS.into_iter().chain(job::SIGNS);
    let placement = [train_job::placement::UNKNOWN_PATCHES];
    pods.chain(logs).chain(jobs).chain(placement).chain(diagnosis::signs()).collect()
}
