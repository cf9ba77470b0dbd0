//! The TrainJob that a call asks for.

use std::collections::BTreeMap;

use kubeflow_mcp_core::Result;
use serde_json::{Value, json};
use workloads::{
    code::{Code, Delivery, Start},
    creation::REQUEST_DIGEST,
};

use super::{
    RunCustomTraining, environment, names,
    placement::Placement,
    resources,
    runtime::{self, Chosen},
};
use crate::api::{GROUP, runtime::Runtime};

/// Everything about a job but its name, checked.
pub(super) struct Plan<'a> {
    asked: &'a RunCustomTraining,
    chosen: &'a Chosen,
    pub(super) delivery: Delivery,
    pub(super) start: Start,
    pub(super) nodes: i32,
    /// What the job asks for on top of its runtime.
    own_resources: BTreeMap<String, String>,
    /// What each node gets in all.
    pub(super) resources: BTreeMap<String, String>,
    processes: Option<i32>,
    placement: Placement,
}

/// How a TrainJob says where its Pods run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    /// `runtimePatches`, since 2.2.
    Patches,
    /// `podTemplateOverrides`, before that.
    Overrides,
}

impl<'a> Plan<'a> {
    pub(super) fn of(asked: &'a RunCustomTraining, name: &str, chosen: &'a Chosen) -> Result<Self> {
        let runtime = &chosen.runtime;
        let nodes = asked.num_nodes.unwrap_or_else(|| runtime.nodes());
        let jobs = &runtime.spec.template.spec.replicated_jobs;
        names::check(name, &jobs.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), nodes)?;
        let start = runtime::start(runtime);
        let code = Code {
            source: &asked.script,
            start,
            func_args: &asked.func_args,
            packages: &asked.packages,
            pip_index_urls: &asked.pip_index_urls,
            env: environment::variables(&asked.env)?,
        };
        let own_resources =
            resources::asked(&asked.resources_per_node, asked.gpu_per_node, runtime)?;
        let resources = resources::merged(&own_resources, runtime);
        Ok(Self {
            delivery: code.deliver()?,
            processes: resources::uncounted_devices(&resources)
                .filter(|_| start == Start::Torchrun),
            placement: Placement::of(asked, image(asked, runtime)),
            asked,
            chosen,
            start,
            nodes,
            own_resources,
            resources,
        })
    }

    pub(super) fn image(&self) -> Option<String> {
        image(self.asked, &self.chosen.runtime).map(str::to_owned)
    }

    pub(super) fn train_job(&self, name: &str, generation: Generation) -> Value {
        let jobs = self.chosen.runtime.trainer_jobs();
        let (field, patches) = match generation {
            Generation::Patches => ("runtimePatches", self.placement.runtime_patches(&jobs)),
            Generation::Overrides => {
                ("podTemplateOverrides", self.placement.pod_template_overrides(&jobs))
            }
        };
        let mut spec = json!({"runtimeRef": self.chosen.reference, "trainer": self.trainer()});
        if let Some(patches) = patches {
            spec[field] = patches;
        }
        let mut labels = self.asked.labels.clone();
        labels
            .entry("app.kubernetes.io/managed-by".to_owned())
            .or_insert("kubeflow-mcp".to_owned());
        json!({
            "apiVersion": format!("{GROUP}/v1alpha1"),
            "kind": "TrainJob",
            "metadata": {"name": name, "labels": labels, "annotations": self.asked.annotations},
            "spec": spec,
        })
    }

    fn trainer(&self) -> Value {
        let mut trainer = json!({
            "command": self.delivery.command,
            "env": self.delivery.env,
        });
        if !self.delivery.args.is_empty() {
            trainer["args"] = json!(self.delivery.args);
        }
        if let Some(nodes) = self.asked.num_nodes {
            trainer["numNodes"] = json!(nodes);
        }
        if let Some(image) = &self.asked.image {
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

    /// How many processes each node starts, and why.
    pub(super) fn processes(&self) -> String {
        let devices = self.resources.iter().find(|(name, _)| name.to_lowercase().contains("gpu"));
        match (self.start, self.processes, devices) {
            (Start::Python, ..) => "1".to_owned(),
            (Start::Mpirun, ..) => "one a slot of the host file".to_owned(),
            (Start::Torchrun, Some(count), _) => format!("{count}, one a device"),
            (Start::Torchrun, None, Some((name, count))) if count != "0" => {
                format!("{count}, one a {name}")
            }
            (Start::Torchrun, None, _) => match self.resources.get("cpu") {
                Some(cpus) => format!("{cpus} rounded up, one a CPU, since no GPU is asked for"),
                None => "1, since neither a GPU nor CPUs are asked for".to_owned(),
            },
        }
    }

    /// What is allowed, but should be known before the job starts.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.chosen.runtime.is_deprecated() {
            warnings.push(format!("runtime {:?} is deprecated", self.chosen.reference.name));
        }
        if environment::holds_token(&self.asked.script) {
            let advice = "everyone who may read the job can read it; give it in env from a Secret";
            warnings.push(format!("the script holds what looks like a token: {advice}"));
        }
        let image = self.image();
        if self.asked.image.is_some() && image.as_deref().is_some_and(|it| !is_pinned(it)) {
            warnings
                .push("the image has no tag or digest, so it may change between nodes".to_owned());
        }
        warnings
    }
}

fn image<'a>(asked: &'a RunCustomTraining, runtime: &'a Runtime) -> Option<&'a str> {
    asked.image.as_deref().or(runtime.image())
}

/// Whether a tag or digest says which version of an image is meant. A registry's port is no tag.
fn is_pinned(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    name.contains(':') || name.contains('@')
}

/// What admission has changed or added, as `path = value`; that it stamps patches says nothing.
pub(super) fn set_by_cluster(sent: &Value, stored: &Value) -> Vec<String> {
    let mut changes = Vec::new();
    compare("spec", &sent["spec"], &stored["spec"], &mut changes);
    for field in ["labels", "annotations"] {
        let mut added = stored["metadata"][field].clone();
        if let Some(annotations) = added.as_object_mut() {
            annotations.remove(REQUEST_DIGEST);
        }
        compare(field, &sent["metadata"][field], &added, &mut changes);
    }
    /// More would hide what matters.
    const MOST: usize = 20;
    let more = changes.len().saturating_sub(MOST);
    changes.truncate(MOST);
    if more > 0 {
        changes.push(format!("{more} more"));
    }
    changes
}

fn compare(path: &str, sent: &Value, stored: &Value, changes: &mut Vec<String>) {
    match (sent, stored) {
        (sent, stored) if sent == stored => {}
        (sent, Value::Object(fields)) if sent.is_object() || fields.len() < 4 => {
            for (field, value) in fields.iter().filter(|(field, _)| *field != "time") {
                compare(&format!("{path}.{field}"), &sent[field], value, changes);
            }
        }
        (Value::Array(items), Value::Array(others)) if items.len() == others.len() => {
            for (index, (item, other)) in items.iter().zip(others).enumerate() {
                compare(&format!("{path}[{index}]"), item, other, changes);
            }
        }
        (_, Value::Null) => {}
        (_, stored) => {
            let text: String = stored.to_string().chars().take(100).collect();
            changes.push(format!("{path} = {text}"));
        }
    }
}

#[cfg(test)]
mod tests;
