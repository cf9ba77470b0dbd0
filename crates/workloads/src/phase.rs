//! Where a workload stands: Kubernetes has no word for most of it, so it is derived from what it has.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pods::{Member, Trouble};

/// Where a workload stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub phase: Phase,
    /// Kubernetes' or a controller's word for why.
    pub reason: Option<String>,
    pub message: Option<String>,
    /// Whether another cluster runs it, so that its Pods, logs and events are there.
    pub remote: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    Created,
    /// The Trainer's controller has not taken it up.
    NotReconciled,
    /// The controller could not make what the job needs, and tries again.
    CreationFailed,
    /// Waits in a Kueue queue.
    Queued,
    Suspended,
    Suspending,
    /// No node has room for its Pods.
    Pending,
    Starting,
    ImagePullFailed,
    CrashLooping,
    Initializing,
    Running,
    /// A part has failed, and the job is about to.
    Failing,
    Succeeded,
    Failed,
    Deleting,
}

/// A phase, with why and what is said of it.
pub(crate) type Judgement = (Phase, Option<String>, Option<String>);

/// A controller that is up takes far less.
const RECONCILED_WITHIN: SignedDuration = SignedDuration::from_secs(30);

impl Phase {
    /// Whether nothing more will happen by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// For how long nobody has done anything about what was last changed then, where that is too long.
pub(crate) fn untouched(since: Option<Timestamp>, now: Timestamp) -> Option<SignedDuration> {
    Some(now.duration_since(since?)).filter(|it| *it >= RECONCILED_WITHIN)
}

pub(crate) fn queued(queue: &str) -> Judgement {
    (Phase::Queued, None, Some(format!("waits in queue {queue:?}")))
}

/// Nobody has made the Pods of Jobs that are there.
pub(crate) fn without_pods(age: SignedDuration, whose: &str) -> Judgement {
    let message = format!(
        "{whose} had no Pods for {} s: Kubernetes' Job controller may be stopped",
        age.as_secs()
    );
    (Phase::NotReconciled, None, Some(message))
}

/// A Pod that crashes every minute is ready in between: the phase is `Running`, the reason says more.
pub(crate) fn restarted(pods: &[Member]) -> Judgement {
    let running = pods.iter().filter(|it| it.state.phase == "Running");
    let restarts: i32 = running.map(|it| it.state.restarts).sum();
    match restarts {
        0 => (Phase::Running, None, None),
        1 => (Phase::Running, Some("Restarted".to_owned()), Some("1 restart".to_owned())),
        many => (Phase::Running, Some("Restarted".to_owned()), Some(format!("{many} restarts"))),
    }
}

/// `phase`, unless a Pod says what holds it up.
pub(crate) fn held_up(pods: &[Member], phase: Phase) -> Judgement {
    let states = pods.iter().map(|it| &it.state);
    let worst = states.min_by_key(|it| (it.trouble.is_none(), it.trouble, it.reason.is_none()));
    let Some(state) = worst else { return (phase, None, None) };
    let phase = match state.trouble {
        Some(Trouble::CrashLooping) => Phase::CrashLooping,
        Some(Trouble::ImagePullFailed) => Phase::ImagePullFailed,
        Some(Trouble::NotScheduled) => Phase::Pending,
        _ => phase,
    };
    (phase, state.reason.clone(), state.message.clone())
}
