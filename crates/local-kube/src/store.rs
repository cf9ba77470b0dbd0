//! The objects of the cluster: in memory for reading, in SQLite for surviving.

mod collection;
mod file;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use self::collection::Collection;
pub(crate) use self::{
    collection::{Change, Key, Page, Past},
    file::File,
};

/// One state of one object. `json` is `value` as it is sent and stored.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) value: Value,
    pub(crate) json: Bytes,
    pub(crate) version: u64,
}

impl Object {
    /// What a dry run would have stored.
    pub(crate) fn unstored(value: Value) -> Self {
        let json = Bytes::from(value.to_string());
        Self { value, json, version: 0 }
    }
}

/// What must be true of the stored object for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    Absent,
    Version(u64),
}

/// Why a write did not happen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// The stored object is not the expected one.
    #[error("the object changed meanwhile")]
    Race,
    #[error("state file: {0}")]
    File(#[from] rusqlite::Error),
}

/// All objects by resource (`trainjobs.trainer.kubeflow.org`, `pods`), with the recent past.
pub(crate) struct Store {
    inner: Mutex<Inner>,
    version: watch::Sender<u64>,
}

struct Inner {
    file: File,
    version: u64,
    opened_at: u64,
    collections: HashMap<Arc<str>, Collection>,
}

impl Store {
    pub(crate) fn open(file: File) -> Result<Self, rusqlite::Error> {
        let version = file.version()?;
        let mut inner = Inner { file, version, opened_at: version, collections: HashMap::new() };
        for (resource, key, object) in inner.file.objects()? {
            inner.collection(&resource).load(key, object);
        }
        Ok(Self { inner: Mutex::new(inner), version: watch::Sender::new(version) })
    }

    /// The version of the last write.
    pub(crate) fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// Wakes on every write, whatever its resource.
    pub(crate) fn any_write(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// The resources that have objects or had some, each with the version of its last write.
    pub(crate) fn resources(&self) -> Vec<(Arc<str>, u64)> {
        let inner = self.lock();
        inner.collections.iter().map(|(name, it)| (name.clone(), it.last_write())).collect()
    }

    pub(crate) fn get(&self, resource: &str, key: &Key) -> Option<Arc<Object>> {
        self.lock().collections.get(resource)?.get(key)
    }

    /// The objects after `after` in the order of keys, as they are now or were at a version.
    pub(crate) fn page(
        &self,
        resource: &str,
        namespace: Option<&str>,
        past: Option<Past<'_>>,
        limit: usize,
        wanted: &dyn Fn(&Value) -> bool,
    ) -> Option<Page> {
        let inner = self.lock();
        let Some(collection) = inner.collections.get(resource) else {
            return Some(Page { version: inner.version, ..Page::default() });
        };
        collection.page(inner.version, namespace, past, limit, wanted)
    }

    /// Every object of the resource, in the order of keys.
    pub(crate) fn all(&self, resource: &str, namespace: Option<&str>) -> Vec<Arc<Object>> {
        let page = self.page(resource, namespace, None, usize::MAX, &|_| true);
        page.map(|page| page.items).unwrap_or_default()
    }

    /// Has everybody who waits for a write look again.
    pub(crate) fn touch(&self) {
        self.version.send_modify(|_| ());
    }

    /// What was written after `since`, oldest first, at most `limit`; `None` when that is forgotten.
    pub(crate) fn changes(&self, resource: &str, since: u64, limit: usize) -> Option<Vec<Change>> {
        let mut inner = self.lock();
        inner.collection(resource).changes(since, limit)
    }

    /// Wakes on writes to one resource.
    pub(crate) fn writes(&self, resource: &str) -> watch::Receiver<u64> {
        self.lock().collection(resource).writes()
    }

    /// Looks at several resources at one moment.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        look(&View(&self.lock().collections))
    }

    /// Stores an object under the next version, which it is given.
    pub(crate) fn put(
        &self,
        resource: &str,
        key: &Key,
        value: Value,
        expect: Expect,
    ) -> Result<Arc<Object>, Lost> {
        self.put_if(resource, key, value, expect, |_, _| Ok::<_, Lost>(()))
    }

    /// As `put`, when `check` agrees. Nothing is written between its look at the store and the write.
    pub(crate) fn put_if<E: From<Lost>>(
        &self,
        resource: &str,
        key: &Key,
        value: Value,
        expect: Expect,
        check: impl FnOnce(&View<'_>, &Value) -> Result<(), E>,
    ) -> Result<Arc<Object>, E> {
        let mut inner = self.lock();
        inner.expect(resource, key, expect)?;
        check(&View(&inner.collections), &value)?;
        let object = Arc::new(stamped(value, inner.version + 1));
        inner.file.put(resource, key, &object).map_err(Lost::from)?;
        inner.write(resource, key, object.clone(), true);
        self.version.send_replace(inner.version);
        Ok(object)
    }

    /// Removes an object. Its last state carries the version of the removal.
    pub(crate) fn remove(
        &self,
        resource: &str,
        key: &Key,
        last: Value,
        version: u64,
    ) -> Result<Arc<Object>, Lost> {
        let mut inner = self.lock();
        inner.expect(resource, key, Expect::Version(version))?;
        let object = Arc::new(stamped(last, inner.version + 1));
        inner.file.remove(resource, key, object.version)?;
        inner.write(resource, key, object.clone(), false);
        self.version.send_replace(inner.version);
        Ok(object)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every write changes the memory last and at once, so a panic leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store at one moment.
pub(crate) struct View<'a>(&'a HashMap<Arc<str>, Collection>);

impl View<'_> {
    pub(crate) fn objects<'v>(
        &'v self,
        resource: &str,
        namespace: &'v str,
    ) -> impl Iterator<Item = &'v Value> {
        let objects = self.0.get(resource).map(|it| it.objects(Some(namespace)));
        objects.into_iter().flatten().map(|(_, object)| &object.value)
    }
}

impl Inner {
    fn collection(&mut self, resource: &str) -> &mut Collection {
        if !self.collections.contains_key(resource) {
            self.collections.insert(resource.into(), Collection::new(self.opened_at));
        }
        self.collections.get_mut(resource).expect("inserted above when it was missing")
    }

    fn expect(&mut self, resource: &str, key: &Key, expect: Expect) -> Result<(), Lost> {
        let stored = self.collection(resource).get(key).map(|it| it.version);
        match expect {
            Expect::Absent if stored.is_none() => Ok(()),
            Expect::Version(version) if stored == Some(version) => Ok(()),
            _ => Err(Lost::Race),
        }
    }

    fn write(&mut self, resource: &str, key: &Key, object: Arc<Object>, stays: bool) {
        self.version = object.version;
        self.collection(resource).write(key.clone(), object, stays);
    }
}

fn stamped(mut value: Value, version: u64) -> Object {
    value["metadata"]["resourceVersion"] = version.to_string().into();
    let json = Bytes::from(value.to_string());
    Object { value, json, version }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(name: &str) -> Key {
        Key { namespace: "a".into(), name: name.into() }
    }

    fn names(page: &Page) -> Vec<&str> {
        page.items.iter().filter_map(|it| it.value["metadata"]["name"].as_str()).collect()
    }

    #[test]
    fn a_reopened_file_has_the_objects_and_counts_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let store = Store::open(File::at(&path).unwrap()).unwrap();
        let put = |name| store.put("pods", &key(name), json!({"metadata": {}}), Expect::Absent);
        put("x").unwrap();
        let gone = put("y").unwrap();
        store.remove("pods", &key("y"), gone.value.clone(), gone.version).unwrap();
        drop(store);

        let store = Store::open(File::at(&path).unwrap()).unwrap();
        assert_eq!((store.version(), store.all("pods", None).len()), (3, 1));
        assert!(store.changes("pods", 2, 9).is_none(), "the past of a closed file is forgotten");
    }

    #[test]
    fn a_page_shows_the_version_that_it_is_pinned_to() {
        let store = Store::open(File::in_memory().unwrap()).unwrap();
        let put = |name: &str, expect| {
            store.put("pods", &key(name), json!({"metadata": {"name": name}}), expect).unwrap()
        };
        for name in ["a", "b", "c"] {
            put(name, Expect::Absent);
        }
        let pinned = store.version();
        let c = store.get("pods", &key("c")).unwrap();
        store.remove("pods", &key("c"), c.value.clone(), c.version).unwrap();
        put("bb", Expect::Absent);

        let a = key("a");
        let past = Past { version: pinned, after: Some(&a) };
        let page = store.page("pods", Some("a"), Some(past), 1, &|_| true).unwrap();
        assert_eq!((names(&page), page.remaining), (vec!["b"], 1));
        let b = key("b");
        let past = Past { version: pinned, after: Some(&b) };
        let page = store.page("pods", Some("a"), Some(past), 9, &|_| true).unwrap();
        assert_eq!((names(&page), page.remaining), (vec!["c"], 0));
    }
}
