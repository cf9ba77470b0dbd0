//! Watches that are cut off, refused and forgotten.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures::future::pending;
use http::{Request, Response};
use http_body_util::Full;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Client, ResourceExt, client::Body, core::Status};
use serde_json::{Value, json};
use tower::service_fn;

use super::*;

/// What the API server answers to one request: a code and a body. After the last, silence.
type Script = Vec<(u16, String)>;

fn object(name: &str, version: u32) -> Value {
    let metadata = json!({"name": name, "resourceVersion": version.to_string()});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
}

fn list(version: u32, names: &[&str]) -> (u16, String) {
    let items: Vec<Value> = names.iter().map(|it| object(it, version)).collect();
    let metadata = json!({"resourceVersion": version.to_string()});
    let list =
        json!({"apiVersion": "v1", "kind": "ConfigMapList", "metadata": metadata, "items": items});
    (200, list.to_string())
}

/// A watch that tells of these and is then cut off.
fn watch(events: &[(&str, Value)]) -> (u16, String) {
    let line =
        |(kind, object): &(&str, Value)| format!("{}\n", json!({"type": kind, "object": object}));
    (200, events.iter().map(line).collect())
}

fn refused(code: u16) -> (u16, String) {
    (code, serde_json::to_string(&Status::failure("no", "").with_code(code)).unwrap())
}

fn forgotten() -> Value {
    serde_json::to_value(Status::failure("too old resource version", "Expired").with_code(410))
        .unwrap()
}

/// Plays the script and returns what was seen, one word a change, and what was asked for.
async fn play(script: Script, changes_expected: usize) -> (String, String) {
    let script = Arc::new(Mutex::new(VecDeque::from(script)));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    let service = service_fn(move |request: Request<Body>| {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let version = query.split('&').find_map(|it| it.strip_prefix("resourceVersion="));
        let watches = query.contains("watch=true");
        let request = match version.filter(|_| watches) {
            Some(version) => format!("watch@{version}"),
            None => "list".to_owned(),
        };
        log.lock().unwrap().push(request);
        let answer = script.lock().unwrap().pop_front();
        async move {
            let Some((code, body)) = answer else { return pending().await };
            let body = Full::new(Bytes::from(body));
            Ok::<_, std::convert::Infallible>(Response::builder().status(code).body(body).unwrap())
        }
    });
    let api: Api<ConfigMap> = Api::namespaced(Client::new(service, "team"), "team");
    let changes = changes(api, &Selection::Named("mnist".to_owned())).take(changes_expected);
    let word = |change: Result<Change<ConfigMap>>| match change {
        Ok(Change::All(all)) => {
            let names: Vec<String> = all.iter().map(ResourceExt::name_any).collect();
            format!("all[{}]", names.join(","))
        }
        Ok(Change::Seen(it)) => format!("seen@{}", it.resource_version().unwrap()),
        Ok(Change::Gone(it)) => format!("gone@{}", it.resource_version().unwrap()),
        Err(error) => error.code().to_owned(),
    };
    let seen = timeout(Duration::from_secs(30), changes.map(word).collect::<Vec<_>>());
    let seen = seen.await.expect("all changes within half a minute").join(" ");
    (seen, asked.lock().unwrap().join(" "))
}

async fn check(script: Script, seen: &str, asked: &str) {
    let expected = seen.split(' ').count();
    assert_eq!(play(script, expected).await, (seen.to_owned(), asked.to_owned()));
}

#[tokio::test]
async fn a_cut_watch_goes_on_where_it_was() {
    let script = vec![
        list(5, &["mnist"]),
        watch(&[("MODIFIED", object("mnist", 6))]),
        watch(&[("BOOKMARK", object("mnist", 9))]),
        refused(503),
        watch(&[("DELETED", object("mnist", 10))]),
    ];
    let asked = "list watch@5 watch@6 watch@9 watch@9";
    check(script, "all[mnist] seen@6 gone@10", asked).await;
}

#[tokio::test]
async fn a_forgotten_version_starts_over() {
    for gone in [watch(&[("ERROR", forgotten())]), refused(410)] {
        let script = vec![
            list(5, &["mnist"]),
            gone,
            list(20, &["mnist"]),
            watch(&[("MODIFIED", object("mnist", 21))]),
        ];
        check(script, "all[mnist] all[mnist] seen@21", "list watch@5 list watch@20").await;
    }
}

#[tokio::test]
async fn a_torn_event_is_read_again() {
    let torn = (200, "{\"type\":\"MODIFIED\",\"obj".to_owned());
    let script = vec![list(5, &["mnist"]), torn, watch(&[("MODIFIED", object("mnist", 6))])];
    check(script, "all[mnist] seen@6", "list watch@5 watch@5").await;
}

#[tokio::test]
async fn a_busy_api_server_is_asked_again_and_a_refusal_is_not() {
    let script = vec![refused(429), refused(500), list(5, &[])];
    check(script, "all[]", "list list list").await;
    check(vec![refused(403)], "forbidden", "list").await;
    check(vec![list(5, &[]), refused(403)], "all[] forbidden", "list watch@5").await;
    // After its error the stream ends: a caller that goes on listening hears nothing more.
    assert_eq!(play(vec![refused(404)], 2).await.0, "not_installed");
}
