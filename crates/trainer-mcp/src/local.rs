//! Kubeflow Trainer and JobSet in the local cluster: their definitions, webhooks and controllers,
//! and runtimes that can run there.

mod admission;
mod assembly;
mod crds;
mod job_set;
mod job_set_controller;
mod ownership;
mod reporting;
mod roles;
mod runtimes;
mod train_job;
mod train_job_controller;

#[cfg(test)]
mod tests;

use futures::{FutureExt as _, future::BoxFuture};
use kube::{Client, api::DynamicObject};
use kubeflow_mcp_core::Local;

/// The Trainer, as a local cluster plays it.
pub(crate) const LOCAL: Local = Local { crds: crds::crds, objects, admit: admission::admit, run };

/// What a fresh installation brings.
fn objects() -> Vec<DynamicObject> {
    runtimes::shipped().into_iter().chain(roles::roles()).collect()
}

fn run(client: Client) -> BoxFuture<'static, ()> {
    async move {
        futures::join!(train_job_controller::run(client.clone()), job_set_controller::run(client));
    }
    .boxed()
}
