//! Why a tool could not do what it was asked, in words for the agent.

mod kubernetes;

pub use self::kubernetes::signs;

use kube::core::Status;
use serde_json::{Value, json};

use crate::{Problem, Refusal, arguments::shown, redact::clean};

pub type Result<T, E = Error> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Arguments, what is wrong with each, and what is allowed.
    #[error("{}", list(.0))]
    Arguments(Vec<Problem>),
    #[error("no tool named {name:?}{guess}")]
    UnknownTool { name: String, guess: String },
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("namespace {0:?} is outside this server's policy")]
    Namespace(String),
    #[error("{kind} {name:?} not found in namespace {namespace:?}")]
    NotFound { kind: &'static str, name: String, namespace: String },
    /// What the caller asks for cannot be done in the state that things are in.
    #[error("{message}")]
    Conflict { message: String, hint: String },
    /// What the API server answered.
    #[error("{}", kubernetes::words(.0))]
    Kubernetes(Box<Status>),
    /// No answer of the API server, or none that can be read.
    #[error("{}", kubernetes::unreachable_words(.0))]
    Unreachable(kube::Error),
    #[error("the result is too large: {bytes} bytes")]
    TooLarge { bytes: usize },
    #[error("the call was cancelled")]
    Cancelled,
    #[error("the tool failed by a fault of its own")]
    Panicked,
    #[error("result could not be written as JSON")]
    Output(#[source] serde_json::Error),
}

impl Error {
    pub fn argument(argument: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Arguments(vec![Problem { argument: argument.into(), problem: problem.into() }])
    }

    /// An argument whose value cannot be used, with the value, or the beginning of a long one.
    pub fn value(
        argument: impl Into<String>,
        value: impl Into<Value>,
        problem: impl std::fmt::Display,
    ) -> Self {
        Self::argument(argument, format!("is {}, {problem}", shown(&value.into())))
    }

    pub fn conflict(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Conflict { message: message.into(), hint: hint.into() }
    }

    /// A stable name the agent can branch on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Arguments(_) => "invalid_argument",
            Self::UnknownTool { .. } => "unknown_tool",
            Self::Refused(refusal) => refusal.code(),
            Self::Namespace(_) => "denied_by_policy",
            Self::NotFound { .. } => "not_found",
            Self::Conflict { .. } => "conflict",
            Self::Kubernetes(status) => kubernetes::Failure::of(status).code(),
            Self::Unreachable(error) => kubernetes::unreachable_code(error),
            Self::TooLarge { .. } => "too_large",
            Self::Cancelled => "cancelled",
            Self::Panicked | Self::Output(_) => "internal",
        }
    }

    /// What to do next, if something can be done.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Conflict { hint, .. } => Some(hint.clone()),
            Self::Refused(refusal) => Some(refusal.hint()),
            Self::Kubernetes(status) => Some(kubernetes::Failure::of(status).hint().to_owned()),
            Self::Unreachable(error) => Some(kubernetes::unreachable_hint(error).to_owned()),
            Self::Namespace(_) => Some("health_check names the namespaces you may use".to_owned()),
            Self::TooLarge { .. } => Some("ask for less, by a filter or a lower limit".to_owned()),
            Self::Panicked => Some("report it; other tools still work".to_owned()),
            _ => None,
        }
    }

    /// Whether the cluster has not answered, as far as is known.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self.code(), "timeout" | "unreachable")
    }

    /// What the agent reads.
    pub fn to_json(&self) -> Value {
        let mut json = json!({"code": self.code(), "message": clean(&self.to_string())});
        if let Some(hint) = self.hint() {
            json["hint"] = clean(&hint).into();
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

fn list(problems: &[Problem]) -> String {
    let each = problems.iter().map(|Problem { argument, problem }| match &argument[..] {
        "" => format!("arguments: {problem}"),
        argument => format!("argument {argument:?} {problem}"),
    });
    each.collect::<Vec<_>>().join("; ")
}
