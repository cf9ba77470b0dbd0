//! Deletes what has no owner any more, and lets owners go when their dependents are dealt with.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use kube::{
    api::{DeleteParams, Patch, PatchParams, Preconditions, PropagationPolicy},
    client::Client,
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    LocalKube,
    jobs::TRACKING,
    kinds::Kind,
    store::{Change, Key, Object},
};

/// When to look again at what could not be done.
const RETRY: Duration = Duration::from_secs(1);

/// One object: its resource and where it is.
type Node = (Arc<str>, Key);

pub(crate) async fn run(kube: &LocalKube) {
    let mut garbage = Garbage {
        client: kube.client(),
        kube: kube.clone(),
        positions: HashMap::new(),
        dependents: HashMap::new(),
        queue: HashSet::new(),
    };
    let mut writes = kube.store().any_write();
    loop {
        writes.mark_unchanged();
        garbage.follow();
        let failed = garbage.work().await;
        let waiting = writes.changed();
        if failed.is_empty() {
            if waiting.await.is_err() {
                return;
            }
        } else {
            garbage.queue.extend(failed);
            // A write may be what is waited for; else time is.
            let _ = timeout(RETRY, waiting).await;
        }
    }
}

struct Garbage {
    client: Client,
    kube: LocalKube,
    /// The version up to which each resource has been looked at.
    positions: HashMap<Arc<str>, u64>,
    /// By the uid of the owner.
    dependents: HashMap<String, BTreeSet<Node>>,
    queue: HashSet<Node>,
}

/// What is known of an owner that an object names.
enum Owner {
    Solid,
    /// It waits for its dependents to go first.
    Waiting,
    Gone,
}

impl Garbage {
    /// Takes in what was written since the last time.
    fn follow(&mut self) {
        for (resource, last) in self.kube.store().resources() {
            let position = self.positions.get(&resource).copied();
            if position.is_some_and(|it| it >= last) {
                continue;
            }
            match position.and_then(|it| self.kube.store().changes(&resource, it, usize::MAX)) {
                Some(changes) => changes.iter().for_each(|it| self.take_in(&resource, it)),
                None => {
                    for object in self.kube.store().all(&resource, None) {
                        self.add((resource.clone(), Key::of(&object.value)), &object);
                    }
                }
            }
            self.positions.insert(resource, last);
        }
    }

    fn take_in(&mut self, resource: &Arc<str>, change: &Change) {
        let node = (resource.clone(), change.key.clone());
        for owner in change.before.iter().flat_map(|it| owners(&it.value)) {
            let uid = text(&owner["uid"]);
            if let Some(dependents) = self.dependents.get_mut(uid) {
                dependents.remove(&node);
                if dependents.is_empty() {
                    self.dependents.remove(uid);
                }
            }
        }
        if !change.gone {
            self.add(node, &change.after);
            return;
        }
        let uid = text(&change.after.value["metadata"]["uid"]);
        self.queue.extend(self.dependents.get(uid).into_iter().flatten().cloned());
        // Tokens are no objects, and yet a ServiceAccount's own.
        self.kube.users().forget(uid);
        // The owner may have waited for this one.
        let owners = owners(&change.after.value).iter();
        let owners: Vec<Node> = owners.filter_map(|it| self.owner(&change.key, it)).collect();
        self.queue.extend(owners);
    }

    fn add(&mut self, node: Node, object: &Object) {
        let owners = owners(&object.value);
        for owner in owners {
            let dependents = self.dependents.entry(text(&owner["uid"]).to_owned()).or_default();
            dependents.insert(node.clone());
        }
        let deleting = !object.value["metadata"]["deletionTimestamp"].is_null();
        if !owners.is_empty() || deleting {
            self.queue.insert(node);
        }
    }

    /// Deals with what is queued, and returns what could not be dealt with.
    async fn work(&mut self) -> Vec<Node> {
        let mut failed = Vec::new();
        for node in std::mem::take(&mut self.queue) {
            if let Err(error) = self.deal_with(&node).await {
                tracing::debug!(resource = %node.0, name = %node.1.name, %error, "garbage collection");
                failed.push(node);
            }
        }
        failed
    }

    async fn deal_with(&self, node: &Node) -> kube::Result<()> {
        let Some(object) = self.kube.store().get(&node.0, &node.1) else { return Ok(()) };
        let metadata = &object.value["metadata"];
        let deleting = !metadata["deletionTimestamp"].is_null();
        let has = |finalizer: &str| {
            metadata["finalizers"]
                .as_array()
                .is_some_and(|it| it.iter().any(|one| one == finalizer))
        };
        let counts = |owner: &Value| {
            owner["kind"] == "Job" && !matches!(self.state_of(&node.1, owner), Owner::Gone)
        };
        if has(TRACKING) && !owners(&object.value).iter().any(counts) {
            return self.drop_finalizer(node, &object, TRACKING).await;
        }
        if deleting && has("orphan") {
            for dependent in self.dependents_of(metadata) {
                self.disown(&dependent, &[text(&metadata["uid"])]).await?;
            }
            return self.drop_finalizer(node, &object, "orphan").await;
        }
        if deleting && has("foregroundDeletion") {
            return self.delete_dependents_first(node, &object).await;
        }
        if deleting || owners(&object.value).is_empty() {
            return Ok(());
        }
        let mut gone = Vec::new();
        let (mut solid, mut waiting) = (false, false);
        for owner in owners(&object.value) {
            match self.state_of(&node.1, owner) {
                Owner::Solid => solid = true,
                Owner::Waiting => waiting = true,
                Owner::Gone => gone.push(text(&owner["uid"])),
            }
        }
        match (solid, waiting) {
            (true, _) if gone.is_empty() => Ok(()),
            (true, _) => self.disown(node, &gone).await,
            (false, true) => self.delete(node, &object, PropagationPolicy::Foreground).await,
            (false, false) if has("orphan") => {
                self.delete(node, &object, PropagationPolicy::Orphan).await
            }
            (false, false) => self.delete(node, &object, PropagationPolicy::Background).await,
        }
    }

    async fn delete_dependents_first(&self, node: &Node, object: &Object) -> kube::Result<()> {
        let uid = text(&object.value["metadata"]["uid"]);
        let mut blocked = false;
        for dependent in self.dependents_of(&object.value["metadata"]) {
            let Some(stored) = self.kube.store().get(&dependent.0, &dependent.1) else { continue };
            let reference = owners(&stored.value).iter().find(|it| it["uid"] == uid);
            blocked |= reference.is_some_and(|it| it["blockOwnerDeletion"] == true);
            let others = owners(&stored.value).iter().filter(|it| it["uid"] != uid);
            let kept = others
                .into_iter()
                .any(|it| matches!(self.state_of(&dependent.1, it), Owner::Solid));
            if kept {
                self.disown(&dependent, &[uid]).await?;
            } else if stored.value["metadata"]["deletionTimestamp"].is_null() {
                self.delete(&dependent, &stored, PropagationPolicy::Foreground).await?;
            }
        }
        match blocked {
            true => Ok(()),
            false => self.drop_finalizer(node, object, "foregroundDeletion").await,
        }
    }

    fn dependents_of(&self, metadata: &Value) -> Vec<Node> {
        let dependents = self.dependents.get(text(&metadata["uid"]));
        dependents.into_iter().flatten().cloned().collect()
    }

    /// Where the owner would be that an object at `key` names; `None` if nothing serves its kind.
    fn owner(&self, key: &Key, owner: &Value) -> Option<Node> {
        let kinds = self.kube.kinds();
        let kind = kinds.of_object(text(&owner["apiVersion"]), text(&owner["kind"]))?;
        let namespace = if kind.namespaced { key.namespace.clone() } else { "".into() };
        Some((kind.resource.as_str().into(), Key { namespace, name: text(&owner["name"]).into() }))
    }

    fn state_of(&self, key: &Key, owner: &Value) -> Owner {
        // Without the kind nobody can say that the owner is gone.
        let Some((resource, place)) = self.owner(key, owner) else { return Owner::Solid };
        match self.kube.store().get(&resource, &place) {
            Some(stored) if stored.value["metadata"]["uid"] == owner["uid"] => {
                let metadata = &stored.value["metadata"];
                let finalizers = metadata["finalizers"].as_array();
                let waits =
                    finalizers.is_some_and(|it| it.iter().any(|one| one == "foregroundDeletion"));
                match waits && !metadata["deletionTimestamp"].is_null() {
                    true => Owner::Waiting,
                    false => Owner::Solid,
                }
            }
            _ => Owner::Gone,
        }
    }

    async fn delete(
        &self,
        node: &Node,
        object: &Object,
        policy: PropagationPolicy,
    ) -> kube::Result<()> {
        let Some(kind) = self.kind(node) else { return Ok(()) };
        let uid = object.value["metadata"]["uid"].as_str().map(str::to_owned);
        let params = DeleteParams {
            preconditions: Some(Preconditions { uid, resource_version: None }),
            propagation_policy: Some(policy),
            ..DeleteParams::default()
        };
        let api = kind.api(&self.client, &node.1.namespace);
        gone_is_fine(api.delete(&node.1.name, &params).await.map(|_| ()))
    }

    async fn disown(&self, node: &Node, uids: &[&str]) -> kube::Result<()> {
        let Some(object) = self.kube.store().get(&node.0, &node.1) else { return Ok(()) };
        let kept: Vec<&Value> =
            owners(&object.value).iter().filter(|it| !uids.contains(&text(&it["uid"]))).collect();
        self.patch(node, &object, json!({"ownerReferences": kept})).await
    }

    async fn drop_finalizer(
        &self,
        node: &Node,
        object: &Object,
        finalizer: &str,
    ) -> kube::Result<()> {
        let finalizers = object.value["metadata"]["finalizers"].as_array().into_iter().flatten();
        let kept: Vec<&Value> = finalizers.filter(|it| *it != finalizer).collect();
        self.patch(node, object, json!({"finalizers": kept})).await
    }

    async fn patch(&self, node: &Node, object: &Object, mut metadata: Value) -> kube::Result<()> {
        let Some(kind) = self.kind(node) else { return Ok(()) };
        metadata["resourceVersion"] = object.version.to_string().into();
        metadata["uid"] = object.value["metadata"]["uid"].clone();
        let patch = Patch::Merge(json!({"metadata": metadata}));
        let api = kind.api(&self.client, &node.1.namespace);
        gone_is_fine(
            api.patch_metadata(&node.1.name, &PatchParams::default(), &patch).await.map(|_| ()),
        )
    }

    fn kind(&self, node: &Node) -> Option<Arc<Kind>> {
        self.kube.kinds().resources().find(|kind| *kind.resource == *node.0).cloned()
    }
}

fn gone_is_fine(result: kube::Result<()>) -> kube::Result<()> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        result => result,
    }
}

fn owners(object: &Value) -> &[Value] {
    object["metadata"]["ownerReferences"].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
