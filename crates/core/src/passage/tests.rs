//! Rehearsals, time limits and repetitions, on an API server that does what the test says.

use std::{
    convert::Infallible,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _};
use http_body::Frame;
use http_body_util::StreamBody;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{ListParams, LogParams, PostParams},
};
use tokio::time::Instant;

use super::*;
use crate::{Persona, Resource};

const NEEDS: &[Need] = &[
    Need::to(&["list", "create"], Resource::namespaced("", "pods")),
    Need::to(&["get"], Resource::namespaced("", "pods/log")),
];

/// One answer of the API server.
enum Does {
    Hangs,
    HangsInTheMiddle,
    Says(u16, &'static str),
    /// A code, and how many seconds to wait.
    Asks(u16, u64),
}

/// Pods through a passage to an API server that answers in this way, one request after another.
fn pods(answers: Vec<Does>) -> (Api<Pod>, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let service = service_fn(move |_: Request<Body>| {
        counter.fetch_add(1, Ordering::Relaxed);
        let does = answers.lock().unwrap().next().expect("no more requests than answers");
        async move {
            let status = |code: u16| {
                format!(r#"{{"kind":"Status","status":"Failure","code":{code},"message":"no"}}"#)
            };
            let (code, body, wait) = match does {
                Does::Hangs => return std::future::pending().await,
                Does::HangsInTheMiddle => (200, None, None),
                Does::Says(200, body) => (200, Some(body.to_owned()), None),
                Does::Says(code, _) => (code, Some(status(code)), None),
                Does::Asks(code, wait) => (code, Some(status(code)), Some(wait)),
            };
            let frames = futures::stream::iter(body.clone().or(Some("{".to_owned())))
                .map(|text| Ok::<_, Infallible>(Frame::data(Bytes::from(text))));
            let body = match body {
                Some(_) => StreamBody::new(frames.boxed()),
                None => StreamBody::new(frames.chain(futures::stream::pending()).boxed()),
            };
            let mut response = Response::builder().status(code);
            if let Some(wait) = wait {
                response = response.header(RETRY_AFTER, wait);
            }
            Ok::<_, Error>(response.body(body).unwrap())
        }
    });
    let base = Client::new(service, "default");
    let policy = Arc::new(Policy::of(Persona::Readonly));
    (Api::default_namespaced(client(&base, NEEDS, policy, false)), asked)
}

const EMPTY: &str = r#"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[]}"#;

async fn listed(pods: &Api<Pod>) -> String {
    match pods.list(&ListParams::default()).await {
        Ok(list) => format!("{} pods", list.items.len()),
        Err(error) => crate::Error::from(error).code().to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_an_error() {
    let (pods, asked) = pods(vec![Does::Hangs]);
    let start = Instant::now();
    assert_eq!(listed(&pods).await, "timeout");
    assert_eq!((start.elapsed().as_secs(), asked.load(Ordering::Relaxed)), (30, 1));
}

#[tokio::test(start_paused = true)]
async fn so_is_one_that_stops_in_the_middle() {
    let (pods, _) = pods(vec![Does::HangsInTheMiddle]);
    assert_eq!(listed(&pods).await, "timeout");
}

#[tokio::test(start_paused = true)]
async fn reads_are_asked_again_a_few_times() {
    for code in [429, 500, 502, 503, 504] {
        let fails = || Does::Says(code, "");
        let (pods, asked) = pods(vec![fails(), fails(), fails(), Does::Says(200, EMPTY)]);
        assert_eq!(listed(&pods).await, "0 pods", "{code}");
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }
    let fails = || Does::Says(503, "");
    let (pods, asked) = pods(vec![fails(), fails(), fails(), fails()]);
    assert_eq!(listed(&pods).await, "unavailable");
    assert_eq!(asked.load(Ordering::Relaxed), 4);
}

#[tokio::test(start_paused = true)]
async fn a_server_may_say_how_long_to_wait_within_reason() {
    for (asked, waited) in [(2, 2), (600, 5)] {
        let start = Instant::now();
        let (pods, _) = pods(vec![Does::Asks(429, asked), Does::Says(200, EMPTY)]);
        assert_eq!(listed(&pods).await, "0 pods");
        assert_eq!(start.elapsed().as_secs(), waited);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_repetition_does_not_mend_is_asked_once() {
    for (code, expected) in [(401, "unauthenticated"), (403, "forbidden"), (410, "expired")] {
        let (pods, asked) = pods(vec![Does::Says(code, "")]);
        assert_eq!(listed(&pods).await, expected);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_never_sent_twice() {
    for does in [Does::Says(503, ""), Does::Says(429, ""), Does::Hangs] {
        let (pods, asked) = pods(vec![does]);
        assert!(pods.create(&PostParams::default(), &Pod::default()).await.is_err());
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_may_go_on_for_as_long_as_it_likes() {
    let (pods, _) = pods(vec![Does::HangsInTheMiddle]);
    let log = pods.log_stream("a", &LogParams::default()).await.unwrap();
    let line = timeout(TIME_LIMIT * 10, log.lines().try_next()).await;
    assert!(line.is_err(), "still open, and nothing failed: {line:?}");
    let (pods, _) = self::pods(vec![Does::Hangs]);
    let follow = LogParams { follow: true, ..LogParams::default() };
    let begun = timeout(TIME_LIMIT * 10, pods.log_stream("a", &follow)).await;
    assert!(begun.is_err(), "nothing was written yet, and nothing failed");
}

async fn rehearsed(method: Method, uri: &str, body: &str) -> (String, String) {
    let request = Request::builder().method(method).uri(uri);
    let request = request.body(Body::from(body.as_bytes().to_vec())).unwrap();
    let (parts, body) = dry_run(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.uri.to_string(), String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_deletion_is_rehearsed_where_the_api_server_looks() {
    let (uri, body) = rehearsed(Method::DELETE, "/api/v1/pods/a?", r#"{"orphan":1}"#).await;
    assert_eq!(uri, "/api/v1/pods/a?&dryRun=All");
    assert_eq!(body, r#"{"dryRun":["All"],"orphan":1}"#);
    let (_, body) = rehearsed(Method::DELETE, "/api/v1/pods/a", "").await;
    assert_eq!(body, r#"{"dryRun":["All"]}"#);
}

#[tokio::test]
async fn other_writes_keep_their_body_and_reads_are_left_alone() {
    let (uri, body) = rehearsed(Method::POST, "/api/v1/pods?fieldManager=a", "{}").await;
    assert_eq!((uri.as_str(), body.as_str()), ("/api/v1/pods?fieldManager=a&dryRun=All", "{}"));
    let (uri, _) = rehearsed(Method::GET, "/api/v1/pods", "").await;
    assert_eq!(uri, "/api/v1/pods");
}
