//! The API as clients see it. Nothing here knows that the API server is local, except `cluster`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod custom;
mod deletion;
mod jobs;
mod objects;
mod permissions;
mod restart;
mod watching;
mod writing;
