//! What a diagnosis reads beside the workload itself. Without any of it, it says what it could not see.

use kubeflow_mcp_core::{Need, Resource};

use crate::{
    events::EVENTS,
    job::JOBS,
    logs::POD_LOGS,
    pods::PODS,
    train_job::runtime::{CLUSTER_RUNTIMES, RUNTIMES},
};

pub const NODES: Resource = Resource::cluster("", "nodes");
pub const QUOTAS: Resource = Resource::namespaced("", "resourcequotas");
pub(super) const JOB_SETS: Resource = Resource::namespaced("jobset.x-k8s.io", "jobsets");
pub(super) const CLAIMS: Resource = Resource::namespaced("", "persistentvolumeclaims");
pub(super) const WORKLOADS: Resource = Resource::namespaced("kueue.x-k8s.io", "workloads");
pub(super) const QUEUES: Resource = Resource::namespaced("kueue.x-k8s.io", "localqueues");

/// Of any workload.
pub const NEEDS: [Need; 12] = [
    Need::perhaps(&["list"], PODS),
    Need::perhaps(&["list"], EVENTS),
    Need::perhaps(&["get"], POD_LOGS),
    Need::perhaps(&["get"], JOB_SETS),
    Need::perhaps(&["list"], JOBS),
    Need::perhaps(&["list"], CLAIMS),
    Need::perhaps(&["list"], QUOTAS),
    Need::perhaps(&["list"], NODES),
    Need::perhaps(&["list"], RUNTIMES),
    Need::perhaps(&["list"], CLUSTER_RUNTIMES),
    Need::perhaps(&["list"], WORKLOADS),
    Need::perhaps(&["get"], QUEUES),
];
