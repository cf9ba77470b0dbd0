//! The facts of one caller, kept for some seconds and asked for again behind the scenes.

use std::{
    sync::{Arc, Mutex, PoisonError},
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
/// How long a question may keep the list of tools waiting.
const PATIENCE: Duration = Duration::from_millis(2500);

pub(crate) struct Knowledge {
    client: Client,
    policy: Arc<Policy>,
    namespace: Arc<str>,
    /// What is known, and since when. Nothing yet when `None`.
    known: watch::Sender<Option<(Arc<Facts>, Instant)>>,
    asking: Mutex<bool>,
}

impl Knowledge {
    pub(crate) fn new(client: &Client, policy: Arc<Policy>, namespace: Arc<str>) -> Arc<Self> {
        Arc::new(Self {
            client: passage::bounded(client),
            policy,
            namespace,
            known: watch::Sender::new(None),
            asking: Mutex::new(false),
        })
    }

    /// What is known, at most some seconds old unless the cluster does not answer in time.
    pub(crate) async fn facts(self: &Arc<Self>) -> Arc<Facts> {
        let last = self.known.borrow().clone();
        if let Some((facts, at)) = &last
            && at.elapsed() < FRESH
        {
            return Arc::clone(facts);
        }
        let mut news = self.known.subscribe();
        self.refresh();
        let told = timeout(PATIENCE, news.changed()).await.is_ok();
        if told && let Some((facts, _)) = &*news.borrow() {
            return Arc::clone(facts);
        }
        last.map_or_else(
            || {
                let seconds = PATIENCE.as_secs_f32();
                Arc::new(Facts::unreachable(format!("no answer within {seconds} s")))
            },
            |(facts, _)| facts,
        )
    }

    /// Asks the cluster, unless that is being done already.
    pub(crate) fn refresh(self: &Arc<Self>) {
        if std::mem::replace(&mut *self.lock(), true) {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let asked = Facts::ask(&this.client, &this.policy, &this.namespace).await;
            let facts =
                asked.unwrap_or_else(|error| Facts::unreachable(Error::from(error).to_string()));
            *this.lock() = false;
            this.known.send_replace(Some((Arc::new(facts), Instant::now())));
        });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
