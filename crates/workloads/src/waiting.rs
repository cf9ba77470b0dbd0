//! Objects as they change: one list and then a watch, which mends itself however it is cut off.

use std::{
    fmt::Debug,
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use futures::{Stream, StreamExt as _, stream, stream::BoxStream};
use kube::{
    Api, Error, ResourceExt as _,
    api::{ListParams, WatchEvent, WatchParams},
    core::Request,
};
use kubeflow_mcp_core::Result;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

/// What is new about the selected objects.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<K> {
    /// These are all there are: at first, and when changes may have been missed.
    All(Vec<K>),
    Seen(K),
    Gone(K),
}

/// Which objects of a kind.
#[derive(Clone, Debug)]
pub enum Selection {
    Named(String),
    Labelled(String),
}

/// The API server ends a watch after this long; one that is silent for longer is dead.
const WATCH_SECONDS: u32 = 290;
const DEAD_AFTER: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 15);
/// A watch that ends sooner counts as a failure, so that nothing is opened in a tight loop.
const HEALTHY_AFTER: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// An API server that has never answered is given up after so many attempts.
const ATTEMPTS: u32 = 4;

/// The selected objects and their changes, until the caller stops listening. It ends with an error
/// only when trying again is futile: the caller may not, or nothing of the kind is served.
pub fn changes<K>(
    api: Api<K>,
    selection: &Selection,
) -> impl Stream<Item = Result<Change<K>>> + use<K>
where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let watch = Watch {
        api,
        list: selection.list(),
        watch: selection.watch(),
        state: State::Unknown,
        failures: 0,
        listed: false,
    };
    stream::unfold(watch, |mut watch| async { Some((watch.next().await?, watch)) })
}

struct Watch<K> {
    api: Api<K>,
    list: ListParams,
    watch: WatchParams,
    state: State<K>,
    failures: u32,
    /// Whether the API server has ever answered.
    listed: bool,
}

type Events<K> = BoxStream<'static, kube::Result<WatchEvent<K>>>;

enum State<K> {
    Unknown,
    /// All changes up to this resource version are known.
    Known(String),
    Watching {
        version: String,
        since: Instant,
        events: Events<K>,
    },
    Ended,
}

impl Selection {
    fn list(&self) -> ListParams {
        match self {
            Self::Named(name) => ListParams::default().fields(&format!("metadata.name={name}")),
            Self::Labelled(labels) => ListParams::default().labels(labels),
        }
    }

    fn watch(&self) -> WatchParams {
        let all = WatchParams::default().timeout(WATCH_SECONDS);
        match self {
            Self::Named(name) => all.fields(&format!("metadata.name={name}")),
            Self::Labelled(labels) => all.labels(labels),
        }
    }
}

impl<K> Watch<K>
where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    async fn next(&mut self) -> Option<Result<Change<K>>> {
        loop {
            // Whatever goes wrong in between, nothing of it may be skipped: start over.
            match std::mem::replace(&mut self.state, State::Unknown) {
                State::Ended => {
                    self.state = State::Ended;
                    return None;
                }
                State::Unknown => {
                    pause(self.failures).await;
                    match self.api.list(&self.list).await {
                        Ok(list) => {
                            let version = list.metadata.resource_version.unwrap_or_default();
                            self.state = State::Known(version);
                            self.listed = true;
                            return Some(Ok(Change::All(list.items)));
                        }
                        Err(error) if self.is_lasting(&error) => return self.end(error),
                        Err(_) => self.failures += 1,
                    }
                }
                State::Known(version) => {
                    pause(self.failures).await;
                    match open(&self.api, &self.watch, &version).await {
                        Ok(events) => {
                            let since = Instant::now();
                            self.state = State::Watching { version, since, events };
                        }
                        Err(error) if self.is_lasting(&error) => return self.end(error),
                        Err(error) => self.fail(version, is_expired(&error)),
                    }
                }
                State::Watching { version, since, mut events } => {
                    let event = timeout(DEAD_AFTER, events.next()).await.ok().flatten();
                    let (change, version) = match event {
                        Some(Ok(WatchEvent::Added(it) | WatchEvent::Modified(it))) => {
                            let version = it.resource_version().unwrap_or(version);
                            (Some(Change::Seen(it)), version)
                        }
                        Some(Ok(WatchEvent::Deleted(it))) => {
                            let version = it.resource_version().unwrap_or(version);
                            (Some(Change::Gone(it)), version)
                        }
                        Some(Ok(WatchEvent::Bookmark(it))) => (None, it.metadata.resource_version),
                        Some(Ok(WatchEvent::Error(status))) => {
                            self.fail(version, status.code == 410);
                            continue;
                        }
                        Some(Err(_)) => {
                            self.fail(version, false);
                            continue;
                        }
                        None if since.elapsed() < HEALTHY_AFTER => {
                            self.fail(version, false);
                            continue;
                        }
                        None => {
                            self.state = State::Known(version);
                            continue;
                        }
                    };
                    self.failures = 0;
                    self.state = State::Watching { version, since, events };
                    if let Some(change) = change {
                        return Some(Ok(change));
                    }
                }
            }
        }
    }

    /// Goes on from where the watch was, or from the start where the API server has forgotten that.
    fn fail(&mut self, version: String, expired: bool) {
        self.failures += 1;
        self.state = if expired { State::Unknown } else { State::Known(version) };
    }

    fn end(&mut self, error: kube::Error) -> Option<Result<Change<K>>> {
        self.state = State::Ended;
        Some(Err(error.into()))
    }

    /// Whether the same request would fail again.
    fn is_lasting(&self, error: &kube::Error) -> bool {
        match error {
            kube::Error::Api(status) => matches!(status.code, 400 | 401 | 403 | 404 | 405 | 422),
            kube::Error::BuildRequest(_) | kube::Error::SerdeError(_) => true,
            _ => !self.listed && self.failures + 1 >= ATTEMPTS,
        }
    }
}

/// Opens a watch whose objects are read as JSON first: a type that a watch reads directly is
/// compiled several times more, and Pods are large.
async fn open<K>(api: &Api<K>, watch: &WatchParams, version: &str) -> kube::Result<Events<K>>
where
    K: kube::Resource + Clone + DeserializeOwned + Send + 'static,
{
    let request = Request::new(api.resource_url()).watch(watch, version);
    let client = api.clone().into_client();
    let events = client.request_events(request.map_err(Error::BuildRequest)?).await?;
    Ok(events.map(|it| it.and_then(read)).boxed())
}

fn read<K: DeserializeOwned>(event: WatchEvent<Value>) -> kube::Result<WatchEvent<K>> {
    let object = |it: Value| K::deserialize(&it).map_err(Error::SerdeError);
    Ok(match event {
        WatchEvent::Added(it) => WatchEvent::Added(object(it)?),
        WatchEvent::Modified(it) => WatchEvent::Modified(object(it)?),
        WatchEvent::Deleted(it) => WatchEvent::Deleted(object(it)?),
        WatchEvent::Bookmark(it) => WatchEvent::Bookmark(it),
        WatchEvent::Error(status) => WatchEvent::Error(status),
    })
}

/// Longer after each failure, and not the same for all who failed together.
async fn pause(failures: u32) {
    if failures == 0 {
        return;
    }
    let doubled = FIRST_PAUSE * 2_u32.pow((failures - 1).min(10));
    let share = RandomState::new().hash_one(failures) % 1_000;
    sleep(doubled.min(LONGEST_PAUSE).mul_f64(0.5 + share as f64 / 1_000.0)).await;
}

fn is_expired(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 410)
}

#[cfg(test)]
mod tests;
