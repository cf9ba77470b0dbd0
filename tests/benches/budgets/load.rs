//! Thousands of TrainJobs and Pods in a real cluster: what calls cost there, in requests, time and
//! memory.

mod calls;
mod diagnosing;
mod filling;
mod hollow;
mod memory;
mod objects;
mod recording;
mod served;
mod waiting;

use anyhow::Context as _;
use kube::Client;
use kubeflow_mcp as _; // Linking the crate registers every tool set.
use kubeflow_mcp_tests::cluster::Cluster;

use crate::{Binary, Row};

/// How many jobs there are; each has two Pods.
const JOBS: &str = "KUBEFLOW_MCP_BENCH_JOBS";
/// The namespace of all jobs, and one of so few that a single request lists them.
const MANY: &str = "many";
const FEW: &str = "few";
const FEW_JOBS: usize = 100;
/// A job in each of them that has really run.
const REAL: &str = "real";

/// A cluster that was filled.
struct Load {
    cluster: Cluster,
    jobs: usize,
    _nodes: hollow::Nodes,
}

pub(crate) fn measure(binary: &Binary) -> anyhow::Result<Vec<Row>> {
    let jobs = std::env::var(JOBS).with_context(|| format!("{JOBS} is not set"))?;
    let jobs = jobs.parse().with_context(|| format!("{JOBS} is {jobs:?}"))?;
    anyhow::ensure!(jobs >= 1_000, "with {jobs} jobs there is no second chunk: 1000 at least");
    let runtime = tokio::runtime::Runtime::new()?;
    let mut rows = Vec::new();
    let load = runtime.block_on(async {
        let cluster = Cluster::real().await;
        let nodes = hollow::Nodes::register(&cluster.admin()).await?;
        let load = Load { cluster, jobs, _nodes: nodes };
        filling::fill(&load).await?;
        rows.extend(calls::measure(binary, &load).await?);
        anyhow::Ok(load)
    })?;
    rows.extend(memory::measure(binary, &load)?);
    Ok(rows)
}

impl Load {
    fn client(&self) -> Client {
        self.cluster.admin()
    }

    fn pods(&self) -> usize {
        (self.jobs + FEW_JOBS) * objects::RANKS
    }
}
