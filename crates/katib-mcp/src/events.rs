//! What Kubernetes has reported of an experiment and of everything made for it.

use k8s_openapi::api::core::v1::Event;
use kube::{ResourceExt as _, api::ListParams};
use kubeflow_mcp_core::{Caller, Effect, Need, Persona, Result, Tool, ToolDef};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use workloads::events::{self, EVENTS, Found, Row};

use crate::{
    api::{EXPERIMENTS, Experiment},
    experiments::find,
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<GetOptimizationEvents>()];

/// Shows what happened to an optimization job and its parts.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GetOptimizationEvents {
    /// The job.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
    /// Not what is normal.
    warnings_only: Option<bool>,
    /// Rows.
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

impl Tool for GetOptimizationEvents {
    type Output = Events;
    const NAME: &str = "get_optimization_events";
    const TITLE: &str = "Show what happened to an optimization job";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[Need::to(&["get"], EXPERIMENTS), Need::to(&["list"], EVENTS)];

    async fn call(self, caller: &Caller) -> Result<Events> {
        let experiment = find(caller, self.namespace.as_deref(), &self.name).await?;
        let found = of(caller, &experiment).await?;
        let note = note(&found);
        // Katib reports that a trial has failed as something normal.
        let wanted = |it: &Row| {
            self.warnings_only != Some(true) || it.kind != "Normal" || it.reason == FAILED
        };
        let mut rows: Vec<Row> = events::rows(found.events).into_iter().filter(wanted).collect();
        let not_shown = rows.len().checked_sub(self.limit).filter(|it| *it > 0);
        rows.truncate(self.limit);
        Ok(Events { events: rows, not_shown, note })
    }
}

const FAILED: &str = "JobFailed";

fn note(found: &Found) -> Option<String> {
    if !found.complete {
        return Some(format!("only {} events of the namespace were looked at", found.looked_at));
    }
    found
        .events
        .is_empty()
        .then(|| "none are left; a cluster usually forgets events after an hour".to_owned())
}

/// The events of an experiment and of everything made for it.
async fn of(caller: &Caller, experiment: &Experiment) -> Result<Found> {
    let api = caller.api::<Event>(experiment.namespace().as_deref());
    let all = ListParams::default();
    events::find(&api, all, events::ALL, |event| concerns(experiment, event)).await
}

/// Whether an event is about the experiment or a part of it, and not about a former one of that name.
pub(crate) fn concerns(experiment: &Experiment, event: &Event) -> bool {
    let object = &event.involved_object;
    let (Some(kind), Some(name)) = (&object.kind, &object.name) else { return false };
    let of = experiment.name_any();
    let own = match kind.as_str() {
        "Experiment" => {
            *name == of && (object.uid.is_none() || object.uid == experiment.metadata.uid)
        }
        "Suggestion" => *name == of,
        // Kueue names a Workload after the kind and the name of what it is for.
        "Workload" => name.split_once('-').is_some_and(|(_, it)| of_trial(&of, it).is_some()),
        _ => of_trial(&of, name).is_some() || is_of_the_algorithm(experiment, name),
    };
    own && events::is_since(event, experiment.creation_timestamp())
}

/// What Katib draws the end of a trial's name from.
const ALPHABET: &str = "bcdfghjklmnpqrstvwxz2456789";
const DRAWN: usize = 8;

/// The trial that an object is named after: `search-b2c4d6f8` of `search-b2c4d6f8-node-0-0-x7f2k`.
pub(crate) fn of_trial<'a>(experiment: &str, name: &'a str) -> Option<&'a str> {
    let rest = name.strip_prefix(experiment)?.strip_prefix('-')?;
    let drawn = |it: &str| it.len() == DRAWN && it.chars().all(|it| ALPHABET.contains(it));
    let start = name.len() - rest.len();
    let first = rest.split('-').next().unwrap_or_default();
    if drawn(first) {
        return Some(&name[..start + DRAWN]);
    }
    // Some algorithms name their trials by UUIDs.
    let uuid = rest.get(..UUID).filter(|it| uuid::Uuid::try_parse(it).is_ok())?;
    let ends = rest.len() == uuid.len() || rest[uuid.len()..].starts_with('-');
    ends.then_some(&name[..start + UUID])
}

const UUID: usize = 36;

/// A Deployment, its Pods, a Service or a volume claim.
fn is_of_the_algorithm(experiment: &Experiment, name: &str) -> bool {
    let Some(algorithm) = &experiment.spec.algorithm else { return false };
    let own = format!("{}-{}", experiment.name_any(), algorithm.algorithm_name);
    name.strip_prefix(&own).is_some_and(|it| it.is_empty() || it.starts_with('-'))
}

#[cfg(all(test, feature = "local"))]
mod tests;
