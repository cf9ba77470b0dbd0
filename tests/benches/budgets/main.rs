//! What the project promises in figures, each beside its budget. `cargo xtask bench` runs it on the
//! shipped binary, which `KUBEFLOW_MCP_BINARY` names; with a real cluster, what it promises under load.
#![expect(clippy::print_stdout, reason = "a table for the person who runs it")]

mod diagnosis;
mod in_process;
mod load;
mod local;
mod process;
mod requests;
mod searches;
mod stdio;
mod tokens;
mod trials;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::Context as _;
use kubeflow_mcp_tests::cluster;

/// One promise: a figure and what it may be at most.
struct Row {
    what: &'static str,
    figure: f64,
    budget: f64,
    unit: &'static str,
}

/// Measures some rows that share their preparation.
struct Group {
    name: &'static str,
    measure: fn(&Binary) -> anyhow::Result<Vec<Row>>,
}

const GROUPS: &[Group] = &[
    Group { name: "process", measure: process::measure },
    Group { name: "tokens", measure: tokens::measure },
    Group { name: "requests", measure: requests::measure },
    Group { name: "calls", measure: in_process::measure },
    Group { name: "searches", measure: searches::measure },
    Group { name: "local", measure: local::measure },
    Group { name: "trials", measure: trials::measure },
    Group { name: "diagnosis", measure: diagnosis::measure },
];

/// Those of a real cluster, which they fill.
const LOADED: &[Group] = &[Group { name: "load", measure: load::measure }];

const HEADER: &str = "| what | budget | measured |\n|---|---|---|";

/// The shipped binary.
struct Binary(PathBuf);

fn main() -> ExitCode {
    match table() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(missed) => {
            println!("\n{missed} missed");
            ExitCode::FAILURE
        }
        Err(error) => {
            println!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a row for each promise, and counts those that are not kept.
fn table() -> anyhow::Result<usize> {
    let binary =
        std::env::var_os("KUBEFLOW_MCP_BINARY").context("KUBEFLOW_MCP_BINARY is not set")?;
    let binary = Binary(binary.into());
    let only = std::env::args().nth(1).filter(|it| !it.starts_with("--"));
    let groups = if cluster::names_a_real_one() { LOADED } else { GROUPS };
    println!("{HEADER}");
    let mut missed = 0;
    for group in
        groups.iter().filter(|it| only.as_deref().is_none_or(|only| it.name.contains(only)))
    {
        for row in (group.measure)(&binary).with_context(|| group.name)? {
            let Row { what, figure, budget, unit } = row;
            let verdict = if figure <= budget { "" } else { " **(missed)**" };
            missed += usize::from(figure > budget);
            println!("| {what} | ≤ {budget} {unit} | {} {unit}{verdict} |", rounded(figure));
        }
    }
    Ok(missed)
}

/// Enough digits to compare, none to admire.
fn rounded(figure: f64) -> String {
    if figure >= 100.0 || figure.fract() == 0.0 {
        format!("{figure:.0}")
    } else {
        format!("{figure:.2}")
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// The median of `count` runs of `once`.
fn median(count: usize, mut once: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
    let mut figures = (0..count).map(|_| once()).collect::<anyhow::Result<Vec<f64>>>()?;
    figures.sort_by(f64::total_cmp);
    Ok(figures[figures.len() / 2])
}
