//! What Kubernetes has reported of a TrainJob and of everything made for it.

use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::{
    events::{self, EVENTS, Found, Row},
    train_job::{TRAIN_JOBS, TrainJob, events::of},
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<GetTrainingEvents>()];

/// Shows what happened to a training job and its JobSet, Jobs, Pods, volumes and queue: scheduling,
/// image pulls, restarts, refusals. Call it when a job does not start or its Pods vanish.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetTrainingEvents {
    /// The job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
    /// Leave out what is normal.
    #[serde(default)]
    warnings_only: bool,
    /// Rows at most.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 100))]
    limit: usize,
}

#[derive(Serialize, JsonSchema)]
struct Events {
    /// Newest first; repeats are one row.
    events: Vec<Row>,
    /// How many older rows there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_shown: Option<usize>,
    /// Why there are none, or what could not be seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn twenty() -> usize {
    20
}

impl Tool for GetTrainingEvents {
    type Output = Events;
    const NAME: &str = "get_training_events";
    const TITLE: &str = "Show what happened to a training job";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[Need::to(&["get"], TRAIN_JOBS), Need::to(&["list"], EVENTS)];

    async fn call(self, caller: &Caller) -> Result<Events> {
        let job = TrainJob::find(caller, self.namespace.as_deref(), &self.name).await?;
        let found = of(caller, &job).await?;
        let note = note(&found);
        let wanted = |it: &Row| !self.warnings_only || it.kind != "Normal";
        let mut rows: Vec<Row> = events::rows(found.events).into_iter().filter(wanted).collect();
        let not_shown = rows.len().checked_sub(self.limit).filter(|it| *it > 0);
        rows.truncate(self.limit);
        Ok(Events { events: rows, not_shown, note })
    }
}

fn note(found: &Found) -> Option<String> {
    if !found.complete {
        return Some(format!("only {} events of the namespace were looked at", found.looked_at));
    }
    found
        .events
        .is_empty()
        .then(|| "none are left; a cluster usually forgets events after an hour".to_owned())
}

#[cfg(all(test, feature = "local"))]
mod tests;
