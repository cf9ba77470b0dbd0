//! Requests to an API server as they are sent, and answers as they come.

use http::{HeaderMap, Request, header};
use kube::{Client, client::Body};
use serde_json::Value;

/// What an API server answered.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| Value::String(self.text.clone()))
    }

    /// What the client is told besides the answer.
    pub fn warnings(&self) -> Vec<String> {
        let values = self.headers.get_all(header::WARNING).iter();
        values.map(|it| String::from_utf8_lossy(it.as_bytes()).into_owned()).collect()
    }
}

/// Sends a request, as in `ask(client, "POST /api/v1/namespaces", &[("accept", "…")], body)`. The
/// body is JSON, unless the headers say otherwise.
pub async fn ask(client: &Client, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let request = request.body(Body::from(body.to_vec())).expect("a request");
    let response = client.send(request).await;
    let response = response.unwrap_or_else(|error| panic!("{line}: {error}"));
    let (parts, body) = response.into_parts();
    let body = body.collect_bytes().await.unwrap_or_else(|error| panic!("{line}: {error}"));
    let text = String::from_utf8_lossy(&body).into_owned();
    Answer { code: parts.status.as_u16(), headers: parts.headers, text }
}
