//! The objects of one resource and what recently happened to them.

use std::{
    collections::{BTreeMap, VecDeque, btree_map::Entry},
    ops::Bound,
    sync::Arc,
};

use serde_json::Value;
use tokio::sync::watch;

use super::Object;

/// How many changes a watch may lag behind, and a continued list look back.
const REMEMBERED: usize = 2048;

/// Where an object is; `namespace` is empty for those of the whole cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
}

impl Key {
    pub(crate) fn of(object: &Value) -> Self {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().into();
        Self { namespace: text("namespace"), name: text("name") }
    }
}

/// One write: the object before (`None`: created by it) and after (`gone`: its last state).
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Object>>,
    pub(crate) after: Arc<Object>,
    pub(crate) gone: bool,
}

/// The state of the past that a list goes on with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past<'a> {
    pub(crate) version: u64,
    pub(crate) after: Option<&'a Key>,
}

#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) items: Vec<Arc<Object>>,
    /// The key of the last item.
    pub(crate) last: Option<Key>,
    /// Objects after this page, before any selection.
    pub(crate) remaining: usize,
    pub(crate) version: u64,
}

pub(super) struct Collection {
    objects: BTreeMap<Key, Arc<Object>>,
    history: VecDeque<Change>,
    /// The version up to which changes are forgotten.
    forgotten: u64,
    writes: watch::Sender<u64>,
}

impl Collection {
    pub(super) fn new(forgotten: u64) -> Self {
        Self {
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            forgotten,
            writes: watch::Sender::new(forgotten),
        }
    }

    /// Puts back what a file held.
    pub(super) fn load(&mut self, key: Key, object: Object) {
        self.objects.insert(key, Arc::new(object));
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.objects.get(key).cloned()
    }

    pub(super) fn writes(&self) -> watch::Receiver<u64> {
        self.writes.subscribe()
    }

    pub(super) fn last_write(&self) -> u64 {
        *self.writes.borrow()
    }

    pub(super) fn write(&mut self, key: Key, after: Arc<Object>, stays: bool) {
        let before = match (self.objects.entry(key.clone()), stays) {
            (Entry::Occupied(mut it), true) => Some(it.insert(after.clone())),
            (Entry::Occupied(it), false) => Some(it.remove()),
            (Entry::Vacant(it), true) => {
                it.insert(after.clone());
                None
            }
            (Entry::Vacant(_), false) => None,
        };
        if self.history.len() == REMEMBERED
            && let Some(oldest) = self.history.pop_front()
        {
            self.forgotten = oldest.after.version;
        }
        self.writes.send_replace(after.version);
        self.history.push_back(Change { key, before, after, gone: !stays });
    }

    pub(super) fn changes(&self, since: u64, limit: usize) -> Option<Vec<Change>> {
        (since >= self.forgotten).then(|| self.since(since).take(limit).cloned().collect())
    }

    pub(super) fn objects(
        &self,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = (&Key, &Arc<Object>)> {
        self.after(namespace, None)
    }

    /// `None` when the past that is asked for is forgotten.
    pub(super) fn page(
        &self,
        now: u64,
        namespace: Option<&str>,
        past: Option<Past<'_>>,
        limit: usize,
        wanted: &dyn Fn(&Value) -> bool,
    ) -> Option<Page> {
        let Some(past) = past else {
            return Some(fill(self.objects(namespace), now, limit, wanted));
        };
        if past.version < self.forgotten {
            return None;
        }
        // The state of then: the present, where the first change since then does not say otherwise.
        let mut then: BTreeMap<&Key, Option<&Arc<Object>>> = BTreeMap::new();
        for change in self.since(past.version) {
            then.entry(&change.key).or_insert(change.before.as_ref());
        }
        if then.is_empty() {
            let objects = self.after(namespace, past.after);
            return Some(fill(objects, past.version, limit, wanted));
        }
        let present = self.after(namespace, past.after).filter(|(key, _)| !then.contains_key(key));
        let former =
            then.iter().filter_map(|(key, object)| Some((*key, (*object)?))).filter(|(key, _)| {
                namespace.is_none_or(|it| *it == *key.namespace)
                    && past.after.is_none_or(|after| *key > after)
            });
        let mut objects: Vec<_> = present.chain(former).collect();
        objects.sort_unstable_by_key(|(key, _)| *key);
        Some(fill(objects.into_iter(), past.version, limit, wanted))
    }

    fn after(
        &self,
        namespace: Option<&str>,
        after: Option<&Key>,
    ) -> impl Iterator<Item = (&Key, &Arc<Object>)> {
        let start = match (after, namespace) {
            (Some(key), _) => Bound::Excluded(key.clone()),
            (None, Some(namespace)) => {
                Bound::Included(Key { namespace: namespace.into(), name: "".into() })
            }
            (None, None) => Bound::Unbounded,
        };
        self.objects
            .range((start, Bound::Unbounded))
            .take_while(move |(key, _)| namespace.is_none_or(|it| *it == *key.namespace))
    }

    fn since(&self, version: u64) -> impl Iterator<Item = &Change> {
        let start = self.history.partition_point(|it| it.after.version <= version);
        self.history.range(start..)
    }
}

fn fill<'a>(
    mut objects: impl Iterator<Item = (&'a Key, &'a Arc<Object>)>,
    version: u64,
    limit: usize,
    wanted: &dyn Fn(&Value) -> bool,
) -> Page {
    let mut page = Page { version, ..Page::default() };
    while page.items.len() < limit {
        let Some((key, object)) = objects.next() else { return page };
        if wanted(&object.value) {
            page.items.push(object.clone());
            page.last = Some(key.clone());
        }
    }
    page.remaining = objects.count();
    page
}
