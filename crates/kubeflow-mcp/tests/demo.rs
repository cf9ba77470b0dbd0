//! The demo, as a newcomer runs it. It installs scikit-learn the first time.
#![cfg(all(feature = "local", feature = "trainer"))]
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

/// Runs the demo where it may leave something, which it must not.
fn demo(words: &[&str], variables: &[(&str, &str)]) -> Output {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kubeflow-mcp"))
        .arg("demo")
        .args(words)
        .env("TMPDIR", temporary.path())
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    output
}

fn with_script(script: &str) -> Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, script).unwrap();
    let path: &Path = file.path();
    demo(&["--script", path.to_str().unwrap()], &[])
}

/// What a demo that fails says last.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The per cent that the demo ends with.
fn accuracy(output: &Output) -> f64 {
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let (_, rest) = told.split_once("is right about ").unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn the_demo_ends_with_the_accuracy_that_the_job_states() {
    let trained = accuracy(&demo(&[], &[]));
    assert!(trained > 90.0, "{trained}");

    let script = include_str!("../src/demo/train.py");
    let crippled = script.replace("EPOCHS = 20", "EPOCHS = 1");
    assert_ne!(crippled, script);
    let crippled = accuracy(&with_script(&crippled));
    assert!(crippled < trained, "{crippled} and {trained}");
}

/// A number behind some words.
#[cfg(feature = "katib")]
fn after(told: &str, words: &str) -> f64 {
    let (_, rest) = told.split_once(words).unwrap_or_else(|| panic!("{words:?} in {told}"));
    let number: String = rest.chars().take_while(|it| it.is_ascii_digit() || *it == '.').collect();
    number.trim_end_matches('.').parse().unwrap()
}

#[cfg(feature = "katib")]
#[test]
fn a_search_of_20_trials_beats_the_defaults() {
    let output = demo(&["optimize"], &[]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let defaults = after(&told, "accuracy=");
    let best = after(&told, "the model is right about ");
    assert!(best / 100.0 >= defaults + 0.01, "{best} % and {defaults}");
    let rows = told.lines().filter(|it| it.trim_start().starts_with("tune-")).count();
    assert_eq!(rows, 20, "{told}");
    assert!(told.contains("The best values: alpha="), "{told}");
    assert!(told.lines().any(|it| it.contains("│") && it.contains("·")), "{told}");
}

#[cfg(feature = "katib")]
#[test]
fn a_search_whose_trials_print_nothing_ends_with_the_reason() {
    let file = tempfile::NamedTempFile::new().unwrap();
    // Without parameters it prints what the demo asks for first.
    let script = "import sys\nif len(sys.argv) == 1:\n    print('accuracy=0.5')\n";
    std::fs::write(&file, script).unwrap();
    let path: &Path = file.path();
    let output = demo(&["optimize", "--script", path.to_str().unwrap()], &[]);
    let said = complaint(&output);
    assert!(said.contains("the search did not complete: "), "{said}");
    assert!(said.contains("accuracy"), "{said}");
}

#[test]
fn a_script_that_is_no_python_is_refused_before_anything_is_made() {
    let output = with_script("def train(:\n");
    let said = complaint(&output);
    assert!(said.contains("line 1"), "{said}");
}

#[test]
fn a_script_that_fails_ends_the_demo_with_what_it_said() {
    let started = Instant::now();
    let output = with_script("def train():\n    raise ValueError('no data')\n\ntrain()\n");
    let said = complaint(&output);
    assert!(said.ends_with("its program failed: ValueError: no data\n"), "{said}");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("Traceback (most recent call last)"), "{told}");
    // The environment may have had to be made; a job that is tried again and again takes longer.
    assert!(started.elapsed() < Duration::from_secs(120), "{:?}", started.elapsed());
}

#[test]
fn without_python_the_demo_says_so() {
    let nothing = tempfile::tempdir().unwrap();
    let output = demo(&[], &[("PATH", nothing.path().to_str().unwrap())]);
    let said = complaint(&output);
    assert!(said.contains("there is no python3 on the PATH"), "{said}");
}

#[test]
fn packages_that_cannot_be_installed_end_the_demo_with_the_reason() {
    let cache = tempfile::tempdir().unwrap();
    let output = demo(
        &[],
        &[
            ("XDG_CACHE_HOME", cache.path().to_str().unwrap()),
            ("PIP_CONFIG_FILE", "/dev/null"),
            ("PIP_NO_INDEX", "1"),
            ("PIP_FIND_LINKS", ""),
        ],
    );
    let said = complaint(&output);
    assert!(said.ends_with("No matching distribution found for scikit-learn\n"), "{said}");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("the virtual environment with scikit-learn could not be made"), "{told}");
}
