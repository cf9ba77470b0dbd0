//! What Katib's webhooks decide of experiments and of the Pods of their trials.

use futures::{FutureExt as _, future::BoxFuture};
use kube::Client;
use local_kube::{Admission, Denial};

/// The `admit` of the tool set: defaults, refuses or lets pass one write.
pub(super) fn admit<'a>(_: &'a mut Admission, _: &'a Client) -> BoxFuture<'a, Result<(), Denial>> {
    async { Ok(()) }.boxed()
}
