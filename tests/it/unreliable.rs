//! An API server that fails: each failure is told, and nothing is lost or made twice.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Method, Request, Response};
use kube::{
    Api, Client, Error,
    api::{ApiResource, DynamicObject, GroupVersionKind},
    client::Body,
    core::Status,
};
use kubeflow_mcp_core::ToolSet;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tower::service_fn;

use crate::session::Session;

/// What happens to requests.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Answers(u16),
    Hangs,
    Closes,
    /// Writes are carried out, and then answered with this code.
    Loses(u16),
}

/// A way to the cluster on which things go wrong, and what was to be stored on it.
#[derive(Clone, Default)]
struct Way {
    /// Whether the fault meets all requests, and not only those for training jobs.
    everywhere: bool,
    fault: Arc<Mutex<Option<Fault>>>,
    stores: Arc<Mutex<Vec<Method>>>,
}

impl Way {
    async fn session(&self) -> Session {
        let way = self.clone();
        let through = |client: Client| {
            let service = service_fn(move |request| {
                let (way, client) = (way.clone(), client.clone());
                async move { way.send(&client, request).await }
            });
            Client::new(service, "default")
        };
        Session::through(&ToolSet::linked(), through).await
    }

    fn set(&self, fault: impl Into<Option<Fault>>) {
        *self.fault.lock().unwrap() = fault.into();
    }

    async fn send(&self, client: &Client, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (method, uri) = (request.method().clone(), request.uri());
        if !self.everywhere && !uri.path().contains("/trainjobs") {
            return client.send(request).await;
        }
        let rehearses = uri.query().is_some_and(|it| it.contains("dryRun=All"));
        let stores = method != Method::GET && !rehearses;
        if stores {
            self.stores.lock().unwrap().push(method);
        }
        let fault = *self.fault.lock().unwrap();
        match fault {
            Some(Fault::Answers(code)) => Ok(failure(code)),
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::Closes) => Err(Error::Service(
                std::io::Error::from(std::io::ErrorKind::ConnectionReset).into(),
            )),
            Some(Fault::Loses(code)) if stores => {
                client.send(request).await?;
                Ok(failure(code))
            }
            Some(Fault::Loses(_)) | None => client.send(request).await,
        }
    }
}

fn failure(code: u16) -> Response<Body> {
    let status = Status::failure("told to fail", "").with_code(code);
    let body = Body::from(serde_json::to_vec(&status).unwrap());
    Response::builder().status(code).body(body).unwrap()
}

async fn jobs(session: &Session) -> usize {
    let kind = GroupVersionKind::gvk("trainer.kubeflow.org", "v1alpha1", "TrainJob");
    let jobs: Api<DynamicObject> = Api::all_with(session.kube(), &ApiResource::from_gvk(&kind));
    jobs.list(&Default::default()).await.unwrap().items.len()
}

fn submission() -> Value {
    json!({"script": "print(1)\n", "name": "mnist", "confirmed": true})
}

/// The clock stands still while anybody works: what waits takes no time.
#[tokio::test(start_paused = true)]
async fn each_failure_has_its_code_and_leaves_nothing_behind() {
    for (fault, code) in [
        (Fault::Answers(401), "unauthenticated"),
        (Fault::Answers(429), "rate_limited"),
        (Fault::Answers(500), "kubernetes"),
        (Fault::Answers(504), "timeout"),
        (Fault::Hangs, "timeout"),
        (Fault::Closes, "unreachable"),
    ] {
        let way = Way::default();
        let session = way.session().await;
        way.set(fault);
        for (tool, arguments) in [
            ("list_training_jobs", json!({})),
            ("wait_for_training", json!({"name": "mnist"})),
            ("run_custom_training", submission()),
        ] {
            let error = session.error(tool, arguments).await;
            assert_eq!(error["code"], code, "{tool} {fault:?}: {error}");
            assert!(error["hint"].is_string(), "{tool} {fault:?}: {error}");
        }
        assert_eq!(jobs(&session).await, 0);
        assert_eq!(*way.stores.lock().unwrap(), [Method::POST], "no write is repeated by itself");

        way.set(None);
        let started = session.call("run_custom_training", submission()).await;
        assert_eq!((&started["created"], jobs(&session).await), (&json!(true), 1), "{started}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_done_once_when_it_is_called_again() {
    let suspension = json!({"name": "mnist", "action": "suspend", "confirmed": true});
    let deletion = json!({"name": "mnist", "confirmed": true});
    for code in [500, 504] {
        let way = Way::default();
        let session = way.session().await;
        let lost = async |tool: &str, arguments: Value| {
            way.stores.lock().unwrap().clear();
            way.set(Fault::Loses(code));
            session.error(tool, arguments).await;
            assert_eq!(way.stores.lock().unwrap().len(), 1, "{tool} is not repeated by itself");
            way.set(None);
        };
        lost("run_custom_training", submission()).await;
        let again = session.call("run_custom_training", submission()).await;
        assert_eq!((&again["created"], jobs(&session).await), (&json!(false), 1), "{again}");

        lost("update_training_job", suspension.clone()).await;
        let again = session.call("update_training_job", suspension.clone()).await;
        assert_eq!((&again["suspended"], &again["changed"]), (&json!(true), &json!(false)));

        lost("delete_training_job", deletion.clone()).await;
        let again = session.error("delete_training_job", deletion.clone()).await;
        assert_eq!((&again["code"], jobs(&session).await), (&json!("not_found"), 0), "{again}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_cannot_be_asked_is_told_at_once_and_used_when_it_is_back() {
    for (fault, problem) in [
        (Fault::Answers(401), "told to fail"),
        (Fault::Answers(500), "told to fail"),
        (Fault::Hangs, "no answer within"),
        (Fault::Closes, "connection reset"),
    ] {
        let way = Way { everywhere: true, ..Way::default() };
        way.set(fault);
        let session = way.session().await;
        check_told(&session, problem).await;

        // Back at any moment, also while the cluster is being asked.
        for silent_for in [0, 500, 1_500, 20_000].map(Duration::from_millis) {
            way.set(fault);
            let mut calls = tokio::time::interval(Duration::from_millis(700));
            let silent = async {
                loop {
                    calls.tick().await;
                    session.answer("list_training_jobs", json!({})).await;
                }
            };
            let _ = timeout(silent_for, silent).await;
            way.set(None);
            check_back(&session).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_falls_silent_is_noticed_and_used_when_it_is_back() {
    let way = Way { everywhere: true, ..Way::default() };
    let session = way.session().await;
    session.call("list_training_jobs", json!({})).await;
    way.set(Fault::Hangs);
    // The first call meets it itself, as an answer may take long.
    assert_eq!(session.error("list_training_jobs", json!({})).await["code"], "timeout");
    check_told(&session, "no answer within").await;
    let health = session.call("health_check", json!({})).await;
    assert!(health["problem"].as_str().unwrap().contains("no answer within"), "{health}");
    way.set(None);
    check_back(&session).await;

    // What was known a while ago is not taken for the present.
    way.set(Fault::Hangs);
    sleep(Duration::from_secs(40)).await;
    check_told(&session, "no answer within").await;
    way.set(None);
    check_back(&session).await;
}

/// A call fails soon, with the reason.
async fn check_told(session: &Session, problem: &str) {
    let asked = Instant::now();
    let error = session.error("list_training_jobs", json!({})).await;
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}: {error}", asked.elapsed());
    assert_eq!(error["code"], "unreachable", "{error}");
    assert!(error["message"].as_str().unwrap().contains(problem), "{error}");
}

/// Calls work soon.
async fn check_back(session: &Session) {
    let since = Instant::now();
    let back = async {
        while session.answer("list_training_jobs", json!({})).await.is_error == Some(true) {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(Duration::from_secs(60), back).await.unwrap();
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
}

#[tokio::test]
async fn calls_at_the_same_time_make_one_job() {
    let session = Way::default().session().await;
    let calls = (0..8).map(|_| session.call("run_custom_training", submission()));
    let answers = futures::future::join_all(calls).await;
    assert_eq!(answers.iter().filter(|it| it["created"] == true).count(), 1, "{answers:?}");
    assert_eq!(jobs(&session).await, 1);
}
