//! What an admission webhook is asked and answers.

use futures::future::BoxFuture;
use kube::core::Status;
use serde_json::Value;

/// One write to one object, after the schema's defaults and before it is stored.
#[derive(Clone, Debug)]
pub struct Admission {
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
