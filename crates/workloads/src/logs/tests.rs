//! Logs as an API server gives them, or refuses them.

use bytes::Bytes;
use expect_test::{Expect, expect};
use http::{Request, Response};
use http_body_util::Full;
use kube::{Client, client::Body, core::Status};
use tower::service_fn;

use super::*;

/// An API server that knows the logs of one Pod: by the query of a request, its code and body.
fn pods(answer: fn(&str) -> (u16, String)) -> Api<Pod> {
    let service = service_fn(move |request: Request<Body>| async move {
        let (code, text) = answer(request.uri().query().unwrap_or_default());
        let text = match code {
            200 => text,
            _ => serde_json::to_string(&Status::failure(&text, "").with_code(code)).unwrap(),
        };
        let body = Full::new(Bytes::from(text));
        Ok::<_, std::convert::Infallible>(Response::builder().status(code).body(body).unwrap())
    });
    Api::namespaced(Client::new(service, "team"), "team")
}

fn query() -> Query {
    Query { tail: 100, since_seconds: None, search: None, previous: None }
}

fn node(restarts: i32, waiting: bool) -> Container {
    Container { name: "node".to_owned(), restarts, waiting, ..Container::default() }
}

async fn check(
    container: Container,
    query: Query,
    answer: fn(&str) -> (u16, String),
    expected: Expect,
) {
    let log = read(&pods(answer), "mnist-node-0-0-abcde", &container, &query).await.unwrap();
    expected.assert_eq(&serde_json::to_string(&log).unwrap());
}

#[tokio::test]
async fn the_end_of_the_log_is_asked_for_and_kept() {
    let answer = |query: &str| {
        assert!(query.contains("tailLines=100&") || query.ends_with("tailLines=100"), "{query}");
        assert!(query.contains("container=node") && query.contains("limitBytes="), "{query}");
        (200, "first\nValueError: boom\n".to_owned())
    };
    check(
        node(0, false),
        query(),
        answer,
        expect![[
            r#"{"container":"node","source":"current","text":"first\nValueError: boom","lines":2}"#
        ]],
    )
    .await;
    let since = Query { since_seconds: Some(600), ..query() };
    let answer = |query: &str| {
        assert!(query.contains("sinceSeconds=600"), "{query}");
        (200, String::new())
    };
    check(node(0, false), since, answer, expect![[r#"{"container":"node","source":"current","text":"","lines":0,"notes":["the log is empty"]}"#]]).await;
}

#[tokio::test]
async fn a_search_counts_what_it_finds() {
    let answer = |_: &str| {
        let steps = (1..=30_000).map(|step| format!("step={step} loss=0.5\n"));
        (200, steps.collect::<String>())
    };
    let search = Query { search: Some(pattern("step=29999 ")), ..query() };
    check(node(0, false), search, answer, expect![[r#"{"container":"node","source":"current","text":"step=29997 loss=0.5\nstep=29998 loss=0.5\nstep=29999 loss=0.5\nstep=30000 loss=0.5","lines":4,"matches":1}"#]]).await;
    let search = Query { search: Some(pattern("loss")), tail: 2, ..query() };
    check(node(0, false), search, answer, expect![[r#"{"container":"node","source":"current","text":"step=29999 loss=0.5\nstep=30000 loss=0.5","lines":2,"matches":30000,"omitted_lines":29998}"#]]).await;
}

#[tokio::test]
async fn a_restarted_container_has_its_previous_log() {
    let answer = |query: &str| match query.contains("previous=true") {
        true => (200, "Traceback\n".to_owned()),
        false => (400, "container \"node\" in pod \"x\" is waiting to start".to_owned()),
    };
    let expected = expect![[
        r#"{"container":"node","source":"previous","text":"Traceback","lines":1,"notes":["restarts: 3; previous=false reads the other log"]}"#
    ]];
    check(node(3, true), query(), answer, expected).await;
    let answer = |query: &str| match query.contains("previous=true") {
        true => (200, "Traceback\n".to_owned()),
        false => (200, String::new()),
    };
    let expected = expect![[
        r#"{"container":"node","source":"previous","text":"Traceback","lines":1,"notes":["restarts: 1; previous=false reads the other log"]}"#
    ]];
    check(node(1, false), query(), answer, expected).await;
}

#[tokio::test]
async fn no_log_is_a_result() {
    let answer = |_: &str| {
        (400, "container \"node\" in pod \"x\" is waiting to start: ErrImagePull".to_owned())
    };
    check(node(0, true), query(), answer, expect![[r#"{"container":"node","text":"","lines":0,"notes":["container \"node\" in pod \"x\" is waiting to start: ErrImagePull"]}"#]]).await;
    let answer = |_: &str| (404, "pods \"x\" not found".to_owned());
    check(node(0, false), query(), answer, expect![[r#"{"container":"node","text":"","lines":0,"notes":["Pod \"mnist-node-0-0-abcde\" has just been removed, and its log with it"]}"#]]).await;
}

#[tokio::test]
async fn a_node_that_cannot_be_reached_is_told() {
    let answer = |_: &str| {
        let problem = "Get \"https://10.0.0.7:10250/containerLogs/team/p/node\": dial tcp: refused";
        (500, problem.to_owned())
    };
    check(node(0, false), query(), answer, expect![[r#"{"container":"node","text":"","lines":0,"notes":["the API server cannot read it from the Pod's node: Get \"https://10.0.0.7:10250/containerLogs/team/p/node\": dial tcp: refused"]}"#]]).await;
}

#[tokio::test]
async fn the_end_is_found_behind_gigantic_lines() {
    let answer = |query: &str| {
        let lines = query.split('&').find_map(|it| it.strip_prefix("tailLines=")).unwrap();
        match lines.parse::<i64>().unwrap() {
            100 => (200, "x".repeat(usize::try_from(WINDOW_BYTES).unwrap())),
            _ => (200, "ValueError: boom\n".to_owned()),
        }
    };
    check(
        node(0, false),
        query(),
        answer,
        expect![[r#"{"container":"node","source":"current","text":"ValueError: boom","lines":1}"#]],
    )
    .await;
}

#[tokio::test]
async fn other_refusals_are_errors() {
    let forbidden = pods(|_| (403, "pods \"x\" is forbidden".to_owned()));
    let error = read(&forbidden, "x", &node(0, false), &query()).await.unwrap_err();
    assert_eq!(error.code(), "forbidden");
}

#[test]
fn the_log_is_of_the_container_that_works() {
    let mut init = node(0, false);
    (init.name, init.init) = ("fetch".to_owned(), true);
    let mut member = Member { containers: vec![init], pod: "p".to_owned(), ..Member::default() };
    let error = container(&member, "node").unwrap_err();
    assert_eq!(error.code(), "not_found");
    member.containers.push(node(0, false));
    assert_eq!(container(&member, "node").unwrap().name, "node");
    assert_eq!(container(&member, "main").unwrap().name, "node");
}
