//! What the tests of the whole server share: clusters, agents, requests, and tools of their own.

pub mod agent;
pub mod cluster;
pub mod component;
pub mod conformance;
pub mod counting;
pub mod diagnosis;
pub mod namespace;
pub mod normal;
pub mod processes;
pub mod relay;
pub mod request;
pub mod runtimes;
pub mod waiting;
