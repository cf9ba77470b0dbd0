//! Small mistakes laid into a copy of the sources, one at a time: the test that each names must notice.

mod copy;
mod patch;

use std::{collections::BTreeSet, env, fs, process::Output, time::Instant};

use anyhow::{Context as _, bail};

use self::{copy::Copy, patch::Patch};
use crate::shell;

/// Runs of the seeded faults are many; a mistake that they guard against shows in a few.
const FEWER_RUNS: (&str, &str) = ("KUBEFLOW_MCP_FAULT_RUNS", "20");

/// Names a part of the patches: what is in their names, or in those of the packages whose tests catch
/// them.
const SOME: &str = "KUBEFLOW_MCP_MUTATIONS";

/// How a test ended.
#[derive(Debug, PartialEq)]
enum Ending {
    Passed,
    Failed,
    /// It did not build, or there is no such test.
    NotRun,
}

pub(super) fn run() -> anyhow::Result<()> {
    let patches = patches()?;
    let copy = Copy::make()?;
    check_without(&copy, &patches)?;
    let mut rows = Vec::new();
    for patch in &patches {
        println!("{}: {}", patch.name, patch.what);
        let start = Instant::now();
        let verdict = judge(&copy, patch)?;
        rows.push((patch, verdict, start.elapsed()));
    }
    println!();
    for (patch, verdict, time) in &rows {
        let (Patch { name, test, .. }, time) = (patch, time.as_secs_f64());
        println!("{:<11} {time:>6.1} s  {name:<36} {test}", verdict.err().unwrap_or("caught"));
    }
    let missed = rows.iter().filter(|(_, verdict, _)| verdict.is_err()).count();
    if missed > 0 {
        bail!("{missed} of {} mistakes were not caught as they should be", rows.len());
    }
    println!("{} mistakes were caught by the tests that they name", rows.len());
    Ok(())
}

/// Only a test that passes without the mistake says anything of it.
fn check_without(copy: &Copy, patches: &[Patch]) -> anyhow::Result<()> {
    println!("all of their tests, without a mistake");
    let mut checked = BTreeSet::new();
    for patch in patches {
        let place = patch.place();
        if !checked.insert(place.clone()) {
            continue;
        }
        let tests: BTreeSet<&str> =
            patches.iter().filter(|it| it.place() == place).map(|it| it.test.as_str()).collect();
        let said = said(copy, patch, &tests)?;
        if let Some(test) = tests.iter().find(|test| read(&said, test) != Ending::Passed) {
            println!("{said}");
            bail!("{test} does not pass without a mistake");
        }
    }
    Ok(())
}

/// The patches that are asked for.
fn patches() -> anyhow::Result<Vec<Patch>> {
    let folder = shell::root().join("tests/mutations");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        files.push(entry?.path());
    }
    files.sort();
    let patches: anyhow::Result<Vec<Patch>> = files.iter().map(|file| Patch::read(file)).collect();
    let mut patches = patches?;
    if let Some(some) = env::var_os(SOME) {
        let some = some.to_string_lossy();
        patches.retain(|it| it.name.contains(&*some) || it.package.contains(&*some));
        if patches.is_empty() {
            bail!("{SOME} is \"{some}\", which is in no patch's name or package");
        }
    }
    // Those that need the same programs follow each other.
    patches.sort_by_key(Patch::place);
    Ok(patches)
}

fn judge(copy: &Copy, patch: &Patch) -> anyhow::Result<Result<(), &'static str>> {
    if !copy.apply(patch, false)? {
        return Ok(Err("OUTDATED"));
    }
    let said = said(copy, patch, &[patch.test.as_str()].into());
    if !copy.apply(patch, true)? {
        bail!("{} cannot be taken back", patch.name);
    }
    let said = said?;
    Ok(match read(&said, &patch.test) {
        Ending::Failed => Ok(()),
        Ending::Passed => Err("NOT CAUGHT"),
        Ending::NotRun => {
            println!("{said}");
            Err("NOT RUN")
        }
    })
}

/// What cargo prints of tests that are in one place.
fn said(copy: &Copy, patch: &Patch, tests: &BTreeSet<&str>) -> anyhow::Result<String> {
    let mut cargo = shell::cargo("test");
    cargo.current_dir(copy.root()).args(patch.place()).args(["--", "--exact"]).args(tests);
    cargo.env("CARGO_TARGET_DIR", shell::target()).env(FEWER_RUNS.0, FEWER_RUNS.1);
    cargo.env("RUST_BACKTRACE", "0");
    let Output { stdout, stderr, .. } = cargo.output().context("cannot start cargo")?;
    Ok(format!("{}\n{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// How the test ended, by its line in what cargo printed.
fn read(said: &str, test: &str) -> Ending {
    let start = format!("test {test} ... ");
    let verdict = |word: &str| said.lines().any(|line| line.strip_prefix(&start) == Some(word));
    if verdict("ok") {
        Ending::Passed
    } else if verdict("FAILED") {
        Ending::Failed
    } else {
        Ending::NotRun
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, read};

    #[test]
    fn a_test_passes_fails_or_does_not_run() {
        let result = |word: &str, passed: u8, failed: u8| {
            format!(
                "test a::b ... {word}\n\ntest result: {word}. {passed} passed; {failed} failed; 0 ignored"
            )
        };
        assert_eq!(read(&result("ok", 1, 0), "a::b"), Ending::Passed);
        assert_eq!(read(&result("FAILED", 0, 1), "a::b"), Ending::Failed);
        assert_eq!(read("test result: ok. 0 passed; 0 failed", "a::b"), Ending::NotRun);
        assert_eq!(read("error: could not compile", "a::b"), Ending::NotRun);
    }
}
