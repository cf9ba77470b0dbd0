//! Other programs, run from the top of the workspace.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

/// The top of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// A command that starts at the top of the workspace.
pub(crate) fn command(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new(program.as_ref());
    command.current_dir(root());
    command
}

/// The cargo that runs us, with the arguments of one line.
pub(crate) fn cargo(arguments: &str) -> Command {
    let mut command = command(std::env::var_os("CARGO").map_or("cargo".into(), PathBuf::from));
    command.args(arguments.split_whitespace());
    command
}

/// Runs it to its end; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let line = line_of(command);
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs it and gives back what it printed on standard output.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let line = line_of(command);
    let output = command.output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` ended with {}: {}", output.status, complaint.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("output of `{line}`"))
}

/// The files of the workspace, committed or not, without those that git ignores.
pub(crate) fn sources() -> anyhow::Result<Vec<String>> {
    let all = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let listed = output(command("git").args(all))?;
    // A file deleted but not committed yet is still listed.
    Ok(listed.lines().filter(|it| root().join(it).is_file()).map(str::to_owned).collect())
}

fn line_of(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|it| it.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
