//! An API server that can be told to misbehave, and tools to call on it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use kube::{Api, Client, api::PostParams, client::Body, core::DynamicObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::service_fn;

use crate::{Caller, Effect, Need, Persona, Policy, Resource, Result, Tool, ToolDef, ToolSet};

/// How the API server answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Mood {
    #[default]
    Well,
    /// Does not answer before its mood changes.
    Hangs,
    /// Closes the connection.
    Closes,
    /// Answers everything with this code.
    Fails(u16),
    /// Does not know its definitions yet.
    Starts,
    /// The next so many reads fail with 503, as in a rolling update.
    Stumbles(usize),
}

/// The API server's state, which a test changes while the server runs.
#[derive(Clone)]
pub(super) struct Fake {
    pub(super) mood: watch::Sender<Mood>,
    /// Whether widgets are installed.
    pub(super) widgets: watch::Sender<bool>,
    /// The verbs that the caller has on widgets.
    pub(super) verbs: Arc<Mutex<Vec<&'static str>>>,
    /// Whether the caller may not look at definitions, as most users of a cluster.
    pub(super) secretive: Arc<AtomicBool>,
    /// Method and URI of every request for widgets.
    pub(super) asked: Arc<Mutex<Vec<String>>>,
    /// Has a receiver for each request for widgets that waits for an answer.
    pub(super) waiting: watch::Sender<()>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            mood: watch::Sender::default(),
            widgets: watch::Sender::new(true),
            verbs: Arc::new(Mutex::new(vec!["get", "list", "create"])),
            secretive: Arc::default(),
            asked: Arc::default(),
            waiting: watch::Sender::default(),
        }
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

impl Fake {
    pub(super) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    pub(super) fn caller(&self, persona: Persona) -> Caller {
        let fake = self.clone();
        let service = service_fn(move |request: Request<Body>| {
            let fake = fake.clone();
            async move { fake.answer(request).await }
        });
        Caller::new(Client::new(service, "team"), Policy::of(persona))
    }

    async fn answer(&self, request: Request<Body>) -> Result<Answer, std::io::Error> {
        let mood = *self.mood.borrow();
        if let (Mood::Stumbles(left), &Method::GET) = (mood, request.method()) {
            self.set(if left > 1 { Mood::Stumbles(left - 1) } else { Mood::Well });
        }
        let path = request.uri().path().to_owned();
        if path.contains("/widgets") {
            self.asked.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
        }
        match mood {
            Mood::Hangs => {
                let _waits = path.contains("/widgets").then(|| self.waiting.subscribe());
                let _ = self.mood.subscribe().wait_for(|mood| *mood != Mood::Hangs).await;
                Ok(self.well(&path, request).await)
            }
            Mood::Closes => Err(std::io::ErrorKind::ConnectionReset.into()),
            Mood::Fails(code) => Ok(failure(code)),
            Mood::Stumbles(_) if request.method() == Method::GET => Ok(failure(503)),
            Mood::Starts if path == "/readyz" => Ok(failure(500)),
            Mood::Starts if path == "/apis" => {
                Ok(discovery(json!([{"metadata": {"name": "batch"}}])))
            }
            Mood::Well | Mood::Starts | Mood::Stumbles(_) => Ok(self.well(&path, request).await),
        }
    }

    async fn well(&self, path: &str, request: Request<Body>) -> Answer {
        let widgets = *self.widgets.borrow();
        let query = request.uri().query().unwrap_or_default().to_owned();
        match path {
            "/version" => {
                json_answer(&json!({"major": "1", "minor": "37", "gitVersion": "v1.37.0",
                "gitCommit": "", "gitTreeState": "", "buildDate": "", "goVersion": "",
                "compiler": "", "platform": ""}))
            }
            "/api" => discovery(json!([])),
            "/apis" => discovery(json!([{"metadata": {"name": "toys.kubeflow.org"},
                "versions": [{"version": "v1", "resources":
                    if widgets { json!([{"resource": "widgets"}]) } else { json!([]) }}]}])),
            _ if path.ends_with("selfsubjectrulesreviews") => {
                let verbs = self.verbs.lock().unwrap().clone();
                json_answer(&json!({"status": {"incomplete": false, "nonResourceRules": [],
                    "resourceRules": [{"apiGroups": ["toys.kubeflow.org"], "verbs": verbs,
                        "resources": ["widgets"]}]}}))
            }
            _ if path.ends_with("selfsubjectreviews") => {
                json_answer(&json!({"status": {"userInfo": {"username": "ann"}}}))
            }
            _ if path.ends_with("customresourcedefinitions")
                && self.secretive.load(Ordering::Relaxed) =>
            {
                failure(403)
            }
            _ if path.ends_with("customresourcedefinitions") && query.contains("watch=") => {
                definitions(self.widgets.subscribe())
            }
            _ if path.ends_with("/widgets") && request.method() == Method::POST => {
                let sent = request.into_body().collect().await.expect("a body").to_bytes();
                let mut object: Value = serde_json::from_slice(&sent).expect("an object");
                object["metadata"]["uid"] = "1".into();
                json_answer(&object)
            }
            _ => json_answer(&json!({"kind": "List", "apiVersion": "v1", "items": [],
                "metadata": {"resourceVersion": "1"}})),
        }
    }
}

/// A watch that tells of a definition each time the widgets come or go.
fn definitions(changes: watch::Receiver<bool>) -> Answer {
    let lines = stream::unfold(changes, |mut changes| async move {
        changes.changed().await.ok()?;
        let kind = if *changes.borrow() { "ADDED" } else { "DELETED" };
        let event = json!({"type": kind, "object": {"apiVersion": "meta.k8s.io/v1",
            "kind": "PartialObjectMetadata",
            "metadata": {"name": "widgets.toys.kubeflow.org", "resourceVersion": "2"}}});
        Some((Ok(Frame::data(Bytes::from(format!("{event}\n")))), changes))
    });
    Response::new(StreamBody::new(lines).boxed_unsync())
}

fn discovery(groups: Value) -> Answer {
    json_answer(&json!({"kind": "APIGroupDiscoveryList", "items": groups}))
}

fn json_answer(value: &Value) -> Answer {
    let body = Full::new(Bytes::from(value.to_string()));
    Response::new(body.map_err(|never| match never {}).boxed_unsync())
}

fn failure(code: u16) -> Answer {
    let status = json!({"kind": "Status", "status": "Failure", "code": code, "metadata": {},
        "reason": "Fault", "message": format!("told to fail with {code}")});
    let mut answer = json_answer(&status);
    *answer.status_mut() = code.try_into().expect("a status code");
    answer
}

pub(super) const TOYS: ToolSet = ToolSet {
    name: "toys",
    about: "Toys",
    guide: "Toys are for tests.",
    tools: &[&[
        ToolDef::of::<ListWidgets>(),
        ToolDef::of::<MakeWidgets>(),
        ToolDef::of::<Wait>(),
        ToolDef::of::<Panic>(),
    ]],
    local: None,
};

const WIDGETS: Resource = Resource::namespaced("toys.kubeflow.org", "widgets");

fn widgets(caller: &Caller, namespace: Option<&str>) -> Api<DynamicObject> {
    let kind = kube::core::GroupVersionKind::gvk("toys.kubeflow.org", "v1", "Widget");
    let resource = kube::core::ApiResource::from_gvk_with_plural(&kind, "widgets");
    Api::namespaced_with(caller.client().clone(), caller.namespace(namespace), &resource)
}

/// Lists widgets.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListWidgets {
    namespace: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Widgets {
    count: usize,
}

impl Tool for ListWidgets {
    type Output = Widgets;
    const NAME: &str = "list_widgets";
    const TITLE: &str = "List widgets";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[Need::to(&["list"], WIDGETS)];

    async fn call(self, caller: &Caller) -> Result<Widgets> {
        let list = widgets(caller, self.namespace.as_deref()).list(&Default::default()).await?;
        Ok(Widgets { count: list.items.len() })
    }
}

/// Makes a widget and its box.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MakeWidgets {
    #[schemars(length(min = 1, max = 63))]
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct Widget {
    name: String,
    digest: String,
}

impl Tool for MakeWidgets {
    type Output = Widget;
    const NAME: &str = "make_widgets";
    const TITLE: &str = "Make widgets";
    const EFFECT: Effect = Effect::Creates;
    const PERSONA: Persona = Persona::DataScientist;
    const NEEDS: &[Need] = &[
        Need::to(&["create"], WIDGETS),
        Need::perhaps(&["create"], Resource::namespaced("", "boxes")),
    ];

    async fn call(self, caller: &Caller) -> Result<Widget> {
        let object = json!({"apiVersion": "toys.kubeflow.org/v1", "kind": "Widget",
            "metadata": {"name": self.name}});
        let object = serde_json::from_value(object).expect("an object");
        let made = widgets(caller, None).create(&PostParams::default(), &object).await?;
        Ok(Widget {
            name: made.metadata.name.unwrap_or_default(),
            digest: caller.digest().to_owned(),
        })
    }
}

/// Waits for ever.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wait {}

impl Tool for Wait {
    type Output = Widgets;
    const NAME: &str = "wait";
    const TITLE: &str = "Wait";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[];

    async fn call(self, caller: &Caller) -> Result<Widgets> {
        for step in 0_u32.. {
            caller.progress(step.into(), None, "HF_TOKEN=abcdef waits").await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(Widgets { count: 0 })
    }
}

/// Fails by a fault of its own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Panic {}

impl Tool for Panic {
    type Output = Widgets;
    const NAME: &str = "panic";
    const TITLE: &str = "Panic";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[];

    async fn call(self, _: &Caller) -> Result<Widgets> {
        panic!("on purpose")
    }
}
