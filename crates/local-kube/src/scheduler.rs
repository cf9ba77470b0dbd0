//! Binds Pods to Nodes while the room on them lasts, and says why where it does not.

mod fit;
mod selection;

use std::collections::{BTreeMap, HashMap};

use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Node, ObjectReference, Pod, PodCondition},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};

use self::fit::{Amounts, Machine, requests};
use crate::{
    events::{Kind, Recorder, Source},
    watched::Watched,
};

const NAME: &str = "default-scheduler";

/// Schedules until dropped.
pub(crate) async fn run(client: Client) {
    let recorder = |action| {
        let source = Source { component: NAME, host: None, action: Some(action) };
        Recorder::new(client.clone(), source)
    };
    let mut scheduler = Scheduler {
        binding: recorder("Binding"),
        scheduling: recorder("Scheduling"),
        client: client.clone(),
        machines: BTreeMap::new(),
        placed: HashMap::new(),
        pending: HashMap::new(),
        pods_listed: false,
        nodes_listed: false,
        news: false,
        room: false,
    };
    let config = watcher::Config::default;
    let mut pods =
        watcher(Api::<Watched<Pod>>::all(client.clone()), config()).default_backoff().boxed();
    let mut nodes = watcher(Api::<Watched<Node>>::all(client), config()).default_backoff().boxed();
    loop {
        tokio::select! {
            Some(change) = pods.next() => scheduler.take_pod(change),
            Some(change) = nodes.next() => scheduler.take_node(change),
            else => return,
        }
        // What has already arrived is taken note of before anything is decided.
        while let Some(Some(change)) = pods.next().now_or_never() {
            scheduler.take_pod(change);
        }
        scheduler.schedule().await;
    }
}

struct Scheduler {
    client: Client,
    binding: Recorder,
    scheduling: Recorder,
    machines: BTreeMap<String, Machine>,
    /// Which Pod, by uid, takes what of which Node.
    placed: HashMap<String, (String, Amounts)>,
    pending: HashMap<String, Pending>,
    /// Whether all Pods and all Nodes are known: nothing is judged before.
    pods_listed: bool,
    nodes_listed: bool,
    /// Whether a Pod has come, or room, since the last look.
    news: bool,
    room: bool,
}

struct Pending {
    pod: Pod,
    /// Why it was left, when it was last looked at.
    left: Option<Left>,
}

#[derive(Clone, PartialEq)]
struct Left {
    reason: &'static str,
    message: String,
}

impl Scheduler {
    fn take_pod(&mut self, change: watcher::Result<watcher::Event<Watched<Pod>>>) {
        match change {
            Ok(watcher::Event::Init) => {
                self.pods_listed = false;
                self.placed.clear();
                self.pending.clear();
                self.machines.values_mut().for_each(Machine::clear);
            }
            Ok(watcher::Event::InitApply(pod) | watcher::Event::Apply(pod)) => self.know(pod.0),
            Ok(watcher::Event::Delete(pod)) => self.forget(&pod.uid().unwrap_or_default()),
            Ok(watcher::Event::InitDone) => (self.pods_listed, self.room) = (true, true),
            Err(error) => tracing::warn!(%error, "Pods cannot be watched"),
        }
    }

    fn take_node(&mut self, change: watcher::Result<watcher::Event<Watched<Node>>>) {
        match change {
            Ok(watcher::Event::Init) => {
                self.nodes_listed = false;
                self.machines.clear();
            }
            Ok(watcher::Event::InitApply(Watched(node)) | watcher::Event::Apply(Watched(node))) => {
                let name = node.name_any();
                let mut machine = Machine::new(node);
                for (_, amounts) in self.placed.values().filter(|(node, _)| *node == name) {
                    machine.take(amounts);
                }
                // A heartbeat changes nothing.
                self.room |= self.machines.get(&name).is_none_or(|known| !known.offers(&machine));
                self.machines.insert(name, machine);
            }
            Ok(watcher::Event::Delete(node)) => drop(self.machines.remove(&node.name_any())),
            Ok(watcher::Event::InitDone) => (self.nodes_listed, self.room) = (true, true),
            Err(error) => tracing::warn!(%error, "Nodes cannot be watched"),
        }
    }

    fn know(&mut self, pod: Pod) {
        let uid = pod.uid().unwrap_or_default();
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        if matches!(phase, Some("Succeeded" | "Failed")) {
            return self.forget(&uid);
        }
        let Some(spec) = &pod.spec else { return };
        if let Some(node) = spec.node_name.clone().filter(|node| !node.is_empty()) {
            self.pending.remove(&uid);
            self.place(uid, node, requests(&pod));
        } else if pod.metadata.deletion_timestamp.is_some() {
            self.forget(&uid);
        } else if spec.scheduler_name.as_deref().is_none_or(|name| name == NAME)
            && !self.placed.contains_key(&uid)
        {
            let before = self.pending.remove(&uid);
            // What it asks for can change only while it is held by a gate.
            let changed = before.as_ref().is_none_or(|before| before.pod.spec != pod.spec);
            self.news |= changed;
            let left = before.and_then(|before| before.left).filter(|_| !changed);
            self.pending.insert(uid, Pending { pod, left });
        }
    }

    fn place(&mut self, uid: String, node: String, amounts: Amounts) {
        if self.placed.contains_key(&uid) {
            return;
        }
        if let Some(machine) = self.machines.get_mut(&node) {
            machine.take(&amounts);
        }
        self.placed.insert(uid, (node, amounts));
    }

    fn forget(&mut self, uid: &str) {
        self.pending.remove(uid);
        if let Some((node, amounts)) = self.placed.remove(uid) {
            if let Some(machine) = self.machines.get_mut(&node) {
                machine.give_back(&amounts);
            }
            self.room = true;
        }
    }

    /// Looks at the Pods that wait: at all when room has come, else at those not looked at yet.
    async fn schedule(&mut self) {
        if !(self.pods_listed && self.nodes_listed) {
            return;
        }
        let room = std::mem::take(&mut self.room);
        if !(std::mem::take(&mut self.news) || room) {
            return;
        }
        let due = self.pending.iter().filter(|(_, pending)| room || pending.left.is_none());
        let mut due: Vec<(_, String)> = due
            .map(|(uid, Pending { pod, .. })| {
                let priority = pod.spec.as_ref().and_then(|spec| spec.priority).unwrap_or(0);
                ((-i64::from(priority), pod.creation_timestamp(), pod.name_any()), uid.clone())
            })
            .collect();
        due.sort();
        for (_, uid) in due {
            let Some(Pending { pod, left: before }) = self.pending.get(&uid) else { continue };
            let (pod, before) = (pod.clone(), before.clone());
            match self.choose(&pod) {
                Ok(node) => {
                    if self.bind(&pod, &node).await {
                        self.pending.remove(&uid);
                        self.place(uid, node, requests(&pod));
                    }
                }
                Err(left) if before.as_ref() == Some(&left) => {}
                Err(left) => {
                    self.leave(&pod, &left).await;
                    if let Some(pending) = self.pending.get_mut(&uid) {
                        pending.left = Some(left);
                    }
                }
            }
        }
    }

    /// The Node with the most room among those that fit.
    fn choose(&self, pod: &Pod) -> Result<String, Left> {
        let gates = pod.spec.as_ref().and_then(|spec| spec.scheduling_gates.as_ref());
        if gates.is_some_and(|gates| !gates.is_empty()) {
            let message = "Scheduling is blocked due to non-empty scheduling gates".to_owned();
            return Err(Left { reason: "SchedulingGated", message });
        }
        let wanted = requests(pod);
        let mut fitting = Vec::new();
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for (name, machine) in &self.machines {
            let against = machine.against(pod, &wanted);
            if against.is_empty() {
                fitting.push((std::cmp::Reverse(machine.free("cpu")), name));
            }
            for reason in against {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        fitting.sort();
        if let Some((_, name)) = fitting.first() {
            return Ok((*name).clone());
        }
        let message = if self.machines.is_empty() {
            "no nodes available to schedule pods".to_owned()
        } else {
            let mut counted: Vec<String> =
                reasons.into_iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            counted.sort();
            format!("0/{} nodes are available: {}.", self.machines.len(), counted.join(", "))
        };
        Err(Left { reason: "Unschedulable", message })
    }

    async fn bind(&mut self, pod: &Pod, node: &str) -> bool {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": { "name": name, "namespace": namespace, "uid": pod.uid() },
            "target": { "apiVersion": "v1", "kind": "Node", "name": node },
        });
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
        let params = PostParams::default();
        let bound: kube::Result<Value> =
            pods.create_subresource("binding", &name, &params, &binding).await;
        match bound {
            Ok(_) => {
                let message = format!("Successfully assigned {namespace}/{name} to {node}");
                self.binding.say(&reference(pod), Kind::Normal, "Scheduled", message);
                true
            }
            // It has gone, or another has bound it: the watch will tell.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => false,
            Err(error) => {
                tracing::warn!(%error, pod = name, "a Pod could not be bound");
                self.room = true;
                false
            }
        }
    }

    /// Says on the Pod why it waits.
    async fn leave(&self, pod: &Pod, left: &Left) {
        if left.reason == "Unschedulable" {
            let message = left.message.clone();
            self.scheduling.say(&reference(pod), Kind::Warning, "FailedScheduling", message);
        }
        let known = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let mut conditions: Vec<PodCondition> =
            known.filter(|condition| condition.type_ != "PodScheduled").cloned().collect();
        conditions.push(PodCondition {
            type_: "PodScheduled".into(),
            status: "False".into(),
            reason: Some(left.reason.into()),
            message: Some(left.message.clone()),
            last_transition_time: Some(Time(Timestamp::now())),
            ..PodCondition::default()
        });
        let pods: Api<Pod> =
            Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let patch = json!({
            "metadata": { "uid": pod.uid() },
            "status": { "conditions": conditions },
        });
        let patch = Patch::Merge(patch);
        match pods.patch_status(&pod.name_any(), &PatchParams::default(), &patch).await {
            Ok(_) => {}
            // It has gone, perhaps with another of its name in its place.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => {}
            Err(error) => tracing::warn!(%error, "a Pod's condition could not be written"),
        }
    }
}

fn reference(pod: &Pod) -> ObjectReference {
    pod.object_ref(&())
}
