//! The Pods of a workload: how each is doing, which stands for which rank, and what they come to.

mod state;

pub use self::state::{PodState, Trouble};
