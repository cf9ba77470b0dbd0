//! What running work has in common, whatever Kubeflow component started it.

pub mod code;
pub mod creation;
pub mod events;
pub mod logs;
pub mod metrics;
pub mod pages;
pub mod pods;
pub mod progress;
pub mod waiting;
