//! Takes the tool set of CONTRIBUTING.md out of the page, so that the tests compile what it shows.

use std::{env, fs, path::Path};

fn main() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../CONTRIBUTING.md");
    println!("cargo::rerun-if-changed={}", page.display());
    let text = fs::read_to_string(page).expect("CONTRIBUTING.md is at the top of the workspace");
    let block = text
        .split("```rust\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("CONTRIBUTING.md shows a tool set in Rust");
    // An inner comment may only open a file, and the block is included into a module.
    let code: Vec<&str> = block.lines().filter(|line| !line.starts_with("//!")).collect();
    let out = env::var_os("OUT_DIR").expect("cargo sets it for build scripts");
    fs::write(Path::new(&out).join("contributing.rs"), code.join("\n")).expect("OUT_DIR is ours");
}
