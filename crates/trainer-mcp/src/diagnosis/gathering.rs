//! Reads what a diagnosis looks at, in few requests: more is only asked for where it can matter.

use std::{fmt::Debug, time::Duration};

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        batch::v1::Job,
        core::v1::{Event, Node, PersistentVolumeClaim, Pod, ResourceQuota},
    },
};
use kube::{
    Api, ResourceExt as _,
    api::{GetParams, ListParams},
    core::Request,
};
use kubeflow_mcp_core::{Caller, Error, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;
use workloads::{
    logs::{self, Line},
    pods::{Member, Trouble},
    train_job::{
        GROUP, TrainJob,
        phase::{Phase, QUEUE_LABEL},
        steps,
    },
};

use super::snapshot::{Exit, PodLog, Presence, Rank, Snapshot};
use crate::{events, logs::CONTAINER};

pub(super) const JOB_SETS: Resource = Resource::namespaced("jobset.x-k8s.io", "jobsets");
pub(super) const CLAIMS: Resource = Resource::namespaced("", "persistentvolumeclaims");
pub(super) const WORKLOADS: Resource = Resource::namespaced("kueue.x-k8s.io", "workloads");
pub(super) const QUEUES: Resource = Resource::namespaced("kueue.x-k8s.io", "localqueues");

/// Those that failed first; what others print follows from it.
const LOGS: usize = 4;
/// Nodes that do not answer have nothing to tell.
const LOG_WITHIN: Duration = Duration::from_secs(10);
/// Nodes are only asked what they have.
const MOST_NODES: u32 = 5_000;
/// Clusters serve one or both.
const KUEUE_VERSIONS: [&str; 2] = ["v1beta1", "v1beta2"];

/// What a request gave.
enum Seen<T> {
    Found(T),
    Missing,
    /// Why it is not known.
    Unseen(String),
}

/// Collects what could not be read.
struct Gathering<'a> {
    caller: &'a Caller,
    namespace: String,
    job: TrainJob,
    unseen: Vec<String>,
}

/// A log that is to be read.
struct Wanted<'a> {
    rank: Rank<'a>,
    container: String,
    previous: bool,
    /// When a container ended that may have been started again meanwhile.
    ended: Option<Timestamp>,
}

pub(super) async fn gather(caller: &Caller, job: TrainJob) -> Snapshot {
    let namespace = job.namespace().unwrap_or_default();
    Gathering { caller, namespace, job, unseen: Vec::new() }.snapshot().await
}

impl Gathering<'_> {
    async fn snapshot(mut self) -> Snapshot {
        let name = self.job.name_any();
        let selected = ListParams::default().labels(&steps::selector(&name));
        let (pods, events, job_set, jobs) = futures::join!(
            self.list::<Pod>(&selected),
            events::telling(self.caller, &self.job),
            self.named(JOB_SETS, "v1alpha2", &name),
            self.list::<Job>(&selected),
        );
        let events = match events {
            Ok(found) => {
                if !found.complete {
                    let beyond = format!("events: only {} were looked at", found.looked_at);
                    self.unseen.push(beyond);
                }
                found.events
            }
            Err(error) => self.note("events", &error),
        };
        let mut snapshot = Snapshot {
            now: Timestamp::now(),
            pods: self.known("pods", pods).unwrap_or_default(),
            events,
            job_set: self.known("jobsets", job_set),
            jobs: self.known("jobs", jobs).unwrap_or_default(),
            job: self.job.clone(),
            claims: Vec::new(),
            nodes: None,
            quotas: Vec::new(),
            runtime: Presence::Unknown,
            workload: None,
            queue: Presence::Unknown,
            logs: Vec::new(),
            unseen: Vec::new(),
        };
        // A former job of that name may have left Pods behind.
        snapshot.pods.retain(|it| steps::member(&self.job, it).is_some());
        self.deepen(&mut snapshot).await;
        snapshot.unseen = self.unseen;
        snapshot
    }

    /// What only matters to a job that stands as this one does.
    async fn deepen(&mut self, snapshot: &mut Snapshot) {
        let standing = snapshot.standing();
        let members = snapshot.members();
        match standing.phase {
            Phase::Succeeded => return,
            _ if standing.remote => {
                self.unseen.push("Pods, events and logs: another cluster runs it".to_owned());
                return;
            }
            Phase::Queued => self.ask_queue(snapshot).await,
            _ => {}
        }
        if matches!(
            standing.phase,
            Phase::Queued | Phase::Suspended | Phase::CreationFailed | Phase::NotReconciled
        ) {
            snapshot.runtime = self.runtime().await;
        }
        if members.iter().any(|it| it.state.trouble == Some(Trouble::NotScheduled)) {
            let few = ListParams::default().limit(MOST_NODES);
            let nodes = self.caller.cluster_api::<Node>();
            let nodes = nodes.list(&few);
            let all = ListParams::default();
            let (nodes, claims) = futures::join!(nodes, self.list::<PersistentVolumeClaim>(&all));
            let nodes = seen(nodes.map(|it| it.items));
            snapshot.nodes = self.known("nodes", nodes);
            snapshot.claims = self.known("persistentvolumeclaims", claims).unwrap_or_default();
        }
        let lacks_pods = !snapshot.jobs.is_empty() && members.is_empty();
        if lacks_pods && !standing.phase.is_final() && standing.phase != Phase::Suspended {
            let quotas = self.list::<ResourceQuota>(&ListParams::default()).await;
            snapshot.quotas = self.known("resourcequotas", quotas).unwrap_or_default();
        }
        snapshot.logs = self.logs(snapshot, &members, standing.phase).await;
    }

    /// Of what failed, the first first; of a job that runs, of its first rank.
    async fn logs(&mut self, snapshot: &Snapshot, members: &[Member], phase: Phase) -> Vec<PodLog> {
        let ranks = snapshot.ranks(members);
        let mut failed: Vec<_> = ranks.iter().filter_map(|it| Some((*it, it.exit()?))).collect();
        failed.sort_by_key(|(rank, exit)| (exit.at.is_none(), exit.at, rank.member.index));
        let failed = failed.into_iter().take(LOGS);
        let mut wanted: Vec<_> = failed.map(|(rank, exit)| Wanted::of_exit(rank, exit)).collect();
        let place = steps::place(&self.job, "node-0");
        let first = ranks
            .iter()
            .find(|it| place.as_ref().is_some_and(|place| it.key() == (&place.group, place.index)));
        if let Some(rank) = first.filter(|_| wanted.is_empty() && phase == Phase::Running)
            && let Ok(container) = logs::container(rank.member, CONTAINER)
        {
            let container = container.name.clone();
            wanted.push(Wanted { rank: *rank, container, previous: false, ended: None });
        }
        let api = self.caller.api::<Pod>(Some(&self.namespace));
        let reads = wanted.iter().map(async |it| {
            let late = format!("the node did not answer within {} s", LOG_WITHIN.as_secs());
            match timeout(LOG_WITHIN, it.read(&api)).await {
                Ok(read) => read.map_err(|error| error.to_string()),
                Err(_) => Err(late),
            }
        });
        let mut read = Vec::new();
        for (wanted, log) in wanted.iter().zip(join_all(reads).await) {
            match log {
                Ok(log) => read.push(log),
                Err(error) => {
                    self.unseen.push(format!("log of {}: {error}", wanted.rank.member.pod));
                }
            }
        }
        self.unseen.dedup();
        read
    }

    async fn ask_queue(&mut self, snapshot: &mut Snapshot) {
        let queue = self.job.labels().get(QUEUE_LABEL).cloned().unwrap_or_default();
        let uid = self.job.uid().unwrap_or_default();
        let own = ListParams::default().labels(&format!("kueue.x-k8s.io/job-uid={uid}"));
        for version in KUEUE_VERSIONS {
            let request = Request::new(self.path(WORKLOADS, version)).list(&own);
            let request = request.expect("the path is our own");
            let (workloads, queue) = futures::join!(
                self.caller.client().request::<Value>(request),
                self.named(QUEUES, version, &queue),
            );
            let mut workloads = self.known("workloads", seen(workloads)).unwrap_or_default();
            snapshot.workload = workloads["items"].as_array_mut().and_then(Vec::pop);
            snapshot.queue = match queue {
                Seen::Found(queue) => Presence::Found(queue),
                Seen::Missing => Presence::Missing,
                Seen::Unseen(why) => {
                    self.unseen.push(format!("localqueues: {why}"));
                    Presence::Unknown
                }
            };
            // A version that is not served has nothing; perhaps the other is.
            if snapshot.workload.is_some() || snapshot.queue != Presence::Missing {
                return;
            }
        }
    }

    async fn runtime(&mut self) -> Presence {
        let reference = &self.job.spec.runtime_ref;
        let own = reference.kind.as_deref() == Some("TrainingRuntime");
        let path = match own {
            true => {
                format!("/apis/{GROUP}/v1alpha1/namespaces/{}/trainingruntimes", self.namespace)
            }
            false => format!("/apis/{GROUP}/v1alpha1/clustertrainingruntimes"),
        };
        let named = ListParams::default().fields(&format!("metadata.name={}", reference.name));
        let request = Request::new(path).list(&named).expect("the path is our own");
        match seen(self.caller.client().request::<Value>(request).await) {
            Seen::Found(mut list) => match list["items"].as_array_mut().and_then(|it| it.pop()) {
                Some(runtime) => Presence::Found(runtime),
                None => Presence::Missing,
            },
            Seen::Missing => Presence::Unknown,
            Seen::Unseen(why) => {
                self.unseen.push(format!("runtimes: {why}"));
                Presence::Unknown
            }
        }
    }

    async fn list<K>(&self, selected: &ListParams) -> Seen<Vec<K>>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let found = self.caller.api::<K>(Some(&self.namespace)).list(selected).await;
        seen(found.map(|it| it.items))
    }

    /// An object of a kind that no type is known for.
    async fn named(&self, resource: Resource, version: &str, name: &str) -> Seen<Value> {
        let request = Request::new(self.path(resource, version)).get(name, &GetParams::default());
        match request {
            Ok(request) => seen(self.caller.client().request(request).await),
            Err(error) => Seen::Unseen(error.to_string()),
        }
    }

    fn path(&self, resource: Resource, version: &str) -> String {
        let Resource { group, plural, .. } = resource;
        format!("/apis/{group}/{version}/namespaces/{}/{plural}", self.namespace)
    }

    fn known<T>(&mut self, what: &str, seen: Seen<T>) -> Option<T> {
        match seen {
            Seen::Found(found) => Some(found),
            Seen::Missing => None,
            Seen::Unseen(why) => {
                self.unseen.push(format!("{what}: {why}"));
                None
            }
        }
    }

    fn note(&mut self, what: &str, error: &Error) -> Vec<Event> {
        let why =
            if error.code() == "forbidden" { FORBIDDEN.to_owned() } else { error.to_string() };
        self.unseen.push(format!("{what}: {why}"));
        Vec::new()
    }
}

impl<'a> Wanted<'a> {
    fn of_exit(rank: Rank<'a>, exit: Exit) -> Self {
        let policy = rank.pod.spec.as_ref().and_then(|it| it.restart_policy.as_deref());
        let ended = exit.at.filter(|_| !exit.restarted && policy != Some("Never"));
        Self { rank, container: exit.container, previous: exit.restarted, ended }
    }

    async fn read(&self, pods: &Api<Pod>) -> kubeflow_mcp_core::Result<PodLog> {
        let pod = &self.rank.member.pod;
        let log = |previous, text| PodLog {
            pod: pod.clone(),
            container: self.container.clone(),
            previous,
            text,
        };
        let text = logs::stamped(pods, pod, &self.container, self.previous).await?;
        // Of a container that was started again since the Pod was read, it is the new one's.
        if self.ended.is_some_and(|end| is_later(&text, end))
            && let Ok(before) = logs::stamped(pods, pod, &self.container, true).await
        {
            return Ok(log(true, before));
        }
        Ok(log(self.previous, text))
    }
}

/// Whether all lines were printed after that time, of which the API tells whole seconds.
fn is_later(log: &str, end: Timestamp) -> bool {
    let printed = log.lines().map(|it| Line::of(it).at);
    !printed.into_iter().any(|at| at.is_none_or(|at| at.as_second() <= end.as_second()))
}

const FORBIDDEN: &str = "you may not read them";

fn seen<T>(answer: kube::Result<T>) -> Seen<T> {
    match answer {
        Ok(found) => Seen::Found(found),
        Err(kube::Error::Api(status)) if status.code == 404 => Seen::Missing,
        Err(kube::Error::Api(status)) if status.code == 403 => Seen::Unseen(FORBIDDEN.to_owned()),
        Err(error) => Seen::Unseen(Error::from(error).to_string()),
    }
}
