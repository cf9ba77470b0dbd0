//! Training jobs that exist: finding them, looking at one, suspending, resuming and deleting it.

mod change;
mod details;
mod row;

use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::{
    pages::{Order, Page},
    phase::Phase,
    train_job::{GROUP, TRAIN_JOBS},
};

use self::row::Row;

pub const TOOLS: &[ToolDef] = &[
    ToolDef::of::<ListTrainingJobs>(),
    ToolDef::of::<details::GetTrainingJob>(),
    ToolDef::of::<change::UpdateTrainingJob>(),
    ToolDef::of::<change::DeleteTrainingJob>(),
];

/// Lists training jobs with phase, runtime, nodes and times, newest first. Call it when the user
/// names no job, or asks what runs.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListTrainingJobs {
    /// Default: yours.
    namespace: Option<String>,
    /// Only jobs of this runtime.
    runtime: Option<String>,
    status: Option<Status>,
    /// Rows at most.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 100))]
    limit: usize,
    /// next_cursor of the page before.
    cursor: Option<String>,
}

/// As the Kubeflow SDK calls them; Created waits to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
enum Status {
    Created,
    Running,
    Suspended,
    Complete,
    Failed,
}

#[derive(Serialize, JsonSchema)]
struct TrainingJobs {
    jobs: Vec<Row>,
    /// How all pages are sorted.
    order: Order,
    /// How many match, where all could be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
    /// How many were looked at for this page, where there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    looked_at: Option<usize>,
    /// How many come after those, as the API server estimates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl Tool for ListTrainingJobs {
    type Output = TrainingJobs;
    const NAME: &str = "list_training_jobs";
    const TITLE: &str = "List training jobs";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[Need::to(&["list"], TRAIN_JOBS)];

    async fn call(self, caller: &Caller) -> Result<TrainingJobs> {
        let wanted = |it: &Row| {
            self.runtime.as_ref().is_none_or(|runtime| it.runtime.as_ref() == Some(runtime))
                && self.status.is_none_or(|status| it.phase.and_then(Status::of) == Some(status))
        };
        let namespace = caller.namespace(self.namespace.as_deref());
        let path = format!("/apis/{GROUP}/v1alpha1/namespaces/{namespace}/{}", TRAIN_JOBS.plural);
        let page = Page::read(caller.client(), path, self.cursor.as_deref()).await?;
        let listed = page.answer(wanted, self.limit);
        Ok(TrainingJobs {
            jobs: listed.rows,
            order: listed.order,
            total: listed.total,
            looked_at: listed.looked_at,
            remaining: listed.remaining,
            next_cursor: listed.next_cursor,
        })
    }
}

impl Status {
    fn of(phase: Phase) -> Option<Self> {
        Some(match phase {
            Phase::Created
            | Phase::NotReconciled
            | Phase::CreationFailed
            | Phase::Pending
            | Phase::Starting
            | Phase::ImagePullFailed
            | Phase::Initializing => Self::Created,
            Phase::Running | Phase::CrashLooping | Phase::Failing => Self::Running,
            Phase::Queued | Phase::Suspended | Phase::Suspending => Self::Suspended,
            Phase::Succeeded => Self::Complete,
            Phase::Failed => Self::Failed,
            Phase::Deleting => return None,
        })
    }
}

fn twenty() -> usize {
    20
}

#[cfg(test)]
#[cfg(feature = "local")]
mod tests;
