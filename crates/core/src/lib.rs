//! What every tool set is written against: tools, their caller, the gate before them, and the
//! server and command line around them.

mod caller;
mod connection;
mod error;
mod fence;
mod gate;
mod identity;
mod nearest;
mod policy;
mod proxy;
mod tool;
mod toolset;

pub use crate::{
    caller::Caller,
    error::{Error, Result},
    gate::{Facts, Refusal, admit},
    identity::{IdentityError, client as cluster_client},
    nearest::{did_you_mean, nearest},
    policy::{Persona, Policy, PolicyError, Rules},
    tool::{Block, Effect, Need, Resource, Tool, ToolDef},
    toolset::{Local, ToolSet},
};
