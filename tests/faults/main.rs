//! What goes wrong around a server, on the local cluster and on a real one of its own: nothing is
//! lost, nothing is done twice, and what is told is true. It runs on the real cluster whose folder
//! `KUBEFLOW_MCP_TEST_CLUSTER` names, and stops its parts: no other test may use that cluster.

mod agent;
mod cluster;
mod job;
#[cfg(feature = "real-cluster")]
mod parts;
mod pods;
mod random;
mod run;
mod runs;
