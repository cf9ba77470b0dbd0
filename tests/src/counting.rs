//! How many requests reach a cluster.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use kube::Client;
use tower::service_fn;

/// A client that counts what is sent through it.
pub fn counting(client: Client, count: &Arc<AtomicUsize>) -> Client {
    let (namespace, count) = (client.default_namespace().to_owned(), Arc::clone(count));
    let service = service_fn(move |request| {
        count.fetch_add(1, Ordering::SeqCst);
        let client = client.clone();
        async move { client.send(request).await }
    });
    Client::new(service, namespace)
}
