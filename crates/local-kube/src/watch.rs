//! Watches: a stream of what happens to the objects of one resource.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, stream};
use kube::core::Status;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    LocalKube,
    query::Query,
    representation::Representation,
    status::{self, Result, cause},
    store::{Change, Object},
    verbs::{Request, version},
};

/// How many changes are read from the store at once.
const BATCH: usize = 256;
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long a watch lasts when the client does not say.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(45 * 60);

/// One JSON line an event.
pub(crate) fn watch(
    kube: &LocalKube,
    request: Request,
    representation: Representation,
) -> Result<impl Stream<Item = Bytes> + use<>> {
    let query = &request.query;
    query.fields.check(&request.kind)?;
    check_beginning(query)?;
    let begin = version(kube, &query.resource_version, true)?;
    // Subscribed before the first look, so that no write falls between.
    let writes = kube.store().writes(&request.kind.resource);
    let all = query.initial_events || begin.is_none_or(|it| it == 0);
    let mut known = VecDeque::new();
    let mut position = begin.unwrap_or_default();
    if all {
        let wanted = |object: &Value| selects(&request, object);
        let namespace = request.namespace.as_deref();
        let page = kube.store().page(&request.kind.resource, namespace, None, usize::MAX, &wanted);
        let page = page.ok_or_else(|| status::internal("the present is always known"))?;
        (known, position) = (page.items.into(), page.version);
    }
    let timeout = query.timeout_seconds.map_or(DEFAULT_TIMEOUT, Duration::from_secs);
    let now = Instant::now();
    let watch = Watch {
        announce: query.initial_events && query.bookmarks,
        kube: kube.clone(),
        request,
        representation,
        writes,
        known,
        position,
        ends: now + timeout,
        bookmark: now + BOOKMARK_EVERY,
        failed: false,
    };
    Ok(stream::unfold(watch, async |mut watch| Some((watch.next().await?, watch))))
}

/// How a watch begins is said by two parameters, which belong together.
fn check_beginning(query: &Query) -> Result<()> {
    let why = match (query.initial_events, query.resource_version_match.as_deref()) {
        (true, Some("NotOlderThan")) | (false, None) => return Ok(()),
        (true, _) => "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        (false, _) => {
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        }
    };
    let cause = cause::forbidden("resourceVersionMatch", why);
    Err(status::invalid_options("ListOptions", cause))
}

struct Watch {
    kube: LocalKube,
    request: Request,
    representation: Representation,
    writes: watch::Receiver<u64>,
    /// Objects of the beginning that the client has not been told yet.
    known: VecDeque<Arc<Object>>,
    /// Whether the end of those is still to be announced.
    announce: bool,
    /// The version up to which the client knows everything.
    position: u64,
    ends: Instant,
    bookmark: Instant,
    failed: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Bytes> {
        if self.failed {
            return None;
        }
        if !self.known.is_empty() {
            let count = self.known.len().min(BATCH);
            let mut lines = Vec::new();
            for object in self.known.drain(..count) {
                let object = self.representation.write(&self.request.kind, &object);
                line(&mut lines, "ADDED", &object);
            }
            return Some(lines.into());
        }
        if std::mem::take(&mut self.announce) {
            return Some(self.bookmark(&json!({"k8s.io/initial-events-end": "true"})));
        }
        loop {
            let seen = *self.writes.borrow_and_update();
            let store = self.kube.store();
            let resource = &self.request.kind.resource;
            match store.changes(resource, self.position, BATCH) {
                Some(changes) if changes.is_empty() => self.position = self.position.max(seen),
                Some(changes) => {
                    let lines = self.lines(&changes);
                    if !lines.is_empty() {
                        return Some(lines.into());
                    }
                    continue;
                }
                None => {
                    self.failed = true;
                    return Some(too_old(self.position));
                }
            }
            tokio::select! {
                biased;
                () = sleep_until(self.ends) => return None,
                changed = self.writes.changed() => changed.ok()?,
                () = sleep_until(self.bookmark), if self.request.query.bookmarks => {
                    self.bookmark = Instant::now() + BOOKMARK_EVERY;
                    return Some(self.bookmark(&Value::Null));
                }
            }
        }
    }

    fn lines(&mut self, changes: &[Change]) -> Vec<u8> {
        let mut lines = Vec::new();
        for change in changes {
            self.position = change.after.version;
            if self.request.namespace.as_deref().is_some_and(|it| it != &*change.key.namespace) {
                continue;
            }
            let was = change.before.as_ref().is_some_and(|it| selects(&self.request, &it.value));
            let is = !change.gone && selects(&self.request, &change.after.value);
            let event = match (was, is) {
                (false, true) => "ADDED",
                (true, true) => "MODIFIED",
                (true, false) => "DELETED",
                (false, false) => continue,
            };
            let object = self.representation.write(&self.request.kind, &change.after);
            line(&mut lines, event, &object);
        }
        lines
    }

    fn bookmark(&self, annotations: &Value) -> Bytes {
        let (api_version, kind) = match self.representation {
            Representation::Metadata => ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadata"),
            _ => (self.request.kind.api_version(), self.request.kind.kind.as_str()),
        };
        let mut metadata =
            json!({"resourceVersion": self.position.to_string(), "creationTimestamp": null});
        if !annotations.is_null() {
            metadata["annotations"] = annotations.clone();
        }
        let object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
        let mut lines = Vec::new();
        line(&mut lines, "BOOKMARK", object.to_string().as_bytes());
        lines.into()
    }
}

fn selects(request: &Request, object: &Value) -> bool {
    request.query.labels.select(object) && request.query.fields.select(object)
}

fn too_old(version: u64) -> Bytes {
    let status: Box<Status> = status::expired(format!("too old resource version: {version}"));
    let mut lines = Vec::new();
    line(&mut lines, "ERROR", &crate::answer::status_json(&status));
    lines.into()
}

fn line(lines: &mut Vec<u8>, event: &str, object: &[u8]) {
    lines.extend_from_slice(format!(r#"{{"type":"{event}","object":"#).as_bytes());
    lines.extend_from_slice(object);
    lines.extend_from_slice(b"}\n");
}
