//! What every tool set is written against: tools, their caller, the gate before them, and the
//! server and command line around them.

mod answer;
mod arguments;
mod audit;
mod caller;
mod catalog;
pub mod cli;
pub mod client;
mod confirmation;
mod connection;
mod digest;
mod error;
mod facts;
mod fence;
mod gate;
mod health;
mod identity;
mod knowledge;
mod limit;
#[cfg(feature = "local")]
pub mod local;
mod nearest;
mod passage;
mod policy;
mod progress;
mod proxy;
mod redact;
mod rehearsal;
mod schema;
mod server;
mod sign;
mod stdio;
#[cfg(feature = "local")]
pub mod testing;
mod text;
mod tool;
mod toolset;

pub use crate::{
    answer::Answer,
    arguments::{Problem, read as read_fields},
    caller::Caller,
    error::{Error, Result, signs},
    facts::{Facts, Namespace},
    gate::{Refusal, admit},
    health::TOOL_SET,
    identity::{IdentityError, client as cluster_client},
    nearest::{did_you_mean, nearest},
    policy::{Persona, Policy, PolicyError, Rules},
    progress::{Progress, Step},
    redact::{withhold, without_variables},
    rehearsal::Rehearsal,
    server::Server,
    sign::Sign,
    tool::{Block, Effect, Need, Resource, Tool, ToolDef},
    toolset::{Local, ToolSet},
};
