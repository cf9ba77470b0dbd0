//! Pods that really run: the kubelet, its supervisors, the scheduler and the Job controller, over the in-process API.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod adoption;
mod cluster;
mod configuration;
mod environments;
mod jobs;
mod limits;
mod logs;
mod running;
mod scheduling;
