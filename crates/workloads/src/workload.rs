//! What Pods belong to: a TrainJob, or a Job that stands for itself.

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        batch::v1::Job,
        core::v1::{Event, Pod},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::ResourceExt as _;
use kubeflow_mcp_core::{Caller, Error, Result};
use serde::Deserialize;

use crate::{
    job,
    phase::Standing,
    pods::Member,
    train_job::{self, TrainJob, steps},
};

/// What Pods belong to.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Workload {
    /// First, as it alone looks at the kind that it is read from.
    Job(Box<Job>),
    TrainJob(Box<TrainJob>),
}

/// How a workload came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub failed: bool,
    pub reason: String,
    pub message: String,
    pub at: Option<Timestamp>,
}

impl Workload {
    /// The TrainJob of that name.
    pub async fn train_job(caller: &Caller, namespace: Option<&str>, name: &str) -> Result<Self> {
        TrainJob::find(caller, namespace, name).await.map(Self::from)
    }

    /// The Job of that name.
    pub async fn job(caller: &Caller, namespace: Option<&str>, name: &str) -> Result<Self> {
        let found = caller.api::<Job>(namespace).get(name).await;
        found.map(Self::from).map_err(|error| match error {
            kube::Error::Api(status) if status.code == 404 => Error::NotFound {
                kind: "Job",
                name: name.to_owned(),
                namespace: caller.namespace(namespace).to_owned(),
            },
            other => other.into(),
        })
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::Job(_) => "Job",
            Self::TrainJob(_) => "TrainJob",
        }
    }

    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Job(job) => &job.metadata,
            Self::TrainJob(job) => &job.metadata,
        }
    }

    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    pub fn created(&self) -> Option<Timestamp> {
        self.metadata().creation_timestamp.as_ref().map(|it| it.0)
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.metadata().labels.as_ref()?.get(name).map(String::as_str)
    }

    /// Selects its Pods.
    pub fn selector(&self) -> String {
        match self {
            Self::Job(_) => job::selector(self.name()),
            Self::TrainJob(_) => steps::selector(self.name()),
        }
    }

    /// The newest Pod of each rank.
    pub fn members(&self, pods: &[Pod]) -> Vec<Member> {
        match self {
            Self::Job(job) => job::members(job, pods),
            Self::TrainJob(job) => steps::members(job, pods),
        }
    }

    /// Whether a Pod is its own, and not of a former one of that name.
    pub fn owns(&self, pod: &Pod) -> bool {
        match self {
            Self::Job(job) => job::member(job, pod).is_some(),
            Self::TrainJob(job) => steps::member(job, pod).is_some(),
        }
    }

    /// Whether an event is about it or one of its parts.
    pub fn concerns(&self, event: &Event) -> bool {
        match self {
            Self::Job(job) => job::concerns(job, event),
            Self::TrainJob(job) => train_job::events::concerns(job, event),
        }
    }

    pub fn standing(&self, pods: &[Member], events: &[Event], now: Timestamp) -> Standing {
        match self {
            Self::Job(job) => Standing::of_job(job, pods, now),
            Self::TrainJob(job) => Standing::of(job, pods, events, now),
        }
    }

    pub fn end(&self) -> Option<End> {
        match self {
            Self::Job(job) => job::end(job).map(|it| End {
                failed: it.type_ == "Failed",
                reason: it.reason.clone().unwrap_or_default(),
                message: it.message.clone().unwrap_or_default(),
                at: it.last_transition_time.as_ref().map(|it| it.0),
            }),
            Self::TrainJob(job) => job.end().map(|it| End {
                failed: it.type_ == "Failed",
                reason: it.reason.clone(),
                message: it.message.clone(),
                at: Some(it.last_transition_time.0),
            }),
        }
    }

    /// Since when it has been suspended.
    pub(crate) fn suspended(&self) -> Option<Timestamp> {
        match self {
            Self::Job(job) => {
                job::condition(job, "Suspended")?.last_transition_time.as_ref().map(|it| it.0)
            }
            Self::TrainJob(job) => job.condition("Suspended").map(|it| it.last_transition_time.0),
        }
    }

    /// How many seconds it may take.
    pub(crate) fn time_limit(&self) -> Option<i64> {
        match self {
            Self::Job(job) => job.spec.as_ref()?.active_deadline_seconds,
            Self::TrainJob(job) => job.spec.active_deadline_seconds,
        }
    }

    /// When its program has reported how far it is.
    pub(crate) fn reported(&self) -> Option<Timestamp> {
        let Self::TrainJob(job) = self else { return None };
        let reported = job.status.as_ref()?.trainer_status.as_ref()?;
        reported.last_updated_time.as_ref().map(|it| it.0)
    }

    /// How many Pods are to work together, as far as it says itself.
    pub(crate) fn nodes(&self) -> i32 {
        match self {
            Self::Job(job) => job::parallelism(job),
            Self::TrainJob(job) => {
                job.spec.trainer.as_ref().and_then(|it| it.num_nodes).unwrap_or_default()
            }
        }
    }

    /// How a rank is called, where there is more than one to tell apart.
    pub fn step(&self, group: &str, index: u32) -> Option<String> {
        match self {
            Self::Job(job) if job::parallelism(job) > 1 => Some(format!("rank {index}")),
            Self::Job(_) => None,
            Self::TrainJob(job) => Some(steps::name(job, group, index)),
        }
    }

    /// The part and rank that works first, and tells most.
    pub(crate) fn first(&self) -> Option<(String, u32)> {
        match self {
            Self::Job(_) => Some((String::new(), 0)),
            Self::TrainJob(job) => steps::place(job, "node-0").map(|it| (it.group, it.index)),
        }
    }

    /// The part and rank of a Pod, also of one that is gone: its name tells.
    pub(crate) fn rank_of(&self, pod: &str) -> Option<(String, u32)> {
        match self {
            Self::Job(job) => job::rank_of(job, pod).map(|it| (String::new(), it)),
            Self::TrainJob(job) => {
                let rest = pod.strip_prefix(&job.name_any())?.strip_prefix('-')?;
                let mut parts = rest.rsplitn(4, '-');
                let (_, index, _) = (parts.next()?, parts.next()?, parts.next()?);
                Some((parts.next()?.to_owned(), index.parse().ok()?))
            }
        }
    }
}

impl From<TrainJob> for Workload {
    fn from(job: TrainJob) -> Self {
        Self::TrainJob(Box::new(job))
    }
}

impl From<Job> for Workload {
    fn from(job: Job) -> Self {
        Self::Job(Box::new(job))
    }
}
