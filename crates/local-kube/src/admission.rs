//! What admission webhooks, and the rules of a definition, are asked and answer.

use futures::future::BoxFuture;
use kube::core::{Status, response::StatusCause};
use serde_json::Value;

/// One write to one object, after the schema's defaults and before it is stored.
#[derive(Clone, Debug)]
pub struct Admission {
    pub stage: Stage,
    pub operation: Operation,
    pub group: String,
    pub version: String,
    /// The resource's name in paths, with its subresource: `trainjobs`, `trainjobs/status`.
    pub resource: String,
    pub namespace: Option<String>,
    pub name: String,
    /// The new object; `Null` for a deletion. An admitting function may change it.
    pub object: Value,
    /// The stored object; `Null` for a creation.
    pub old: Value,
    pub user: UserInfo,
    pub dry_run: bool,
    /// What the client is told in `Warning` headers.
    pub warnings: Vec<String>,
    /// The rules that the object breaks, which the API server refuses with what the schema refuses.
    pub broken_rules: Vec<StatusCause>,
}

/// When an admitting function is asked. A creation or update passes all stages, in this order; a
/// deletion only the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The object may be changed. Nothing has judged it yet, so it can be anything.
    Mutating,
    /// The schema has passed the object: which `x-kubernetes-validations` does it break?
    Rules,
    /// The object is as it will be stored.
    Validating,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
    Delete,
}

/// Who makes a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    pub username: String,
    pub uid: String,
    pub groups: Vec<String>,
}

/// Why a write is refused: the `Status` that the client gets.
#[derive(Clone, Debug)]
pub struct Denial(pub Box<Status>);

/// Defaults, refuses or lets pass one write. The client reads what the decision depends on.
pub type Admit =
    for<'a> fn(&'a mut Admission, &'a kube::Client) -> BoxFuture<'a, Result<(), Denial>>;
