//! Why a tool could not do what it was asked, in words for the agent.

use kube::core::Status;
use serde_json::{Value, json};

use crate::Refusal;

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// One argument, what is wrong with it, and what is allowed.
    #[error("argument {argument:?}: {problem}")]
    Argument { argument: String, problem: String },
    #[error("no tool named {0:?}")]
    UnknownTool(String),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("namespace {0:?} is outside this server's policy")]
    Namespace(String),
    #[error("{kind} {name:?} not found in namespace {namespace:?}")]
    NotFound { kind: &'static str, name: String, namespace: String },
    /// What the caller asks for cannot be done in the state that things are in.
    #[error("{message}")]
    Conflict { message: String, hint: String },
    #[error("kubernetes: {}", .0.message)]
    Kubernetes(Box<Status>),
    #[error("could not reach the Kubernetes API")]
    Unreachable(#[source] kube::Error),
    #[error("the call was cancelled")]
    Cancelled,
    #[error("the tool failed by a fault of its own")]
    Panicked,
    #[error("result could not be written as JSON")]
    Output(#[source] serde_json::Error),
}

impl Error {
    pub fn argument(argument: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Argument { argument: argument.into(), problem: problem.into() }
    }

    pub fn conflict(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Conflict { message: message.into(), hint: hint.into() }
    }

    /// A stable name the agent can branch on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Argument { .. } => "invalid_argument",
            Self::UnknownTool(_) => "unknown_tool",
            Self::Refused(refusal) => refusal.code(),
            Self::Namespace(_) => "denied_by_policy",
            Self::NotFound { .. } => "not_found",
            Self::Conflict { .. } => "conflict",
            Self::Kubernetes(status) if status.code == 404 => "not_found",
            Self::Kubernetes(status) if status.code == 403 => "forbidden",
            Self::Kubernetes(_) => "kubernetes",
            Self::Unreachable(_) => "unreachable",
            Self::Cancelled => "cancelled",
            Self::Panicked | Self::Output(_) => "internal",
        }
    }

    /// What to do next, if something can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Conflict { hint, .. } => Some(hint.clone()),
            Self::Refused(refusal) => Some(refusal.hint()),
            _ => None,
        }
    }

    /// What the agent reads.
    pub fn to_json(&self) -> Value {
        let mut json = json!({"code": self.code(), "message": self.to_string()});
        if let Some(hint) = self.hint() {
            json["hint"] = hint.into();
        }
        json
    }
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Kubernetes(status),
            other => Self::Unreachable(other),
        }
    }
}
