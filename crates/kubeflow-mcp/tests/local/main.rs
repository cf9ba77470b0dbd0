//! The local cluster as whoever starts its processes, and kills them, sees it.
#![cfg(feature = "local")]
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod daemon;
mod home;
#[cfg(feature = "trainer")]
mod survival;
