//! A Kubernetes cluster inside the process. It knows neither MCP nor Kubeflow: custom resources,
//! their admission and their controllers are handed to it.

mod admission;
mod path;
pub mod status;

pub use crate::{
    admission::{Admission, Admit, Denial, Operation, UserInfo},
    path::ApiPath,
};
