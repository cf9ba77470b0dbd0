//! What a caller is offered at this moment, and who is told when that changes.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt as _, future::ready};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, Error,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use rmcp::{RoleServer, service::Peer};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{Caller, Facts, Refusal, ToolDef, gate};

/// Installing a component makes many definitions at once: one change is told, not ten.
const SETTLE: Duration = Duration::from_millis(250);
/// An API server serves what is defined, and stops serving what is not, a little later.
const SETTLE_AGAIN: Duration = Duration::from_secs(3);
/// For what no watch shows: roles, aggregated APIs, and definitions that may not be watched.
const POLL: Duration = Duration::from_secs(60);

pub(crate) struct Catalog {
    caller: Caller,
    /// The names that were told last.
    told: Mutex<Option<Vec<&'static str>>>,
    /// Counts changes, for those who listen.
    changes: watch::Sender<u64>,
    /// Clients of the era that is told without asking.
    peers: Mutex<Vec<Peer<RoleServer>>>,
    watching: OnceLock<AbortOnDropHandle<()>>,
}

impl Catalog {
    pub(crate) fn new(caller: Caller) -> Arc<Self> {
        Arc::new(Self {
            caller,
            told: Mutex::default(),
            changes: watch::Sender::new(0),
            peers: Mutex::default(),
            watching: OnceLock::new(),
        })
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Every tool, with the reason why it is not offered if it is not.
    pub(crate) async fn tools(&self) -> Vec<(ToolDef, Option<Refusal>)> {
        let facts = self.caller.facts().await;
        let tools = self.judged(&facts);
        self.tell(&tools).await;
        tools
    }

    /// Counts up with every change from now on.
    pub(crate) fn listen(self: &Arc<Self>) -> watch::Receiver<u64> {
        self.watch();
        self.changes.subscribe()
    }

    /// Tells a client of every change from now on.
    pub(crate) fn add(self: &Arc<Self>, peer: Peer<RoleServer>) {
        self.watch();
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).push(peer);
    }

    fn judged(&self, facts: &Facts) -> Vec<(ToolDef, Option<Refusal>)> {
        let verdict = |tool: &ToolDef| gate::admit(tool, self.caller.policy(), facts).err();
        self.caller.tools().iter().map(|tool| (*tool, verdict(tool))).collect()
    }

    /// Tells everyone, if this is not what they were told last.
    async fn tell(&self, tools: &[(ToolDef, Option<Refusal>)]) {
        let offered = tools.iter().filter(|(_, refusal)| refusal.is_none());
        let offered: Vec<_> = offered.map(|(tool, _)| tool.name).collect();
        let before =
            self.told.lock().unwrap_or_else(PoisonError::into_inner).replace(offered.clone());
        if before.is_none_or(|before| before == offered) {
            return;
        }
        self.changes.send_modify(|count| *count += 1);
        let peers = {
            let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
            peers.retain(|peer| !peer.is_transport_closed());
            peers.clone()
        };
        for peer in peers {
            if let Err(error) = peer.notify_tool_list_changed().await {
                tracing::debug!(%error, "a client could not be told that its tools changed");
            }
        }
    }

    /// Starts to look for changes, once there is someone to tell.
    fn watch(self: &Arc<Self>) {
        let this = Arc::downgrade(self);
        let caller = self.caller.clone();
        self.watching.get_or_init(|| {
            AbortOnDropHandle::new(tokio::spawn(async move {
                let mut news = caller.news();
                let mut definitions = std::pin::pin!(definitions(caller.own_client()));
                let mut poll = interval(POLL);
                poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
                let mut settling: Vec<Instant> = Vec::new();
                loop {
                    let due = settling.first().copied();
                    tokio::select! {
                        Some(()) = definitions.next() => {
                            let now = Instant::now();
                            settling = vec![now + SETTLE, now + SETTLE_AGAIN];
                        }
                        () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                            settling.remove(0);
                            caller.learn();
                        }
                        _ = poll.tick() => caller.learn(),
                        facts = news.next() => {
                            let Some(this) = this.upgrade() else { return };
                            this.tell(&this.judged(&facts)).await;
                        }
                    }
                }
            }))
        });
    }
}

/// Something for each change of a definition; nothing any more where they may not be watched.
fn definitions(client: Client) -> impl Stream<Item = ()> {
    let api = Api::<PartialObjectMeta<CustomResourceDefinition>>::all(client);
    let forbidden = |event: &Result<_, watcher::Error>| match event {
        Err(watcher::Error::InitialListFailed(Error::Api(status))) => status.code == 403,
        _ => false,
    };
    watcher(api, watcher::Config::default().any_semantic())
        .default_backoff()
        .take_while(move |event| ready(!forbidden(event)))
        .filter_map(|event| {
            let changed = matches!(event, Ok(Event::Apply(_) | Event::Delete(_) | Event::InitDone));
            ready(changed.then_some(()))
        })
        .chain(futures::stream::pending())
}
