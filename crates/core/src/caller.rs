//! Whoever a tool call is made for.

use std::sync::Arc;

use http::{Method, Request, Uri};
use kube::{
    Api, Client, Resource,
    client::Body,
    core::{ClusterResourceScope, NamespaceResourceScope},
};
use tower::service_fn;

use crate::{Need, Policy, fence};

/// Whoever a tool call is made for: a client that speaks as them, held to the policy.
#[derive(Clone)]
pub struct Caller {
    client: Client,
    policy: Arc<Policy>,
    rehearses: bool,
}

impl Caller {
    pub fn new(client: Client, policy: Policy) -> Self {
        Self { client, policy: Arc::new(policy), rehearses: false }
    }

    /// The namespace that is meant: the given one, or the caller's default.
    pub fn namespace<'a>(&'a self, given: Option<&'a str>) -> &'a str {
        given.unwrap_or(self.client.default_namespace())
    }

    /// The objects of one kind in `namespace`, or in the caller's default namespace.
    pub fn api<K>(&self, namespace: Option<&str>) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), self.namespace(namespace))
    }

    /// The objects of one kind that belong to no namespace.
    pub fn cluster_api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>,
    {
        Api::all(self.client.clone())
    }

    /// For what `Api` does not cover. It passes the fence like everything else.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether what is written is only rehearsed: the call is not confirmed.
    pub fn rehearses(&self) -> bool {
        self.rehearses
    }

    /// Identifies what is asked for: equal for two calls of one tool with equal arguments,
    /// confirmed or not.
    pub fn digest(&self) -> &str {
        ""
    }

    /// Tells the client how far long work is, where it asked to be told.
    pub async fn progress(&self, done: f64, total: Option<f64>, message: &str) {
        let _ = (done, total, message);
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The same caller, able to do only what a tool has declared.
    pub(crate) fn fenced(&self, needs: &'static [Need]) -> Self {
        let client = fence::fenced(self.client.clone(), needs, Policy::clone(&self.policy));
        Self { client, ..self.clone() }
    }

    /// The same caller, but the API server only rehearses what they write.
    pub(crate) fn rehearsing(&self) -> Self {
        let client = self.client.clone();
        let namespace = client.default_namespace().to_owned();
        let service = service_fn(move |request| {
            let client = client.clone();
            async move { client.send(dry_run(request)).await }
        });
        Self { client: Client::new(service, namespace), rehearses: true, ..self.clone() }
    }
}

/// Asks the API server to check and default a write, but not to store it.
fn dry_run(mut request: Request<Body>) -> Request<Body> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return request;
    }
    let uri = request.uri().to_string();
    let separator = if uri.contains('?') { '&' } else { '?' };
    *request.uri_mut() = format!("{uri}{separator}dryRun=All")
        .parse::<Uri>()
        .expect("a valid URI and an ASCII suffix");
    request
}
