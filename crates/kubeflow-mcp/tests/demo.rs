//! The demo, as a newcomer runs it. It installs scikit-learn the first time.
#![cfg(all(feature = "local", feature = "trainer"))]
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{
    path::Path,
    process::{Command, Output},
};

/// Runs the demo where it may leave something, which it must not.
fn demo(words: &[&str]) -> Output {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_kubeflow-mcp"))
        .arg("demo")
        .args(words)
        .env("TMPDIR", temporary.path())
        .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"))
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
    demo(&["--script", path.to_str().unwrap()])
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
    let trained = accuracy(&demo(&[]));
    assert!(trained > 90.0, "{trained}");

    let script = include_str!("../src/demo/train.py");
    let crippled = script.replace("EPOCHS = 20", "EPOCHS = 1");
    assert_ne!(crippled, script);
    let crippled = accuracy(&with_script(&crippled));
    assert!(crippled < trained, "{crippled} and {trained}");
}

#[test]
fn a_script_that_is_no_python_is_refused_before_anything_is_made() {
    let output = with_script("def train(:\n");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("line 1"), "{said}");
}
