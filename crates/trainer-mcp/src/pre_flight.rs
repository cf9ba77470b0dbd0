//! Whether a job would run here, now: everything that can be known before it is submitted.

mod amounts;
mod checks;
mod cluster;
mod shape;

use kube::{
    api::ListParams,
    core::{ObjectList, Request},
};
use kubeflow_mcp_core::{
    Caller, Effect, Error, Need, Persona, Rehearsal, Resource, Result, Tool, ToolDef, did_you_mean,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use workloads::{
    diagnosis::{NODES, QUOTAS},
    pods::PODS,
    train_job::{
        GROUP, TRAIN_JOBS,
        phase::QUEUE_LABEL,
        runtime::{CLUSTER_RUNTIMES, RUNTIMES, Runtime},
    },
};

use crate::{capacity::queues::LOCAL_QUEUES, submission};

pub(crate) use self::checks::SIGNS;
use self::{
    checks::{Check, Verdict},
    cluster::{CLASSES, Cluster, NAMESPACES, SECRETS},
    shape::Shape,
};

pub const TOOLS: &[ToolDef] = &[ToolDef::of::<PreFlight>()];

const CLAIMS: Resource = Resource::namespaced("", "persistentvolumeclaims");
const USUAL: &str = "run_custom_training";

/// Dry-runs a job and checks what it needs: rights, quota, queue, nodes, Secrets, storage. Call it
/// before submitting.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PreFlight {
    /// That would submit it; default: run_custom_training.
    tool: Option<String>,
    /// Its; a runtime and resources suffice.
    arguments: Map<String, Value>,
}

#[derive(Serialize, JsonSchema)]
struct Flight {
    /// Pass: now. Warn: perhaps later, or not as meant. Fail: not as it is.
    would_run: Verdict,
    /// What was checked, what failed first.
    checks: Vec<Check>,
    /// What the submitting tool's preview says.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<Value>,
}

impl Tool for PreFlight {
    type Output = Flight;
    const NAME: &str = "pre_flight";
    const TITLE: &str = "Check whether a job would run";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[
        Need::to(&["list"], CLUSTER_RUNTIMES),
        Need::perhaps(&["list"], RUNTIMES),
        Need::perhaps(&["get"], TRAIN_JOBS),
        Need::perhaps(&["list"], NODES),
        Need::perhaps(&["list"], PODS),
        Need::perhaps(&["list"], QUOTAS),
        Need::borrowed(&["list"], CLASSES),
        Need::borrowed(&["create"], TRAIN_JOBS),
        Need::borrowed(&["create"], PODS),
        Need::borrowed(&["list"], SECRETS),
        Need::borrowed(&["list"], CLAIMS),
        Need::borrowed(&["get"], NAMESPACES),
        Need::borrowed(&["get"], LOCAL_QUEUES),
    ];

    async fn call(self, caller: &Caller) -> Result<Flight> {
        let tool = submitting(self.tool.as_deref().unwrap_or(USUAL))?;
        let mut arguments = self.arguments;
        if tool.name == USUAL {
            // What is asked is whether it would start, whatever it then does.
            arguments.entry("script").or_insert_with(|| "pass\n".into());
        }
        let namespace = arguments.get("namespace").and_then(Value::as_str);
        let namespace = caller.namespace(namespace).to_owned();
        let rehearsal = caller.rehearse(tool, arguments).await;
        if let Err(error @ (Error::Arguments(_) | Error::Namespace(_))) = rehearsal.outcome {
            return Err(error);
        }
        let mut checks = checks::submission(tool.name, &rehearsal);
        if let Some(job) = rehearsal.written.last() {
            checks.extend(look(caller, &namespace, job, &rehearsal).await?);
        }
        checks.sort_by_key(|it| std::cmp::Reverse(it.verdict));
        Ok(Flight {
            would_run: checks.iter().map(|it| it.verdict).max().unwrap_or(Verdict::Pass),
            checks,
            job: rehearsal.outcome.ok().map(summary),
        })
    }
}

async fn look(
    caller: &Caller,
    namespace: &str,
    job: &Value,
    rehearsal: &Rehearsal,
) -> Result<Vec<Check>> {
    let Some(runtime) = runtime(caller, namespace, job).await? else {
        let fix = "list_runtimes shows what there is";
        return Ok(vec![Check::fail("runtime", "the runtime is gone, or cannot be read", fix)]);
    };
    let shape = Shape::of(job, &runtime, QUEUE_LABEL);
    let cluster = Cluster::look(caller, namespace, &shape, rehearsal.requests + 1).await?;
    let mut checks =
        vec![checks::pods(&cluster), checks::image(&shape), amounts::nodes(&shape, &cluster)];
    checks.extend(amounts::quota(&shape, &cluster));
    checks.extend(checks::secrets(&shape, &cluster));
    checks.extend(checks::storage(&shape, &cluster));
    checks.extend(checks::queue(&shape, &cluster));
    Ok(checks)
}

/// The tool of that name, if it submits jobs.
fn submitting(name: &str) -> Result<&'static ToolDef> {
    let tools = || submission::TOOLS.iter().filter(|it| it.effect == Effect::Creates);
    tools().find(|it| it.name == name).ok_or_else(|| {
        let names: Vec<&str> = tools().map(|it| it.name).collect();
        let guess = did_you_mean(name, names.iter().copied());
        Error::value("tool", name, format!("not one of {}{guess}", names.join(", ")))
    })
}

/// The runtime that the job names.
async fn runtime(caller: &Caller, namespace: &str, job: &Value) -> Result<Option<Runtime>> {
    let reference = &job["spec"]["runtimeRef"];
    let path = match reference["kind"].as_str() {
        Some("TrainingRuntime") => {
            format!("/apis/{GROUP}/v1alpha1/namespaces/{namespace}/{}", RUNTIMES.plural)
        }
        _ => format!("/apis/{GROUP}/v1alpha1/{}", CLUSTER_RUNTIMES.plural),
    };
    let name = reference["name"].as_str().unwrap_or_default();
    let one = ListParams::default().fields(&format!("metadata.name={name}"));
    let request = Request::new(path).list(&one).map_err(kube::Error::BuildRequest)?;
    let found: ObjectList<Value> = caller.client().request(request).await?;
    let found = found.items.into_iter().next();
    Ok(found.and_then(|it| Runtime::deserialize(it).ok()))
}

/// What tells one job from another; the checks have the rest.
fn summary(preview: Value) -> Value {
    let told = ["name", "namespace", "runtime", "image", "nodes", "resources", "command"];
    let kept = told.into_iter().filter_map(|it| Some((it.to_owned(), preview.get(it)?.clone())));
    json!(kept.collect::<Map<String, Value>>())
}

#[cfg(test)]
#[cfg(feature = "local")]
mod tests;
