//! The one binary that is shipped. On Linux it is linked statically, so that it runs on every
//! distribution, and starts without looking for libraries.

use std::{
    env::consts,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{shell, toolbox};

pub(crate) fn run() -> anyhow::Result<()> {
    let binary = build()?;
    let megabytes = std::fs::metadata(&binary)?.len() as f64 / 1e6;
    println!("{} ({megabytes:.1} MB)", binary.display());
    Ok(())
}

/// Builds it, and says where it is.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let build = "--profile dist --package kubeflow-mcp";
    if consts::OS != "linux" {
        shell::run(&mut shell::cargo(&format!("build {build}")))?;
        return Ok(shell::target().join("dist/kubeflow-mcp"));
    }
    let target = format!("{}-unknown-linux-musl", consts::ARCH);
    let sysroot = shell::output(shell::command("rustc").args(["--print", "sysroot"]))?;
    // Rust may come from a distribution, which has no rustup.
    if !Path::new(sysroot.trim()).join("lib/rustlib").join(&target).exists() {
        shell::run(shell::command("rustup").args(["target", "add", &target]))
            .context("a static binary needs Rust's target for it")?;
    }
    // SQLite is C, and compiled for musl by the compiler that Zig brings.
    let zig = toolbox::zig()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths([zig.clone()].into_iter().chain(std::env::split_paths(&path)))?;
    let mut cargo = shell::command(zig.join("cargo-zigbuild"));
    cargo.arg("zigbuild").args(build.split_whitespace()).args(["--target", &target]);
    shell::run(cargo.env("PATH", path))?;
    Ok(shell::target().join(target).join("dist/kubeflow-mcp"))
}
