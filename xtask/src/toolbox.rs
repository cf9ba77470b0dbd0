//! What the tests need from other package registries, installed once under `target/tools`.

use std::{fs, path::PathBuf};

use anyhow::Context as _;

use crate::shell;

/// The suite's first version that knows protocol 2026-07-28, and a Node that it runs on.
const NODE_PACKAGES: &[&str] =
    &["node@22.23.3", "@modelcontextprotocol/conformance@0.2.0-alpha.12"];

/// The clients that users have: the MCP SDK for Python, and Kubeflow's.
const PYTHON_PACKAGES: &[&str] = &["mcp==2.3.0", "kubeflow==0.5.0"];

/// A C compiler and linker for static binaries, driven by cargo.
const ZIG_PACKAGES: &[&str] = &["ziglang==0.17.1", "cargo-zigbuild==0.24.0"];

/// Node with the MCP conformance suite: the program and the suite's entry file.
pub(crate) fn conformance() -> anyhow::Result<(PathBuf, PathBuf)> {
    let folder = installed("node", NODE_PACKAGES, |folder| {
        fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
        shell::run(
            shell::command("npm")
                .args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"])
                .arg(folder)
                .args(NODE_PACKAGES),
        )
    })?;
    let modules = folder.join("node_modules");
    let suite = modules.join("@modelcontextprotocol/conformance/dist/index.js");
    Ok((modules.join(".bin/node"), suite))
}

/// A folder of programs: `python` with the SDKs.
pub(crate) fn clients() -> anyhow::Result<PathBuf> {
    python("python", PYTHON_PACKAGES)
}

/// A folder of programs: `cargo-zigbuild` with its compiler.
pub(crate) fn zig() -> anyhow::Result<PathBuf> {
    python("zig", ZIG_PACKAGES)
}

fn python(name: &str, packages: &[&str]) -> anyhow::Result<PathBuf> {
    let folder = installed(name, packages, |folder| {
        shell::run(shell::command("python3").args(["-m", "venv"]).arg(folder))?;
        shell::run(
            shell::command(folder.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(packages),
        )
    })?;
    Ok(folder.join("bin"))
}

/// The folder `name` with `packages` in it, made anew when the list has changed.
fn installed(
    name: &str,
    packages: &[&str],
    install: impl FnOnce(&PathBuf) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let folder = shell::target().join("tools").join(name);
    let (stamp, wanted) = (folder.join("packages.txt"), packages.join("\n"));
    if fs::read_to_string(&stamp).ok().as_deref() == Some(&wanted) {
        return Ok(folder);
    }
    println!("installing {} under {}", packages.join(", "), folder.display());
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    install(&folder).with_context(|| format!("cannot install {}", packages.join(", ")))?;
    // Written last, so that an interrupted installation is not taken for a whole one.
    fs::write(stamp, wanted)?;
    Ok(folder)
}
