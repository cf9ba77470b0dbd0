//! The facts of one caller, kept for some seconds and asked for again behind the scenes.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::Request;
use kube::{Client, client::Body};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tower::service_fn;

use crate::{Error, Facts, Policy, passage};

/// How long facts are taken as they are.
pub(crate) const FRESH: Duration = Duration::from_secs(2);
/// How long they are good enough to begin a call with, which then costs no questions of its own:
/// the API server decides in the end.
pub(crate) const RECENT: Duration = Duration::from_secs(30);
/// How long a question may keep the list of tools, or a call, waiting.
const PATIENCE: Duration = Duration::from_millis(2500);
/// After this a question is asked again beside the one under way: a cluster that is back may never
/// answer what it was asked before.
const AGAIN: Duration = Duration::from_secs(1);
/// When a question is given up. A slow cluster may be known later than anybody waits for.
const GIVEN_UP: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Known {
    facts: Arc<Facts>,
    asked: Instant,
    learnt: Instant,
}

pub(crate) struct Knowledge {
    /// Speaks as the caller, past no fence.
    pub(crate) client: Client,
    policy: Arc<Policy>,
    namespace: Arc<str>,
    known: watch::Sender<Option<Known>>,
    /// Since when the newest of the questions under way is.
    asking: Mutex<Option<Instant>>,
    /// When the cluster last answered anything.
    heard: Arc<Mutex<Option<Instant>>>,
    /// Whether a call has met silence since.
    doubted: AtomicBool,
}

/// What is learnt, as it is learnt.
pub(crate) struct News(watch::Receiver<Option<Known>>);

impl Knowledge {
    pub(crate) fn new(client: &Client, policy: Arc<Policy>, namespace: Arc<str>) -> Arc<Self> {
        let heard = Arc::new(Mutex::new(None));
        Arc::new(Self {
            client: heeding(passage::bounded(client), Arc::clone(&heard)),
            policy,
            namespace,
            known: watch::Sender::new(None),
            asking: Mutex::default(),
            heard,
            doubted: AtomicBool::new(false),
        })
    }

    /// What is known, at most some seconds old unless the cluster does not answer in time.
    pub(crate) async fn facts(self: &Arc<Self>) -> Arc<Facts> {
        let last = self.known.borrow().clone();
        match last {
            // A cluster may be back at any moment.
            Some(it) if it.learnt.elapsed() < FRESH && it.facts.problem().is_none() => it.facts,
            last => match (self.learn().await, last) {
                (Some(facts), _) => facts,
                (None, Some(last)) => last.facts,
                (None, None) => silence(),
            },
        }
    }

    /// What is known, at most so old, unless the cluster is only slow; of one that is silent,
    /// nothing is.
    pub(crate) async fn facts_of_living(self: &Arc<Self>, age: Duration) -> Arc<Facts> {
        let since = Instant::now();
        let last = self.known.borrow().clone().filter(|it| it.facts.problem().is_none());
        match last {
            Some(it) if it.learnt.elapsed() < age && !self.doubted.load(Ordering::Relaxed) => {
                it.facts
            }
            last => match (self.learn().await, last) {
                (Some(facts), _) => facts,
                (None, Some(last)) if self.heard_since(since) => last.facts,
                (None, _) => silence(),
            },
        }
    }

    /// The cluster has left a call without an answer: the next asks first.
    pub(crate) fn doubt(&self) {
        self.doubted.store(true, Ordering::Relaxed);
    }

    pub(crate) fn news(&self) -> News {
        News(self.known.subscribe())
    }

    /// Asks the cluster, unless that was done a moment ago.
    pub(crate) fn refresh(self: &Arc<Self>) {
        let asked = Instant::now();
        {
            let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
            if asking.is_some_and(|it| asked - it < AGAIN) {
                return;
            }
            *asking = Some(asked);
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let question = Facts::ask(&this.client, &this.policy, &this.namespace);
            let facts = match timeout(GIVEN_UP, question).await {
                Ok(Ok(facts)) => facts,
                Ok(Err(error)) => Facts::unreachable(Error::from(error).to_string()),
                Err(_) if this.is_newest(asked) => {
                    Facts::unreachable(format!("no answer within {} s", GIVEN_UP.as_secs()))
                }
                // A newer question is better informed.
                Err(_) => return,
            };
            this.publish(Known { facts: Arc::new(facts), asked, learnt: Instant::now() });
        });
    }

    /// What the cluster says now, if it answers in time.
    async fn learn(self: &Arc<Self>) -> Option<Arc<Facts>> {
        let mut news = self.news();
        let learnt = async {
            loop {
                self.refresh();
                if let Ok(facts) = timeout(AGAIN, news.next()).await {
                    return facts;
                }
            }
        };
        timeout(PATIENCE, learnt).await.ok()
    }

    fn publish(&self, known: Known) {
        {
            let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
            asking.take_if(|it| *it == known.asked);
        }
        if known.facts.unreachable.is_none() {
            self.doubted.store(false, Ordering::Relaxed);
        }
        self.known.send_if_modified(|last| {
            let newer = last.as_ref().is_none_or(|last| last.asked <= known.asked);
            if newer {
                *last = Some(known);
            }
            newer
        });
    }

    fn is_newest(&self, asked: Instant) -> bool {
        *self.asking.lock().unwrap_or_else(PoisonError::into_inner) == Some(asked)
    }

    fn heard_since(&self, since: Instant) -> bool {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|it| it >= since)
    }
}

impl News {
    /// Waits for the next that is learnt.
    pub(crate) async fn next(&mut self) -> Arc<Facts> {
        loop {
            if self.0.changed().await.is_err() {
                // Whoever knew is gone, and nothing more will be learnt.
                return std::future::pending().await;
            }
            if let Some(known) = &*self.0.borrow_and_update() {
                return Arc::clone(&known.facts);
            }
        }
    }
}

fn silence() -> Arc<Facts> {
    let seconds = PATIENCE.as_secs_f32();
    Arc::new(Facts::unreachable(format!("no answer within {seconds} s")))
}

/// The same client, which notes when it was answered last.
fn heeding(base: Client, heard: Arc<Mutex<Option<Instant>>>) -> Client {
    let namespace = base.default_namespace().to_owned();
    let service = service_fn(move |request: Request<Body>| {
        let (base, heard) = (base.clone(), Arc::clone(&heard));
        async move {
            let answer = base.send(request).await?;
            *heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            Ok::<_, kube::Error>(answer)
        }
    });
    Client::new(service, namespace)
}
