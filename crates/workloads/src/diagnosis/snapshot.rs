//! All that a diagnosis looks at, gathered at one moment: plain objects, which tests also feed.

use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ContainerStatus, Event, Node, PersistentVolumeClaim, Pod, ResourceQuota},
};
use kube::ResourceExt as _;
use serde::Deserialize;
use serde_json::Value;

use crate::{logs::Line, phase::Standing, pods::Member, workload::Workload};

/// A workload and what the cluster knows of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    pub now: Timestamp,
    pub job: Workload,
    /// Its Pods, also those that a rank had before.
    #[serde(default)]
    pub pods: Vec<Pod>,
    /// Of it and its parts, without the routine.
    #[serde(default)]
    pub events: Vec<Event>,
    #[serde(default)]
    pub job_set: Option<Value>,
    #[serde(default)]
    pub jobs: Vec<Job>,
    #[serde(default)]
    pub claims: Vec<PersistentVolumeClaim>,
    #[serde(default)]
    pub nodes: Option<Vec<Node>>,
    #[serde(default)]
    pub quotas: Vec<ResourceQuota>,
    #[serde(default)]
    pub runtime: Presence,
    /// Kueue's object for the job.
    #[serde(default)]
    pub workload: Option<Value>,
    #[serde(default)]
    pub queue: Presence,
    #[serde(default)]
    pub logs: Vec<PodLog>,
    /// What could not be read, and why.
    #[serde(default)]
    pub unseen: Vec<String>,
}

/// Whether an object that is referred to exists.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Presence {
    /// Nobody has looked, or nobody may.
    #[default]
    Unknown,
    Missing,
    Found(Value),
}

/// The end of a container's log, each line behind its time.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PodLog {
    pub pod: String,
    pub container: String,
    /// Of the container before its last restart.
    #[serde(default)]
    pub previous: bool,
    pub text: String,
}

/// How a container ended that did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    pub container: String,
    pub init: bool,
    pub code: i32,
    pub reason: String,
    pub message: String,
    pub at: Option<Timestamp>,
    /// The container has been started again, or is about to be.
    pub restarted: bool,
    /// Since when it runs again.
    pub runs_since: Option<Timestamp>,
}

/// The newest Pod of a rank, with what is concluded of it.
#[derive(Clone, Copy, Debug)]
pub struct Rank<'a> {
    pub pod: &'a Pod,
    pub member: &'a Member,
}

impl PodLog {
    pub fn lines(&self) -> Vec<Line<'_>> {
        self.text.lines().map(Line::of).collect()
    }

    /// As it is called in evidence.
    pub fn title(&self) -> String {
        let which = if self.previous { "previous log" } else { "log" };
        format!("{which} of {}", self.pod)
    }
}

impl Snapshot {
    pub fn standing(&self) -> Standing {
        self.job.standing(&self.members(), &self.events, self.now)
    }

    /// The newest Pod of each rank.
    pub fn members(&self) -> Vec<Member> {
        self.job.members(&self.pods)
    }

    /// Each of these with its Pod.
    pub fn ranks<'a>(&'a self, members: &'a [Member]) -> Vec<Rank<'a>> {
        let pod = |it: &Member| self.pods.iter().find(|pod| pod.name_any() == it.pod);
        members.iter().filter_map(|member| Some(Rank { pod: pod(member)?, member })).collect()
    }

    pub fn log_of(&self, pod: &str) -> Option<&PodLog> {
        self.logs.iter().find(|it| it.pod == pod)
    }

    /// Those with one of these reasons, the oldest first.
    pub fn events_of<'a>(&'a self, reasons: &[&str]) -> Vec<&'a Event> {
        let meant = |it: &&Event| it.reason.as_deref().is_some_and(|it| reasons.contains(&it));
        let mut events: Vec<&Event> = self.events.iter().filter(meant).collect();
        events.sort_by_key(|it| crate::events::when(it));
        events
    }

    pub fn is_distributed(&self) -> bool {
        self.job.nodes() > 1 || self.members().len() > 1
    }
}

impl Rank<'_> {
    pub fn key(&self) -> (&str, u32) {
        (&self.member.group, self.member.index)
    }

    /// How a container of the Pod ended badly, now or before it was started again. The first to end
    /// has dragged the others down.
    pub fn exit(&self) -> Option<Exit> {
        let status = self.pod.status.as_ref()?;
        let init = status.init_container_statuses.iter().flatten().map(|it| (it, true));
        let all = init.chain(status.container_statuses.iter().flatten().map(|it| (it, false)));
        let exits = all.filter_map(|(it, init)| Exit::of(it, init));
        exits.min_by_key(|it| (it.at.is_none(), it.at))
    }
}

impl Exit {
    fn of(status: &ContainerStatus, init: bool) -> Option<Self> {
        let now = status.state.as_ref().and_then(|it| it.terminated.as_ref());
        let running = status.state.as_ref().and_then(|it| it.running.as_ref());
        let before = status.last_state.as_ref().and_then(|it| it.terminated.as_ref());
        let done = now.is_some_and(|it| it.exit_code == 0);
        let (end, restarted) = match (now, before) {
            (Some(now), _) if now.exit_code != 0 => (now, false),
            // What came to a good end after all is no failure.
            (_, Some(before)) if before.exit_code != 0 && !done => (before, true),
            _ => return None,
        };
        Some(Self {
            container: status.name.clone(),
            init,
            code: end.exit_code,
            reason: end.reason.clone().unwrap_or_default(),
            message: end.message.clone().unwrap_or_default(),
            at: end.finished_at.as_ref().map(|it| it.0),
            restarted,
            runs_since: running.and_then(|it| it.started_at.as_ref()).map(|it| it.0),
        })
    }
}
