//! One tool's call rehearsed by another tool, which then knows what it would have written.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::{Client, Error as KubeError, client::Body};
use rmcp::model::JsonObject;
use serde_json::Value;
use tower::service_fn;

use crate::{Caller, Refusal, Result, ToolDef, admit, fence};

/// What a call of another tool would do.
pub struct Rehearsal {
    /// Its preview, or why it cannot be carried out.
    pub outcome: Result<Value>,
    /// What it would have written, as it was sent, whatever became of it; the newest last.
    pub written: Vec<Value>,
    /// How often it asked the cluster.
    pub requests: usize,
    /// Why this caller is not offered the tool, if so.
    pub refusal: Option<Refusal>,
}

#[derive(Default)]
struct Seen {
    written: Vec<Value>,
    requests: usize,
}

impl Caller {
    /// Rehearses a call of `tool`, as the tool that is running now: neither does what it has not
    /// declared, and nothing is stored.
    pub async fn rehearse(&self, tool: &ToolDef, arguments: JsonObject) -> Rehearsal {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let facts = self.recent_facts().await;
        let refusal = admit(tool, self.policy(), &facts).err();
        let client = watched(self, *tool, Arc::clone(&seen));
        let outcome = tool.rehearsed(arguments, self, client).await;
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        Rehearsal {
            outcome,
            written: std::mem::take(&mut seen.written),
            requests: seen.requests,
            refusal,
        }
    }
}

/// The caller's own client, which keeps what is written and lets nothing pass that the other tool
/// has not declared.
fn watched(caller: &Caller, tool: ToolDef, seen: Arc<Mutex<Seen>>) -> Client {
    let (client, policy) = (caller.client().clone(), Arc::clone(caller.policy()));
    let namespace = client.default_namespace().to_owned();
    let service = service_fn(move |request: Request<Body>| {
        let (client, seen, policy) = (client.clone(), Arc::clone(&seen), Arc::clone(&policy));
        async move {
            let refusal = fence::refusal(request.method(), request.uri(), tool.needs, &policy);
            if let Some(refusal) = refusal {
                return Err(KubeError::Api(Box::new(refusal)));
            }
            let (parts, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.requests += 1;
                if parts.method != Method::GET
                    && let Ok(object) = serde_json::from_slice(&body)
                {
                    seen.written.push(object);
                }
            }
            client.send(Request::from_parts(parts, Body::from(body))).await
        }
    });
    Client::new(service, namespace)
}
