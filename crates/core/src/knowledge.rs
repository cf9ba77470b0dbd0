//! The facts of one caller, kept for some seconds and asked for again behind the scenes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kube::Client;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{Error, Facts, Policy, passage};

/// How long facts are taken as they are.
const FRESH: Duration = Duration::from_secs(2);
/// How long they are good enough to begin a call with: the API server decides in the end.
const RECENT: Duration = Duration::from_secs(30);
/// How long a question may keep the list of tools waiting.
const PATIENCE: Duration = Duration::from_millis(2500);

type Known = Option<(Arc<Facts>, Instant)>;

pub(crate) struct Knowledge {
    /// Speaks as the caller, past no fence.
    pub(crate) client: Client,
    policy: Arc<Policy>,
    namespace: Arc<str>,
    /// What is known, and since when.
    known: watch::Sender<Known>,
    asking: AtomicBool,
}

/// What is learnt, as it is learnt.
pub(crate) struct News(watch::Receiver<Known>);

impl Knowledge {
    pub(crate) fn new(client: &Client, policy: Arc<Policy>, namespace: Arc<str>) -> Arc<Self> {
        Arc::new(Self {
            client: passage::bounded(client),
            policy,
            namespace,
            known: watch::Sender::new(None),
            asking: AtomicBool::new(false),
        })
    }

    /// What is known, at most some seconds old unless the cluster does not answer in time.
    pub(crate) async fn facts(self: &Arc<Self>) -> Arc<Facts> {
        let last = self.known.borrow().clone();
        if let Some((facts, at)) = &last
            && at.elapsed() < FRESH
            // A cluster may be back at any moment.
            && facts.unreachable.is_none()
        {
            return Arc::clone(facts);
        }
        let mut news = self.news();
        self.refresh();
        match (timeout(PATIENCE, news.next()).await, last) {
            (Ok(facts), _) | (Err(_), Some((facts, _))) => facts,
            (Err(_), None) => {
                let seconds = PATIENCE.as_secs_f32();
                Arc::new(Facts::unreachable(format!("no answer within {seconds} s")))
            }
        }
    }

    /// What has been known for a while, so that a call costs no questions of its own.
    pub(crate) async fn recent_facts(self: &Arc<Self>) -> Arc<Facts> {
        let last = self.known.borrow().clone();
        match last {
            Some((facts, at)) if at.elapsed() < RECENT && facts.unreachable.is_none() => facts,
            _ => self.facts().await,
        }
    }

    pub(crate) fn news(&self) -> News {
        News(self.known.subscribe())
    }

    /// Asks the cluster, unless that is being done already.
    pub(crate) fn refresh(self: &Arc<Self>) {
        if self.asking.swap(true, Ordering::AcqRel) {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let asked = Facts::ask(&this.client, &this.policy, &this.namespace).await;
            let facts =
                asked.unwrap_or_else(|error| Facts::unreachable(Error::from(error).to_string()));
            this.asking.store(false, Ordering::Release);
            this.known.send_replace(Some((Arc::new(facts), Instant::now())));
        });
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
            if let Some((facts, _)) = &*self.0.borrow_and_update() {
                return Arc::clone(facts);
            }
        }
    }
}
