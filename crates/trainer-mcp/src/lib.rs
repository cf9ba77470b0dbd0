//! Tools for Kubeflow Trainer: plan, start, follow and explain training jobs.

pub mod api;
pub mod phase;
pub mod steps;
