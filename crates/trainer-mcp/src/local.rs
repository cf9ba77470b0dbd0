//! Kubeflow Trainer and JobSet in the local cluster: their definitions, webhooks and controllers,
//! and runtimes that can run there.

mod admission;
mod assembly;
mod crds;
mod job_set;
mod job_set_controller;
mod ownership;
mod reporting;
mod runtimes;
mod train_job;
mod train_job_controller;

#[cfg(test)]
mod tests;

use futures::{FutureExt as _, future::BoxFuture};
use kube::Client;
use kubeflow_mcp_core::Local;

/// The Trainer, as a local cluster plays it.
pub(crate) const LOCAL: Local =
    Local { crds: crds::crds, objects: runtimes::shipped, admit: admission::admit, run };

fn run(client: Client) -> BoxFuture<'static, ()> {
    async move {
        futures::join!(train_job_controller::run(client.clone()), job_set_controller::run(client));
    }
    .boxed()
}
