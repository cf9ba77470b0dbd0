//! The workload that each trial is, with places for the parameters.

use std::collections::BTreeMap;

use kubeflow_mcp_core::{Error, Result};
use local_kube::HOST_PYTHON;
use serde_json::{Map, Value, json};
use workloads::{
    image as images,
    train_job::{
        GROUP,
        choice::Chosen,
        names::{self, Name},
        options::Options,
        placement::Placement,
        plan::{self, Generation, Plan, Size},
        resources,
        runtime::Runtime,
    },
};

use super::program::Program;
use crate::api::{Setting, TrialTemplate};

/// The container that the program runs in, of both kinds of trial.
const CONTAINER: &str = "node";
/// `-` and eight letters, by which Katib makes an experiment's name a trial's.
const APPENDED: usize = 9;
/// What Katib takes.
const LONGEST_NAME: usize = 40;
const ROLE: &str = "jobset.sigs.k8s.io/replicatedjob-name";
const RANK: &str = "batch.kubernetes.io/job-completion-index";

/// The workload of a trial, and what is told of it.
#[derive(Debug, Default)]
pub(super) struct Trial {
    pub(super) kind: &'static str,
    /// The workload as an older Trainer takes it.
    pub(super) older: Option<Value>,
    /// Without a name, and with places for the parameters.
    pub(super) workload: Value,
    primary_pod_labels: BTreeMap<String, String>,
    pub(super) runtime: Option<String>,
    pub(super) runtime_chosen: Option<String>,
    pub(super) image: Option<String>,
    pub(super) command: String,
    pub(super) resources: BTreeMap<String, String>,
    pub(super) queue: Option<String>,
    pub(super) time_limit_seconds: Option<i64>,
    pub(super) warnings: Vec<String>,
}

/// What every trial is given besides its program.
pub(super) struct Provision<'a> {
    pub(super) image: Option<&'a str>,
    pub(super) resources: &'a Map<String, Value>,
    pub(super) options: Options,
    /// What a cluster of processes is to provide of Python, where the program is Python.
    pub(super) packages: Option<&'a [String]>,
}

impl Trial {
    /// A Job of one Pod.
    pub(super) fn job(name: &str, program: Program, provision: Provision<'_>) -> Result<Self> {
        let Provision { image, resources, options, packages } = provision;
        check_name(name, &[], 1)?;
        let resources = resources::named("resources_per_trial", resources, &Runtime::default())?;
        let mut container = json!({
            "name": CONTAINER,
            "image": image,
            "command": ["sh", "-c"],
            "args": [program.line],
            "env": program.env,
        });
        if !resources.is_empty() {
            container["resources"] = json!({"requests": resources, "limits": resources});
        }
        let packages = packages.filter(|it| !it.is_empty() || image == Some(HOST_PYTHON));
        let mut pod = Placement::of(&options, packages).pod();
        if let Some(mounts) = pod.pointer_mut("/spec/containers/0/volumeMounts") {
            container["volumeMounts"] = mounts.take();
        }
        pod["spec"]["containers"] = json!([container]);
        pod["spec"]["restartPolicy"] = json!("Never");
        // A mesh's proxy beside the program would outlive it, and the trial never end.
        pod["metadata"]["labels"] = json!({"sidecar.istio.io/inject": "false"});
        let mut spec = json!({"backoffLimit": 0, "template": pod});
        if let Some(seconds) = options.time_limit_seconds {
            spec["activeDeadlineSeconds"] = json!(seconds);
        }
        let unpinned = image.filter(|it| *it != HOST_PYTHON && !images::is_pinned(it));
        let warning = "the image has no tag or digest, so it may change between trials".to_owned();
        Ok(Self {
            kind: "Job",
            workload: workload("batch/v1", "Job", &options, spec),
            image: image.map(str::to_owned),
            command: program.summary,
            resources,
            queue: options.queue().cloned(),
            time_limit_seconds: options.time_limit_seconds,
            warnings: unpinned.map(|_| warning).into_iter().collect(),
            ..Self::default()
        })
    }

    /// A TrainJob, which a runtime makes Pods of.
    pub(super) fn train_job(
        name: &str,
        chosen: Chosen,
        program: Program,
        provision: Provision<'_>,
    ) -> Result<Self> {
        let Provision { image, resources, options, packages } = provision;
        resources::named("resources_per_trial", resources, &chosen.runtime)?;
        let jobs = &chosen.runtime.spec.template.spec.replicated_jobs;
        let jobs: Vec<&str> = jobs.iter().map(|it| it.name.as_str()).collect();
        check_name(name, &jobs, chosen.runtime.nodes())?;
        let primary_pod_labels = primary_pod_labels(&jobs);
        let plan = Plan::of(
            Name { given: name, appended: APPENDED },
            chosen,
            &Size { resources: Some(resources), ..Size::default() },
            options,
            plan::Program {
                image: image.map(str::to_owned),
                command: vec!["sh".to_owned(), "-c".to_owned()],
                args: vec![program.line],
                env: program.env,
                packages: packages.map(<[String]>::to_vec),
                initializer: None,
            },
        )?;
        let nameless = |generation| {
            let mut job = plan.train_job(generation);
            if let Some(metadata) = job["metadata"].as_object_mut() {
                metadata.remove("name");
            }
            job
        };
        Ok(Self {
            kind: "TrainJob",
            workload: nameless(Generation::Patches),
            older: Some(nameless(Generation::Overrides)),
            primary_pod_labels,
            runtime: Some(plan.chosen.reference.name.clone()),
            runtime_chosen: plan.chosen.why.clone(),
            image: plan.image().map(str::to_owned),
            command: program.summary,
            resources: plan.resources.clone(),
            queue: plan.options.queue().cloned(),
            time_limit_seconds: plan.options.time_limit_seconds,
            warnings: plan.warnings(),
        })
    }

    /// A TrainJob like one that there is.
    pub(super) fn like(
        name: &str,
        mut workload: Value,
        runtime: &Runtime,
        program: Program,
    ) -> Result<Self> {
        let jobs = &runtime.spec.template.spec.replicated_jobs;
        let jobs: Vec<&str> = jobs.iter().map(|it| it.name.as_str()).collect();
        let trainer = &mut workload["spec"]["trainer"];
        let nodes = trainer["numNodes"].as_i64().and_then(|it| i32::try_from(it).ok());
        check_name(name, &jobs, nodes.unwrap_or_else(|| runtime.nodes()))?;
        trainer["command"] = json!(["sh", "-c"]);
        trainer["args"] = json!([program.line]);
        trainer["env"] = json!(program.env);
        let image = trainer["image"].as_str().or(runtime.image()).map(str::to_owned);
        Ok(Self {
            kind: "TrainJob",
            primary_pod_labels: primary_pod_labels(&jobs),
            runtime: workload["spec"]["runtimeRef"]["name"].as_str().map(str::to_owned),
            image,
            command: program.summary,
            time_limit_seconds: workload["spec"]["activeDeadlineSeconds"].as_i64(),
            workload,
            ..Self::default()
        })
    }

    /// For the experiment. All that Katib would add by itself stands in it.
    pub(super) fn template(&self) -> TrialTemplate {
        let condition =
            |name: &str| format!(r#"status.conditions.#(type=="{name}")#|#(status=="True")#"#);
        TrialTemplate {
            trial_spec: Some(self.workload.clone()),
            primary_container_name: Some(CONTAINER.to_owned()),
            primary_pod_labels: self.primary_pod_labels.clone(),
            success_condition: Some(condition("Complete")),
            failure_condition: Some(condition("Failed")),
            // The logs go with the Pods.
            retain: Some(true),
            ..TrialTemplate::default()
        }
    }
}

/// One trial's workload, as Katib would make it.
pub(super) fn rendered(template: &Value, name: &str, values: &[Setting]) -> Result<Value> {
    let mut text = template.to_string();
    for Setting { name, value } in values {
        text = text.replace(&super::parameters::placeholder(name), value);
    }
    let mut workload: Value = serde_json::from_str(&text).map_err(Error::Output)?;
    workload["metadata"]["name"] = json!(name);
    Ok(workload)
}

fn workload(version: &str, kind: &str, options: &Options, spec: Value) -> Value {
    let mut workload = json!({"apiVersion": version, "kind": kind, "spec": spec});
    for (field, held) in [("labels", &options.labels), ("annotations", &options.annotations)] {
        // Katib refuses a Job with an empty field, which it loses when it reads the Job.
        if !held.is_empty() {
            workload["metadata"][field] = json!(held);
        }
    }
    workload
}

/// The Pod that prints the metrics: the first that trains, or with MPI the one that starts the others.
fn primary_pod_labels(jobs: &[&str]) -> BTreeMap<String, String> {
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    match jobs.contains(&"launcher") {
        true => [label(ROLE, "launcher")].into(),
        false => [label(ROLE, "node"), label(RANK, "0")].into(),
    }
}

/// `jobs` are the runtime's, of which each makes Pods named after the trial.
fn check_name(name: &str, jobs: &[&str], nodes: i32) -> Result<()> {
    let checked = names::check(Name { given: name, appended: APPENDED }, jobs, nodes);
    let length = name.len();
    if checked.is_ok() && length > LONGEST_NAME {
        let problem = format!(
            "with {length} characters, must have at most {LONGEST_NAME}: Katib takes no longer ones"
        );
        return Err(Error::value("name", name, problem));
    }
    checked
}

/// Where a workload of this kind is created.
pub(super) fn path(workload: &Value, namespace: &str) -> String {
    match workload["kind"].as_str() {
        Some("TrainJob") => format!("/apis/{GROUP}/v1alpha1/namespaces/{namespace}/trainjobs"),
        _ => format!("/apis/batch/v1/namespaces/{namespace}/jobs"),
    }
}
