//! The TrainJob that a call asks for.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::EnvVar;
use kubeflow_mcp_core::{Error, Result};
use local_kube::HOST_PYTHON;
use serde_json::{Map, Value, json};

use super::{
    GROUP,
    choice::Chosen,
    names::{self, Name},
    options::Options,
    placement::{Jobs, Placement},
    resources,
};
use crate::{
    image,
    output::{OUTPUT, Output},
};

/// What a tool puts into the container that trains, and before it.
#[derive(Default)]
pub struct Program {
    pub image: Option<String>,
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub env: Vec<EnvVar>,
    /// What a cluster of processes is to provide of Python, where the program is Python.
    pub packages: Option<Vec<String>>,
    pub initializer: Option<Value>,
}

/// How much a job is asked to have.
#[derive(Default)]
pub struct Size<'a> {
    pub nodes: Option<i32>,
    pub gpus: Option<u32>,
    pub resources: Option<&'a Map<String, Value>>,
}

/// Everything about a job, checked.
pub struct Plan {
    pub name: String,
    pub chosen: Chosen,
    pub program: Program,
    pub options: Options,
    /// Where its model lands, as others name it.
    pub output: Option<String>,
    pub nodes: i32,
    asked_nodes: Option<i32>,
    /// What the job asks for on top of its runtime.
    pub own_resources: BTreeMap<String, String>,
    /// What each node gets in all.
    pub resources: BTreeMap<String, String>,
    /// How many processes each node starts, where the Trainer would count wrongly.
    pub processes: Option<i32>,
}

/// How a TrainJob says where its Pods run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// `runtimePatches`, since 2.2.
    Patches,
    /// `podTemplateOverrides`, before that.
    Overrides,
}

impl Plan {
    pub fn of(
        name: Name<'_>,
        chosen: Chosen,
        size: &Size<'_>,
        options: Options,
        program: Program,
    ) -> Result<Self> {
        let runtime = &chosen.runtime;
        let nodes = size.nodes.unwrap_or_else(|| runtime.nodes());
        let jobs = &runtime.spec.template.spec.replicated_jobs;
        names::check(name, &jobs.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), nodes)?;
        let own_resources =
            resources::asked(size.resources.unwrap_or(&Map::new()), size.gpus, runtime)?;
        let resources = resources::merged(&own_resources, runtime);
        Ok(Self {
            name: name.given.to_owned(),
            processes: resources::uncounted_devices(&resources)
                .filter(|_| runtime.spec.ml_policy.torch.is_some()),
            program,
            options,
            output: None,
            nodes,
            asked_nodes: size.nodes,
            own_resources,
            resources,
            chosen,
        })
    }

    /// Has the model land there: `at` is where a program writes that reads no variable.
    pub fn land(mut self, output: Option<&Output>, at: Option<&str>) -> Result<Self> {
        let Some(output) = output else { return Ok(self) };
        if matches!(output, Output::Folder(_)) && self.image() != Some(HOST_PYTHON) {
            let problem = "a folder that only Pods of a local cluster see: give pvc://CLAIM/PATH or s3://BUCKET/PATH";
            return Err(Error::value("output", output.address(), problem));
        }
        if let Some((volume, mount)) = output.volume(at) {
            self.options.volumes.push(volume);
            self.options.volume_mounts.push(mount);
        }
        self.output = Some(output.address());
        Ok(self)
    }

    pub fn image(&self) -> Option<&str> {
        self.program.image.as_deref().or(self.chosen.runtime.image())
    }

    pub fn train_job(&self, generation: Generation) -> Value {
        let runtime = &self.chosen.runtime;
        let fetching =
            if self.program.initializer.is_some() { runtime.initializers() } else { vec![] };
        let jobs = Jobs { training: runtime.trainer_jobs(), fetching };
        let packages = self.program.packages.as_deref();
        // Only there is it read, or where packages are asked for.
        let packages = packages.filter(|it| !it.is_empty() || self.image() == Some(HOST_PYTHON));
        let placement = Placement::of(&self.options, packages);
        let (field, patches) = match generation {
            Generation::Patches => ("runtimePatches", placement.runtime_patches(&jobs)),
            Generation::Overrides => {
                ("podTemplateOverrides", placement.pod_template_overrides(&jobs))
            }
        };
        let mut spec = json!({"runtimeRef": self.chosen.reference, "trainer": self.trainer()});
        if let Some(initializer) = &self.program.initializer {
            spec["initializer"] = initializer.clone();
        }
        if let Some(patches) = patches {
            spec[field] = patches;
        }
        if let Some(seconds) = self.options.time_limit_seconds {
            spec["activeDeadlineSeconds"] = json!(seconds);
        }
        let mut labels = self.options.labels.clone();
        labels
            .entry("app.kubernetes.io/managed-by".to_owned())
            .or_insert("kubeflow-mcp".to_owned());
        let mut annotations = self.options.annotations.clone();
        annotations.extend(self.output.clone().map(|it| (OUTPUT.to_owned(), it)));
        json!({
            "apiVersion": format!("{GROUP}/v1alpha1"),
            "kind": "TrainJob",
            "metadata": {"name": self.name, "labels": labels, "annotations": annotations},
            "spec": spec,
        })
    }

    fn trainer(&self) -> Value {
        let Program { image, command, args, env, .. } = &self.program;
        let mut trainer = json!({});
        for (field, words) in [("command", command), ("args", args)] {
            if !words.is_empty() {
                trainer[field] = json!(words);
            }
        }
        if !env.is_empty() {
            trainer["env"] = json!(env);
        }
        if let Some(nodes) = self.asked_nodes {
            trainer["numNodes"] = json!(nodes);
        }
        if let Some(image) = image {
            trainer["image"] = json!(image);
        }
        if let Some(processes) = self.processes {
            trainer["numProcPerNode"] = json!(processes);
        }
        if !self.own_resources.is_empty() {
            let resources = &self.own_resources;
            trainer["resourcesPerNode"] = json!({"requests": resources, "limits": resources});
        }
        trainer
    }

    /// What is allowed, but should be known before the job starts.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.chosen.runtime.is_deprecated() {
            warnings.push(format!("runtime {:?} is deprecated", self.chosen.reference.name));
        }
        if self.program.image.as_deref().is_some_and(|it| !image::is_pinned(it)) {
            warnings
                .push("the image has no tag or digest, so it may change between nodes".to_owned());
        }
        warnings
    }
}
