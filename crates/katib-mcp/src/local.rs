//! Katib in the local cluster: its definitions, webhooks and controllers.

mod admission;
mod crds;
mod roles;
mod suggest;

use futures::{FutureExt as _, future::BoxFuture};
use kube::{Client, api::DynamicObject};
use kubeflow_mcp_core::Local;

/// Katib, as a local cluster plays it.
pub(crate) const LOCAL: Local = Local { crds: crds::crds, objects, admit: admission::admit, run };

/// What a fresh installation brings.
fn objects() -> Vec<DynamicObject> {
    roles::roles()
}

fn run(_: Client) -> BoxFuture<'static, ()> {
    futures::future::pending().boxed()
}
