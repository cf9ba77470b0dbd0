//! What training jobs can be started from.

mod creation;
mod deletion;
mod difference;
mod explained;
mod packages;
mod patching;
mod place;

use std::collections::BTreeMap;

use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::train_job::{
    catalogue::{Catalogue, Entry, NO_RUNTIMES},
    runtime::{CLUSTER_RUNTIMES, RUNTIMES, Runtime},
};

pub const TOOLS: &[ToolDef] = &[
    ToolDef::of::<ListRuntimes>(),
    ToolDef::of::<GetRuntime>(),
    ToolDef::of::<packages::GetRuntimePackages>(),
    ToolDef::of::<creation::CreateRuntime>(),
    ToolDef::of::<patching::PatchRuntime>(),
    ToolDef::of::<deletion::DeleteRuntime>(),
];

const NEEDS: &[Need] = &[Need::to(&["list"], CLUSTER_RUNTIMES), Need::perhaps(&["list"], RUNTIMES)];

/// Lists the training runtimes: framework, devices, nodes and image of each. Call it before
/// choosing a runtime for a job.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListRuntimes {
    /// Default: yours.
    namespace: Option<String>,
    /// Only this framework, such as torch.
    framework: Option<String>,
    /// Rows at most.
    #[serde(default = "twenty")]
    #[schemars(range(min = 1, max = 100))]
    limit: usize,
    /// next_cursor of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Runtimes {
    runtimes: Vec<Row>,
    total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// What could not be seen, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unseen: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

#[derive(Default, Serialize, JsonSchema)]
struct Row {
    name: String,
    /// Of the namespace or of the whole cluster.
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    framework: Option<String>,
    /// What it runs: your code, or a training program of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    trainer: Option<Program>,
    /// The device of each node, and how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// Its maintainers advise another.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deprecated: bool,
    /// Why it cannot be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Program {
    /// Code that the job brings.
    Custom,
    /// A program of the runtime, which the job configures.
    Builtin,
}

impl Tool for ListRuntimes {
    type Output = Runtimes;
    const NAME: &str = "list_runtimes";
    const TITLE: &str = "List training runtimes";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = NEEDS;

    async fn call(self, caller: &Caller) -> Result<Runtimes> {
        let catalogue = Catalogue::of(caller, self.namespace.as_deref()).await?;
        let empty = catalogue.entries.is_empty() && catalogue.unseen.is_empty();
        let rows: Vec<Row> = catalogue
            .entries
            .iter()
            .map(Row::of)
            .filter(|it| self.framework.is_none() || it.framework == self.framework)
            .collect();
        let total = rows.len();
        let after = |it: &Row| self.cursor.as_ref().is_none_or(|cursor| it.name > *cursor);
        let mut rows: Vec<Row> = rows.into_iter().filter(after).collect();
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        Ok(Runtimes {
            next_cursor: rows.last().filter(|_| more).map(|it| it.name.clone()),
            runtimes: rows,
            total,
            unseen: catalogue.unseen,
            note: empty.then_some(NO_RUNTIMES),
        })
    }
}

/// Shows one runtime: its steps, resources and volumes, and what a job may override. Call it to see
/// what a job started from it would get.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetRuntime {
    /// As list_runtimes names it.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Details {
    #[serde(flatten)]
    summary: Row,
    /// What each node may use unless the job asks for something else.
    resources: BTreeMap<String, String>,
    /// Its Jobs, in order.
    steps: Vec<Step>,
    /// Volumes made for each job, which go when the job is deleted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    volume_claims: Vec<String>,
    /// The tools that start jobs from it.
    used_by: Vec<&'static str>,
    /// What a job may set for itself.
    overridable: Vec<String>,
    /// What a job cannot change.
    fixed: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct Step {
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    /// Names of variables that the runtime sets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<String>,
}

impl Tool for GetRuntime {
    type Output = Details;
    const NAME: &str = "get_runtime";
    const TITLE: &str = "Show a training runtime";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = NEEDS;

    async fn call(self, caller: &Caller) -> Result<Details> {
        let catalogue = Catalogue::of(caller, self.namespace.as_deref()).await?;
        let entry = catalogue.find(&self.name).ok_or_else(|| catalogue.unknown(&self.name))?;
        let runtime = entry.runtime.clone().unwrap_or_default();
        let claims = runtime.spec.template.spec.volume_claim_policies.iter();
        let claims = claims.flat_map(|it| &it.templates).filter_map(|it| it.metadata.name.clone());
        Ok(Details {
            summary: Row::of(entry),
            resources: runtime
                .resources()
                .map(|(name, it)| (name.to_owned(), it.to_owned()))
                .collect(),
            steps: steps(&runtime),
            volume_claims: claims.collect(),
            used_by: explained::used_by(&runtime),
            overridable: explained::overridable(&runtime),
            fixed: explained::fixed(&runtime),
        })
    }
}

impl Row {
    fn of(entry: &Entry) -> Self {
        let name = entry.name.clone();
        let kind = entry.kind.name();
        let runtime = match &entry.runtime {
            Ok(runtime) => runtime,
            Err(problem) => {
                return Self { name, kind, problem: Some(problem.clone()), ..Self::default() };
            }
        };
        let no_trainer = "it has no container \"node\", in which training would happen";
        Self {
            name,
            kind,
            framework: runtime.framework().map(str::to_owned),
            trainer: Some(if runtime.is_builtin() { Program::Builtin } else { Program::Custom }),
            device: runtime.device().map(|(name, count)| format!("{count} {name}")),
            nodes: Some(runtime.nodes()),
            image: runtime.image().map(str::to_owned),
            deprecated: runtime.is_deprecated(),
            problem: runtime.trainer().is_none().then(|| no_trainer.to_owned()),
        }
    }
}

fn steps(runtime: &Runtime) -> Vec<Step> {
    let jobs = runtime.spec.template.spec.replicated_jobs.iter();
    let step = jobs.map(|job| {
        let pod = job.template.spec.as_ref().and_then(|it| it.template.spec.as_ref());
        let containers = || pod.into_iter().flat_map(|it| &it.containers);
        let mounts = containers().flat_map(|it| it.volume_mounts.iter().flatten());
        let command = containers().find_map(|it| it.command.as_ref()).map(|it| it.join(" "));
        Step {
            name: job.name.clone(),
            images: containers().filter_map(|it| it.image.clone()).collect(),
            command: command.map(|it| it.chars().take(200).collect()),
            env: containers()
                .flat_map(|it| it.env.iter().flatten())
                .map(|it| it.name.clone())
                .collect(),
            mounts: mounts.map(|it| format!("{} at {}", it.name, it.mount_path)).collect(),
        }
    });
    step.collect()
}

fn twenty() -> usize {
    20
}

#[cfg(test)]
#[cfg(feature = "local")]
mod tests;
