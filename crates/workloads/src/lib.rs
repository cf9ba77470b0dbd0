//! What running work has in common, whatever Kubeflow component started it.

pub mod code;
pub mod creation;
pub mod environment;
pub mod events;
pub mod logs;
pub mod metrics;
pub mod output;
pub mod pages;
pub mod pods;
pub mod progress;
pub mod train_job;
pub mod waiting;
