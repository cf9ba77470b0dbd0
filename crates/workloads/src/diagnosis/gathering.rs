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
    api::{GetParams, ListParams},
    core::Request,
};
use kubeflow_mcp_core::{Caller, Error, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    MOST_NODES,
    needs::{JOB_SETS, QUEUES, WORKLOADS},
    printing::{Printing, Wanted},
    snapshot::{PodLog, Presence, Snapshot},
};
use crate::{
    events, logs,
    phase::Phase,
    pods::{Member, Trouble},
    train_job::{GROUP, phase::QUEUE_LABEL},
    workload::Workload,
};

/// Those that failed first; what others print follows from it.
const LOGS: usize = 4;
/// Nodes that do not answer have nothing to tell.
const LOG_WITHIN: Duration = Duration::from_secs(10);
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
    job: Workload,
    printing: Printing<'a>,
    unseen: Vec<String>,
}

/// Reads what there is to know of a workload.
pub async fn gather(caller: &Caller, job: Workload, printing: Printing<'_>) -> Snapshot {
    let namespace = job.metadata().namespace.clone().unwrap_or_default();
    Gathering { caller, namespace, job, printing, unseen: Vec::new() }.snapshot().await
}

impl Gathering<'_> {
    async fn snapshot(mut self) -> Snapshot {
        let selected = ListParams::default().labels(&self.job.selector());
        let (pods, events, job_set, jobs) = futures::join!(
            self.list::<Pod>(&selected),
            events::telling(self.caller, Some(&self.namespace), |it| self.job.concerns(it)),
            self.job_set(),
            self.jobs(&selected),
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
        snapshot.pods.retain(|it| self.job.owns(it));
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
        let mut wanted: Vec<_> =
            failed.map(|(rank, exit)| Wanted::of_exit(rank, exit, self.printing)).collect();
        let first = self.job.first();
        let first = ranks
            .iter()
            .find(|it| first.as_ref().is_some_and(|(group, index)| it.key() == (group, *index)));
        if let Some(rank) = first.filter(|_| wanted.is_empty() && phase == Phase::Running)
            && let Ok(container) = logs::container(rank.member, self.printing.container)
        {
            wanted.push(Wanted::of_running(*rank, container.name.clone(), self.printing));
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
        let queue = self.job.label(QUEUE_LABEL).unwrap_or_default().to_owned();
        let uid = self.job.metadata().uid.clone().unwrap_or_default();
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
        let Workload::TrainJob(job) = &self.job else { return Presence::Unknown };
        let reference = &job.spec.runtime_ref;
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

    async fn job_set(&self) -> Seen<Value> {
        match &self.job {
            Workload::Job(_) => Seen::Missing,
            Workload::TrainJob(_) => self.named(JOB_SETS, "v1alpha2", self.job.name()).await,
        }
    }

    /// Those that make the Pods.
    async fn jobs(&self, selected: &ListParams) -> Seen<Vec<Job>> {
        match &self.job {
            Workload::Job(job) => Seen::Found(vec![Job::clone(job)]),
            Workload::TrainJob(_) => self.list(selected).await,
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

const FORBIDDEN: &str = "you may not read them";

fn seen<T>(answer: kube::Result<T>) -> Seen<T> {
    match answer {
        Ok(found) => Seen::Found(found),
        Err(kube::Error::Api(status)) if status.code == 404 => Seen::Missing,
        Err(kube::Error::Api(status)) if status.code == 403 => Seen::Unseen(FORBIDDEN.to_owned()),
        Err(error) => Seen::Unseen(Error::from(error).to_string()),
    }
}
