//! What is asked of a cluster, so that the same can be asked again without us.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request, Uri};
use kube::{Client, client::Body};
use tower::service_fn;

/// The requests that went through a client.
#[derive(Clone, Default)]
pub(super) struct Recording(Arc<Mutex<Vec<(Method, Uri)>>>);

impl Recording {
    /// A client whose requests are written down.
    pub(super) fn client(&self, client: Client) -> Client {
        let (namespace, recording) = (client.default_namespace().to_owned(), self.clone());
        let service = service_fn(move |request: Request<Body>| {
            let (method, uri) = (request.method().clone(), request.uri().clone());
            if !is_of_gate(uri.path()) {
                recording.0.lock().unwrap_or_else(PoisonError::into_inner).push((method, uri));
            }
            let client = client.clone();
            async move { client.send(request).await }
        });
        Client::new(service, namespace)
    }

    /// What was asked since the last time.
    pub(super) fn take(&self) -> Vec<(Method, Uri)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a caller may use is asked every half minute, for all calls together.
fn is_of_gate(path: &str) -> bool {
    ["/api", "/apis"].contains(&path) || path.ends_with("reviews")
}

/// Asks the same again, one after the other, and looks at nothing of the answers.
pub(super) async fn ask_again(client: &Client, requests: &[(Method, Uri)]) -> anyhow::Result<()> {
    for (method, uri) in requests {
        anyhow::ensure!(*method == Method::GET, "{method} {uri} is no reading");
        let request = Request::get(uri).body(Body::empty())?;
        client.send(request).await?.into_body().collect_bytes().await?;
    }
    Ok(())
}
