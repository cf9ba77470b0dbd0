//! Every check that a change must pass, in the order in which they fail fastest.

mod behaviour;
mod conformance;
mod faults;
mod mutations;
mod older;
mod product;

use std::time::{Duration, Instant};

use anyhow::bail;

pub(crate) use self::behaviour::REAL;
use crate::{cluster, licences, shell, tidy};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run one part only.
    #[arg(long, value_name = "NAME", value_parser = names())]
    only: Option<String>,
}

struct Part {
    name: &'static str,
    about: &'static str,
    run: fn() -> anyhow::Result<()>,
}

const PARTS: &[Part] = &[
    Part { name: "fmt", about: "the sources are formatted", run: fmt },
    Part { name: "tidy", about: "files are short and say what lives in them", run: tidy::run },
    Part { name: "licences", about: "every dependency may be used", run: licences::run },
    Part { name: "clippy", about: "no warning in any target", run: clippy },
    Part { name: "features", about: "any subset of the features builds", run: features },
    Part { name: "workspace", about: "cargo test --workspace", run: workspace },
    Part { name: "conformance", about: "the official MCP suite", run: conformance::run },
    Part {
        name: "behaviour",
        about: "one suite, on the local cluster and a real one",
        run: behaviour::run,
    },
    Part { name: "older", about: "a real cluster of the generation before", run: older::run },
    Part {
        name: "faults",
        about: "a local cluster and a real one whose parts are killed",
        run: faults::run,
    },
    Part { name: "lifetime", about: "a real cluster ends with its terminal", run: lifetime },
    Part {
        name: "python-client",
        about: "the MCP SDK for Python over stdio",
        run: product::python_client,
    },
];

/// Not part of a whole run: for each mistake, much is built anew.
const WHEN_ASKED: &[Part] = &[Part {
    name: "mutations",
    about: "mistakes that a named test must catch",
    run: mutations::run,
}];

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let mut results: Vec<(&Part, Duration, anyhow::Result<()>)> = Vec::new();
    let parts: Vec<&Part> = match &args.only {
        Some(only) => PARTS.iter().chain(WHEN_ASKED).filter(|it| it.name == *only).collect(),
        None => PARTS.iter().collect(),
    };
    for part in parts {
        println!("\n── {}: {}", part.name, part.about);
        let start = Instant::now();
        let result = (part.run)();
        if let Err(error) = &result {
            println!("{error:#}");
        }
        results.push((part, start.elapsed(), result));
    }
    println!();
    for (part, time, result) in &results {
        let verdict = if result.is_ok() { "passed" } else { "FAILED" };
        println!("{verdict}  {:<14} {:>6.1} s  {}", part.name, time.as_secs_f64(), part.about);
    }
    let failed = results.iter().filter(|(_, _, result)| result.is_err()).count();
    println!("{} passed, {failed} failed", results.len() - failed);
    if args.only.is_none() {
        for part in WHEN_ASKED {
            println!("not run without `--only {}`: {}", part.name, part.about);
        }
    }
    if failed > 0 {
        bail!("{failed} of {} parts failed", results.len());
    }
    Ok(())
}

fn names() -> Vec<&'static str> {
    PARTS.iter().chain(WHEN_ASKED).map(|part| part.name).collect()
}

fn fmt() -> anyhow::Result<()> {
    shell::run(&mut shell::cargo("fmt --all --check"))
}

fn clippy() -> anyhow::Result<()> {
    // Not all targets are among `--all-targets`: those of parts of their own are asked for by name.
    for targets in ["--all-targets", "--test behaviour --test faults"] {
        shell::run(&mut shell::cargo(&format!(
            "clippy --quiet --workspace --all-features {targets} -- -D warnings"
        )))?;
    }
    Ok(())
}

fn workspace() -> anyhow::Result<()> {
    shell::run(&mut shell::cargo("test --workspace"))
}

/// Each subset on its own: a crate must not compile only thanks to another crate's features.
fn features() -> anyhow::Result<()> {
    for subset in [
        "kubeflow-mcp --no-default-features",
        "kubeflow-mcp --no-default-features --features trainer",
        "kubeflow-mcp --no-default-features --features katib",
        "kubeflow-mcp --no-default-features --features local",
        "trainer-mcp --no-default-features",
        "katib-mcp --no-default-features",
        "local-kube --no-default-features",
    ] {
        shell::run(&mut shell::cargo(&format!("check --quiet --package {subset}")))?;
    }
    Ok(())
}

fn lifetime() -> anyhow::Result<()> {
    shell::run(
        shell::command("python3")
            .arg("tests/real/lifetime.py")
            .arg(std::env::current_exe()?)
            .arg(cluster::folder_of_all()),
    )
}

#[cfg(test)]
mod tests {
    use super::shell;

    #[test]
    fn continuous_integration_says_what_it_lacks() {
        let empty = std::env::temp_dir().join("no-such-folder");
        let mut run = shell::command("/bin/bash");
        run.arg(".ci/run").env("HOME", &empty).env_remove("CARGO_HOME").env("PATH", &empty);
        let output = run.output().expect("bash starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "{said}");
        assert!(said.contains("Rust (https://rustup.rs): there is no `cargo`"), "{said}");
        assert!(said.contains("Python 3: there is no `python3`"), "{said}");
    }
}
