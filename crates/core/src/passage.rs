//! The way of a tool's request to the cluster: past the fence, marked as a rehearsal where it is
//! one, and never without end.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::BodyExt as _;
use kube::{Client, Error, client::Body, core::Status};
use serde_json::json;
use tokio::time::{sleep, timeout};
use tower::service_fn;

use crate::{Need, Policy, facts::READINESS, fence};

/// How long the API server may take to answer; a stream may then go on for as long as it likes.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// Pauses before a read is asked again.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1600)];
/// The longest pause that a server may ask for and be given.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A client for one call of a tool that declares `needs`.
pub(crate) fn client(
    base: &Client,
    needs: &'static [Need],
    policy: Arc<Policy>,
    rehearses: bool,
) -> Client {
    let namespace = base.default_namespace().to_owned();
    let base = base.clone();
    let service = service_fn(move |request: Request<Body>| {
        let (base, policy) = (base.clone(), Arc::clone(&policy));
        async move {
            if let Some(refusal) = fence::refusal(request.method(), request.uri(), needs, &policy) {
                return Err(Error::Api(Box::new(refusal)));
            }
            send(&base, if rehearses { dry_run(request).await? } else { request }).await
        }
    });
    Client::new(service, namespace)
}

/// A client for the server's own questions: only bounded in time.
pub(crate) fn bounded(base: &Client) -> Client {
    let namespace = base.default_namespace().to_owned();
    let base = base.clone();
    let service = service_fn(move |request: Request<Body>| {
        let base = base.clone();
        async move { send(&base, request).await }
    });
    Client::new(service, namespace)
}

/// Sends a request, and asks again where that is safe: a read changes nothing however often it
/// is asked, while nobody knows whether an unanswered write was carried out.
async fn send(base: &Client, request: Request<Body>) -> Result<Response<Body>, Error> {
    if request.method() != Method::GET {
        return once(base, request).await;
    }
    let (parts, _) = request.into_parts();
    for pause in PAUSES {
        let answer = once(base, Request::from_parts(parts.clone(), Body::empty())).await;
        let pause = match &answer {
            Ok(_) if parts.uri.path() == READINESS => return answer,
            Ok(response) if may_pass(response.status()) => retry_after(response).unwrap_or(pause),
            Err(Error::HyperError(_) | Error::Service(_)) => pause,
            _ => return answer,
        };
        sleep(pause.min(LONGEST_PAUSE)).await;
    }
    once(base, Request::from_parts(parts, Body::empty())).await
}

async fn once(base: &Client, request: Request<Body>) -> Result<Response<Body>, Error> {
    let whole = !is_stream(request.uri());
    // A log that is followed may begin with its first line only, whenever that is written.
    let follows = request.uri().query().is_some_and(|query| query.contains("follow=true"));
    let answer = async {
        let response = base.send(request).await?;
        if !whole {
            return Ok(response);
        }
        // The body counts too: a server can hang in the middle of its answer.
        let (parts, body) = response.into_parts();
        let body: Bytes = body.collect().await?.to_bytes();
        Ok(Response::from_parts(parts, Body::from(body)))
    };
    if follows {
        return answer.await;
    }
    timeout(TIME_LIMIT, answer).await.unwrap_or_else(|_| Err(Error::Api(Box::new(timed_out()))))
}

fn timed_out() -> Status {
    let message = format!("the API server did not answer within {} s", TIME_LIMIT.as_secs());
    Status::failure(&message, "Timeout").with_code(StatusCode::GATEWAY_TIMEOUT.as_u16())
}

/// Whether the answer comes bit by bit: a watch, or a log.
fn is_stream(uri: &Uri) -> bool {
    uri.path().ends_with("/log") || fence::is_watch(uri)
}

fn may_pass(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Asks the API server to check and default a write, but not to store it.
async fn dry_run(request: Request<Body>) -> Result<Request<Body>, Error> {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(request);
    }
    let (mut parts, mut body) = request.into_parts();
    let separator = if parts.uri.query().is_some() { '&' } else { '?' };
    parts.uri = format!("{}{separator}dryRun=All", parts.uri)
        .parse::<Uri>()
        .expect("a valid URI and an ASCII suffix");
    // A deletion that brings options in its body is judged by them alone: the API server does not
    // look at the query then, and would really delete.
    if parts.method == Method::DELETE {
        let options = body.collect().await?.to_bytes();
        let mut options = match options.is_empty() {
            true => json!({}),
            false => serde_json::from_slice(&options).map_err(Error::SerdeError)?,
        };
        options["dryRun"] = json!(["All"]);
        body = Body::from(options.to_string().into_bytes());
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(Request::from_parts(parts, body))
}
