//! What Python packages a runtime's image has, found out by a short job that is removed afterwards.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, LogParams};
use kubeflow_mcp_core::{Caller, Effect, Error, Need, Persona, Result, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use workloads::{
    creation,
    events::EVENTS,
    logs::POD_LOGS,
    phase::Standing,
    pods::PODS,
    train_job::{
        CONTAINER, GROUP, TRAIN_JOBS, TrainJob,
        catalogue::{Catalogue, Entry},
        runtime::{CLUSTER_RUNTIMES, RUNTIMES, Runtime},
        steps,
    },
};

use crate::waiting;

/// Pulling a large image takes minutes.
const PATIENCE_SECONDS: u32 = 600;
/// What the line begins with that has the answer, among whatever an image prints besides.
const MARK: &str = "kubeflow-mcp-packages ";
const PROGRAM: &str = "
import importlib.metadata as metadata, json, platform
found = sorted({(it.metadata['Name'] or '') + '==' + it.version for it in metadata.distributions()}, key=str.lower)
print('kubeflow-mcp-packages ' + json.dumps({'python': platform.python_version(), 'machine': platform.machine(), 'packages': found}), flush=True)
";

/// Runs a short job of a runtime's image, lists its Python packages, and removes the job.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetRuntimePackages {
    /// The runtime's.
    name: String,
    /// Default: yours.
    namespace: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Packages {
    /// The runtime's.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// The job that finds it out.
    job: String,
    /// Whether that job is gone again.
    removed: bool,
    /// The version of Python.
    #[serde(skip_serializing_if = "Option::is_none")]
    python: Option<String>,
    /// The kind of processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<String>,
    /// `name==version`, by name.
    packages: Vec<String>,
}

/// What the program prints.
#[derive(Deserialize)]
struct Found {
    python: String,
    machine: String,
    packages: Vec<String>,
}

impl Tool for GetRuntimePackages {
    type Output = Packages;
    const NAME: &str = "get_runtime_packages";
    const TITLE: &str = "List a runtime's Python packages";
    const EFFECT: Effect = Effect::Creates;
    const PERSONA: Persona = Persona::MlEngineer;
    const NEEDS: &[Need] = &[
        Need::to(&["create", "get", "list", "watch", "delete"], TRAIN_JOBS),
        Need::to(&["list", "watch"], PODS),
        Need::to(&["get"], POD_LOGS),
        Need::perhaps(&["list"], EVENTS),
        Need::perhaps(&["list"], CLUSTER_RUNTIMES),
        Need::perhaps(&["list"], RUNTIMES),
    ];

    async fn call(self, caller: &Caller) -> Result<Packages> {
        let namespace = caller.namespace(self.namespace.as_deref());
        let catalogue = Catalogue::of(caller, Some(namespace)).await?;
        let entry = catalogue.find(&self.name).ok_or_else(|| catalogue.unknown(&self.name))?;
        let runtime = usable(entry)?;
        let job: String =
            format!("packages-{}", caller.digest().chars().take(8).collect::<String>());
        let path = format!("/apis/{GROUP}/v1alpha1/namespaces/{namespace}/{}", TRAIN_JOBS.plural);
        creation::create(caller, &path, train_job(&job, entry, runtime)).await?;
        let mut packages = Packages {
            image: runtime.image().map(str::to_owned),
            job,
            removed: false,
            python: None,
            machine: None,
            packages: Vec::new(),
            name: self.name,
        };
        if caller.rehearses() {
            return Ok(packages);
        }
        let found = find_out(caller, namespace, &packages.job).await;
        let jobs = caller.api::<TrainJob>(Some(namespace));
        let removed = jobs.delete(&packages.job, &DeleteParams::background()).await;
        let found = found?;
        packages.removed = removed.is_ok();
        packages.python = Some(found.python);
        packages.machine = Some(found.machine);
        packages.packages = found.packages;
        Ok(packages)
    }
}

fn usable(entry: &Entry) -> Result<&Runtime> {
    let refused = |why: &str| Error::value("name", entry.name.clone(), why);
    let runtime = entry.runtime.as_ref();
    let runtime =
        runtime.map_err(|problem| refused(&format!("which cannot be read: {problem}")))?;
    if runtime.is_builtin() {
        return Err(refused(
            "whose jobs begin with downloading a model and a dataset: its packages are its recipes' own",
        ));
    }
    match runtime.trainer() {
        Some(_) => Ok(runtime),
        None => Err(refused("which has no container \"node\" to look into")),
    }
}

/// One node without devices, which nobody needs to read a list.
fn train_job(name: &str, entry: &Entry, runtime: &Runtime) -> Value {
    let mut trainer = json!({"numNodes": 1, "command": ["python", "-c", PROGRAM]});
    if let Some((device, _)) = runtime.device() {
        trainer["resourcesPerNode"] = json!({"requests": {device: "0"}, "limits": {device: "0"}});
    }
    let reference = json!({"apiGroup": GROUP, "kind": entry.kind.name(), "name": entry.name});
    json!({
        "apiVersion": format!("{GROUP}/v1alpha1"),
        "kind": "TrainJob",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "kubeflow-mcp"}},
        "spec": {"runtimeRef": reference, "trainer": trainer},
    })
}

/// Waits for the job, and reads what it has printed.
async fn find_out(caller: &Caller, namespace: &str, name: &str) -> Result<Found> {
    waiting::until_over(caller, namespace, name, PATIENCE_SECONDS).await?;
    let job = TrainJob::find(caller, Some(namespace), name).await?;
    let members = steps::pods(caller, &job).await?.unwrap_or_default();
    let params = LogParams {
        container: Some(CONTAINER.to_owned()),
        tail_lines: Some(200),
        ..LogParams::default()
    };
    for member in &members {
        let log = caller.api::<Pod>(Some(namespace)).logs(&member.pod, &params).await;
        let line = log
            .ok()
            .and_then(|log| log.lines().find_map(|it| it.strip_prefix(MARK).map(str::to_owned)));
        if let Some(found) = line.and_then(|it| serde_json::from_str(&it).ok()) {
            return Ok(found);
        }
    }
    let standing = Standing::now(&job, &members);
    let why =
        [standing.reason, standing.message].into_iter().flatten().collect::<Vec<_>>().join(": ");
    let why = if why.is_empty() { "it printed no list".to_owned() } else { why };
    Err(Error::conflict(
        format!("the job that looks into the image is {:?}: {why}; it is removed", standing.phase),
        "the image must have Python, and a node must be able to pull it within ten minutes",
    ))
}
