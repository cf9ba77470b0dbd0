//! Optimization jobs that exist: finding them, and looking at one.

pub(crate) mod details;
mod row;
mod warnings;

use kubeflow_mcp_core::{Caller, Effect, Error, Need, Persona, Resource, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::pages::{Order, Page};

use self::row::Row;
use crate::{
    api::{EXPERIMENTS, Experiment, GROUP, VERSION},
    states::ExperimentState,
};

pub const TOOLS: &[ToolDef] =
    &[ToolDef::of::<ListOptimizationJobs>(), ToolDef::of::<details::GetOptimizationJob>()];

/// Katib's successor, of which no released controller does anything.
const OPTIMIZATION_JOBS: Resource =
    Resource::namespaced("trainer.kubeflow.org", "optimizationjobs");

/// Lists optimization jobs (Katib Experiments), newest first.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListOptimizationJobs {
    /// Default: yours.
    namespace: Option<String>,
    /// Only these.
    status: Option<Status>,
    /// Rows.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 100))]
    limit: usize,
    /// next_cursor of a page.
    cursor: Option<String>,
}

/// As the Kubeflow SDK calls them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
enum Status {
    Created,
    Running,
    Complete,
    Failed,
}

#[derive(Serialize, JsonSchema)]
struct OptimizationJobs {
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
    /// What is not among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

impl Tool for ListOptimizationJobs {
    type Output = OptimizationJobs;
    const NAME: &str = "list_optimization_jobs";
    const TITLE: &str = "List optimization jobs";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[Need::to(&["list"], EXPERIMENTS)];

    async fn call(self, caller: &Caller) -> Result<OptimizationJobs> {
        let wanted = |it: &Row| {
            self.status.is_none_or(|status| it.state.and_then(Status::of) == Some(status))
        };
        let namespace = caller.namespace(self.namespace.as_deref());
        let path = format!("/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{}", EXPERIMENTS.plural);
        let page = Page::read(caller.client(), path, self.cursor.as_deref()).await?;
        let listed = page.answer(wanted, self.limit);
        let successor = caller.version_of(OPTIMIZATION_JOBS).await;
        Ok(OptimizationJobs {
            jobs: listed.rows,
            order: listed.order,
            total: listed.total,
            looked_at: listed.looked_at,
            remaining: listed.remaining,
            next_cursor: listed.next_cursor,
            note: successor.map(|_| SUCCESSOR),
        })
    }
}

const SUCCESSOR: &str = "this cluster also knows trainer.kubeflow.org OptimizationJobs, which are \
    not listed: no controller for them is released, so that nothing happens to them; Katib \
    Experiments are what runs";

/// The experiment of that name; a name that no experiment can have is told apart from one that none
/// has.
pub(crate) async fn find(
    caller: &Caller,
    namespace: Option<&str>,
    name: &str,
) -> Result<Experiment> {
    let usual = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-' || it == '.';
    if name.is_empty() || name.len() > 63 || !name.chars().all(usual) {
        let problem = "but an optimization job's name has lower-case letters, digits and '-' only";
        return Err(Error::value("name", name, problem));
    }
    caller.api::<Experiment>(namespace).get(name).await.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 404 => Error::NotFound {
            kind: "Experiment",
            name: name.to_owned(),
            namespace: caller.namespace(namespace).to_owned(),
        },
        other => other.into(),
    })
}

impl Status {
    fn of(state: ExperimentState) -> Option<Self> {
        Some(match state {
            ExperimentState::NotReconciled
            | ExperimentState::Created
            | ExperimentState::Restarting => Self::Created,
            ExperimentState::Running => Self::Running,
            ExperimentState::Succeeded => Self::Complete,
            ExperimentState::Failed => Self::Failed,
            ExperimentState::Deleting => return None,
        })
    }
}

fn twenty() -> usize {
    20
}

#[cfg(all(test, feature = "local"))]
mod tests;
