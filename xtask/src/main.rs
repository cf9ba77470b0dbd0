//! The project's automation. It depends on no crate of ours, so that it starts within a second.

#![expect(clippy::print_stdout, reason = "a task talks to the person who runs it")]

mod bench;
mod cluster;
mod dist;
mod generate;
mod licences;
mod shell;
mod test;
mod tidy;
mod toolbox;

use std::process::ExitCode;

use clap::Parser;

/// Tests, measures and generates what the project publishes.
#[derive(Parser)]
#[command(name = "cargo xtask")]
enum Task {
    /// Run every check that a change must pass: formatting, lints, tests, conformance, real clients.
    Test(test::Args),
    /// Measure what the project promises and print each figure beside its budget.
    ///
    /// By itself, what a process costs on this machine, what calls cost on the local cluster, and how well
    /// causes of failure are told apart. With
    /// `--cluster real`, what reading calls cost under load: a Kubernetes of its own is brought up,
    /// filled with TrainJobs and Pods, which takes minutes, and taken down again.
    Bench(bench::Args),
    /// Build the binary that is shipped, and say where it is.
    Dist,
    /// A real Kubernetes with the real controllers, to test against.
    Cluster(cluster::Args),
    /// Write what is derived from the tools: snapshots, docs/tools.md, deploy/rbac.yaml, tests/differences.md.
    Generate,
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Test(args) => test::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Dist => dist::run(),
        Task::Cluster(args) => cluster::run(&args),
        Task::Generate => generate::run(),
    };
    // Not through `main`'s result: who reads it wants the reason and not where we found it.
    if let Err(error) = outcome {
        println!("{error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
