//! The API as kubectl uses it. `KUBECTL` names the program to run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod objects;
#[cfg(unix)]
mod running;
mod shell;
