//! A Kubernetes cluster inside the process. It knows neither MCP nor Kubeflow: custom resources,
//! their admission and their controllers are handed to it.

mod admission;
#[cfg(feature = "cluster")]
pub mod apply;
#[cfg(feature = "cluster")]
pub mod built_in;
#[cfg(feature = "cluster")]
pub mod events;
mod host_python;
#[cfg(feature = "cluster")]
pub mod http;
#[cfg(all(feature = "cluster", unix))]
pub mod kubelet;
pub mod lists;
pub mod patch;
mod path;
pub mod quantity;
#[cfg(feature = "cluster")]
mod quota;
#[cfg(feature = "cluster")]
pub mod rbac;
#[cfg(feature = "cluster")]
pub mod schema;
pub mod status;

#[cfg(feature = "cluster")]
mod answer;
#[cfg(feature = "cluster")]
mod cluster;
#[cfg(feature = "cluster")]
mod contents;
#[cfg(feature = "cluster")]
mod discovery;
#[cfg(feature = "cluster")]
mod expiry;
#[cfg(feature = "cluster")]
mod garbage;
#[cfg(feature = "cluster")]
mod jobs;
#[cfg(feature = "cluster")]
mod kinds;
#[cfg(feature = "cluster")]
mod metadata;
#[cfg(feature = "cluster")]
mod openapi;
#[cfg(feature = "cluster")]
mod protection;
#[cfg(feature = "cluster")]
mod protobuf;
#[cfg(feature = "cluster")]
mod query;
#[cfg(feature = "cluster")]
mod representation;
#[cfg(feature = "cluster")]
mod scheduler;
#[cfg(feature = "cluster")]
mod selector;
#[cfg(feature = "cluster")]
mod store;
#[cfg(feature = "cluster")]
mod table;
#[cfg(feature = "cluster")]
mod verbs;
#[cfg(feature = "cluster")]
mod watch;
#[cfg(feature = "cluster")]
mod watched;

pub use crate::{
    admission::{Admission, Admit, Denial, Operation, Stage, UserInfo},
    host_python::{HOST_PYTHON, PYTHON_PACKAGES},
    path::ApiPath,
};
#[cfg(feature = "cluster")]
pub use crate::{
    answer::ResponseBody,
    cluster::{LocalKube, OpenError, Options, State},
};
