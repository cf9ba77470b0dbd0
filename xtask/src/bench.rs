//! What the project promises in figures, measured on the binary that is shipped.

use std::path::PathBuf;

use crate::{
    cluster::{Generation, TestCluster},
    dist, shell,
    test::REAL,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the rows whose group's name contains this.
    #[arg(long, value_name = "NAME", conflicts_with = "cluster")]
    only: Option<String>,
    /// Measure under load, in a cluster that is filled for it.
    #[arg(long, value_enum)]
    cluster: Option<Cluster>,
    /// How many TrainJobs fill the cluster; each has two Pods.
    #[arg(long, value_name = "N", default_value_t = 10_000, requires = "cluster",
          value_parser = clap::value_parser!(u32).range(1_000..=100_000))]
    jobs: u32,
    /// Measure debug builds, which are made sooner; the budgets are meant for what is shipped.
    #[arg(long)]
    debug: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Cluster {
    /// A Kubernetes control plane with the real controllers, as processes on loopback.
    Real,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let binary = binary(args.debug)?;
    let bench = || {
        let mut bench = shell::cargo("bench --quiet --package kubeflow-mcp-tests --bench budgets");
        bench.args(args.debug.then_some("--profile=dev")).env("KUBEFLOW_MCP_BINARY", &binary);
        bench
    };
    match args.cluster {
        None => shell::run(bench().arg("--").args(&args.only).env_remove(REAL)),
        Some(Cluster::Real) => {
            shell::run(bench().arg("--no-run"))?;
            let cluster = TestCluster::up("bench", Generation::Newest)?;
            let jobs = args.jobs.to_string();
            let outcome = shell::run(
                bench().env(REAL, cluster.folder()).env("KUBEFLOW_MCP_BENCH_JOBS", jobs),
            );
            cluster.down()?;
            outcome
        }
    }
}

/// What is shipped, or what is built sooner.
fn binary(debug: bool) -> anyhow::Result<PathBuf> {
    if !debug {
        return dist::build();
    }
    shell::run(&mut shell::cargo("build --package kubeflow-mcp"))?;
    Ok(shell::target().join("debug/kubeflow-mcp"))
}
