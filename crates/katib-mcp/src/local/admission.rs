//! What Katib's webhooks decide of experiments and of the Pods of their trials.

mod experiments;
#[cfg(test)]
mod seen;

use futures::{FutureExt as _, future::BoxFuture};
use kube::Client;
use local_kube::{Admission, Denial};

/// The `admit` of the tool set: defaults, refuses or lets pass one write.
pub(super) fn admit<'a>(
    admission: &'a mut Admission,
    client: &'a Client,
) -> BoxFuture<'a, Result<(), Denial>> {
    async move {
        if (admission.group.as_str(), admission.resource.as_str())
            == ("kubeflow.org", "experiments")
        {
            return experiments::admit(admission, client).await.map_err(Denial);
        }
        Ok(())
    }
    .boxed()
}
