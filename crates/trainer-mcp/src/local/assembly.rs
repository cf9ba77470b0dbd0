//! From a TrainJob and its runtime to the JobSet that carries it out.

mod environment;
mod patches;
pub(super) mod torchtune;

pub(super) use self::{environment::gpus, patches::metadata};

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{
        Container, ContainerPort, EnvFromSource, EnvVar, ResourceRequirements, SecretEnvSource,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{ResourceExt as _, core::Status};
use serde_json::Value;

use crate::local::{
    job_set::{JobSet, JobSetSpec, ReplicatedJob},
    ownership::owned_by,
    train_job::{
        DATASET_INITIALIZER, MODEL_INITIALIZER, MlPolicy, NODE, Runtime, RuntimeSpec, Source,
        TRAINER, TrainJob,
    },
};

/// The port on which the first rank of a job is found.
const TRAINER_PORT: i32 = 29500;

/// Why no JobSet can be made. The words reach the user in an event.
#[derive(Debug, thiserror::Error)]
pub(super) enum AssemblyError {
    #[error("the runtime's template is not a JobSet: {0}")]
    Template(#[from] serde_json::Error),
    #[error("a runtime patch cannot be merged: {}", .0.message)]
    Patch(#[from] Box<Status>),
    #[error(
        "envInjection target podSet {job:?} container {container:?} not found in runtime template"
    )]
    EnvInjection { job: String, container: String },
    /// A scheduler's kind, missing here as in a cluster without that scheduler.
    #[error("no matches for kind \"PodGroup\" in version {0:?}")]
    PodGroup(&'static str),
    #[error(
        "the local cluster cannot run the {0} policy: its ranks start each other over the network of a real cluster"
    )]
    Policy(&'static str),
}

/// The JobSet of a TrainJob.
pub(super) fn job_set(job: &TrainJob, runtime: &Runtime) -> Result<JobSet, AssemblyError> {
    refuse_what_cannot_run(&runtime.spec)?;
    let mut spec = template(job, &runtime.spec)?;
    let count = nodes(job, &runtime.spec, &spec);
    let surroundings = environment::of(job, &runtime.spec, &spec, count);
    for replicated in &mut spec.replicated_jobs {
        let pods = if replicated.ancestor() == Some(TRAINER) {
            count
        } else {
            replicated.job_spec().and_then(|spec| spec.parallelism).unwrap_or(1)
        };
        let job_spec = replicated.job_spec_mut();
        (job_spec.parallelism, job_spec.completions) = (Some(pods), Some(pods));
    }
    inject(&mut spec, &runtime.spec, &surroundings)?;
    set_trainer(&mut spec, job, runtime.spec.ml_policy.as_ref(), surroundings);
    let initializer = job.spec.initializer.clone().unwrap_or_default();
    set_initializer(&mut spec, DATASET_INITIALIZER, initializer.dataset);
    set_initializer(&mut spec, MODEL_INITIALIZER, initializer.model);
    spec.suspend = job.spec.suspend;

    let (labels, annotations) = patches::metadata(job, &runtime.spec.template.metadata);
    let mut job_set = JobSet::new(&job.name_any(), spec);
    job_set.metadata = ObjectMeta {
        namespace: job.namespace(),
        labels: (!labels.is_empty()).then_some(labels),
        annotations: (!annotations.is_empty()).then_some(annotations),
        owner_references: owned_by(job),
        ..job_set.metadata
    };
    Ok(job_set)
}

/// The runtime's template with the TrainJob's patches and resources merged into it.
pub(super) fn template(job: &TrainJob, runtime: &RuntimeSpec) -> Result<JobSetSpec, AssemblyError> {
    let mut template = runtime.template.spec.clone();
    for patch in &job.spec.runtime_patches {
        patches::merge(&mut template, patch)?;
    }
    let mut spec = read_template(template)?;
    let resources = job.spec.trainer.as_ref().and_then(|it| it.resources_per_node.as_ref());
    if let (Some(resources), true) = (resources, runtime.ml_policy.is_some()) {
        for replicated in
            spec.replicated_jobs.iter_mut().filter(|it| it.ancestor() == Some(TRAINER))
        {
            for container in containers(replicated, NODE) {
                add_resources(container.resources.get_or_insert_default(), resources);
            }
        }
    }
    Ok(spec)
}

fn read_template(template: Value) -> Result<JobSetSpec, AssemblyError> {
    Ok(match template {
        Value::Null => JobSetSpec::default(),
        template => serde_json::from_value(template)?,
    })
}

/// What one node may use: what the TrainJob says, else what the runtime's container says.
pub(super) fn resources_per_node(job: &TrainJob, spec: &JobSetSpec) -> ResourceRequirements {
    let own = job.spec.trainer.as_ref().and_then(|trainer| trainer.resources_per_node.as_ref());
    let container = || spec.container_of(TRAINER, NODE).and_then(|it| it.resources.as_ref());
    own.or_else(container).cloned().unwrap_or_default()
}

fn refuse_what_cannot_run(runtime: &RuntimeSpec) -> Result<(), AssemblyError> {
    refuse_policy(runtime)?;
    match &runtime.pod_group_policy {
        Some(policy) if policy.get("coscheduling").is_some() => {
            Err(AssemblyError::PodGroup("scheduling.x-k8s.io/v1alpha1"))
        }
        Some(policy) if policy.get("volcano").is_some() => {
            Err(AssemblyError::PodGroup("scheduling.volcano.sh/v1beta1"))
        }
        _ => Ok(()),
    }
}

/// Refuses what only a real cluster's network carries.
pub(super) fn refuse_policy(runtime: &RuntimeSpec) -> Result<(), AssemblyError> {
    match &runtime.ml_policy {
        Some(policy) if policy.mpi.is_some() => Err(AssemblyError::Policy("mpi")),
        Some(policy) if policy.flux.is_some() => Err(AssemblyError::Policy("flux")),
        _ => Ok(()),
    }
}

/// How many Pods train.
fn nodes(job: &TrainJob, runtime: &RuntimeSpec, spec: &JobSetSpec) -> i32 {
    let own = job.spec.trainer.as_ref().and_then(|trainer| trainer.num_nodes);
    let of_runtime = || match &runtime.ml_policy {
        Some(policy) => policy.num_nodes,
        None => {
            let trainer = spec.replicated_jobs.iter().find(|it| it.ancestor() == Some(TRAINER))?;
            trainer.job_spec()?.parallelism
        }
    };
    own.or_else(of_runtime).unwrap_or(1)
}

/// Gives the torch environment to the further containers that the runtime names.
fn inject(
    spec: &mut JobSetSpec,
    runtime: &RuntimeSpec,
    surroundings: &environment::Environment,
) -> Result<(), AssemblyError> {
    let torch = runtime.ml_policy.as_ref().and_then(|policy| policy.torch.as_ref());
    let Some(injection) = torch.and_then(|torch| torch.env_injection.as_ref()) else {
        return Ok(());
    };
    for target in &injection.targets {
        for name in &target.container_names {
            let job = spec.replicated_jobs.iter_mut().find(|job| job.name == target.job_name);
            let mut found = job.into_iter().flat_map(|job| all_containers(job, name)).peekable();
            if found.peek().is_none() {
                return Err(AssemblyError::EnvInjection {
                    job: target.job_name.clone(),
                    container: name.clone(),
                });
            }
            for container in found {
                upsert_env(container, &surroundings.processes);
                upsert_env(container, &surroundings.master);
            }
        }
    }
    Ok(())
}

fn set_trainer(
    spec: &mut JobSetSpec,
    job: &TrainJob,
    policy: Option<&MlPolicy>,
    surroundings: environment::Environment,
) {
    let distributed = policy.is_some_and(|policy| {
        policy.torch.is_some() || policy.jax.is_some() || policy.xgboost.is_some()
    });
    for replicated in spec.replicated_jobs.iter_mut().filter(|it| it.ancestor() == Some(TRAINER)) {
        replicated.replicas = Some(1);
        let Some(trainer) = &job.spec.trainer else { continue };
        for container in containers(replicated, NODE) {
            if let Some(image) = &trainer.image {
                container.image = Some(image.clone());
            }
            if let Some(args) = &trainer.args {
                container.args = Some(args.clone());
            }
            let command = surroundings.command.as_ref().or(trainer.command.as_ref());
            if let Some(command) = command {
                container.command = Some(command.clone());
            }
            // The user's variables first, so that those of the policy may refer to them, and
            // last, because they win.
            upsert_env(container, &trainer.env);
            upsert_env(container, &surroundings.processes);
            if surroundings.command.is_none() {
                upsert_env(container, &surroundings.master);
            }
            upsert_env(container, &trainer.env);
            if distributed {
                add_port(container, TRAINER_PORT);
            }
        }
    }
}

fn set_initializer(spec: &mut JobSetSpec, ancestor: &str, source: Option<Source>) {
    for replicated in spec.replicated_jobs.iter_mut().filter(|it| it.ancestor() == Some(ancestor)) {
        replicated.replicas = Some(1);
        let Some(source) = &source else { continue };
        for container in containers(replicated, ancestor) {
            if let Some(uri) = &source.storage_uri {
                upsert_env(container, &[variable("STORAGE_URI", uri.clone())]);
            }
            upsert_env(container, &source.env);
            if let Some(secret) = &source.secret_ref {
                container.env_from.get_or_insert_default().push(EnvFromSource {
                    secret_ref: Some(SecretEnvSource { name: secret.name.clone(), optional: None }),
                    ..Default::default()
                });
            }
        }
    }
}

fn containers<'a>(
    replicated: &'a mut ReplicatedJob,
    name: &'a str,
) -> impl Iterator<Item = &'a mut Container> {
    replicated.pod_spec_mut().containers.iter_mut().filter(move |it| it.name == name)
}

fn all_containers<'a>(
    replicated: &'a mut ReplicatedJob,
    name: &'a str,
) -> impl Iterator<Item = &'a mut Container> {
    let pod = replicated.pod_spec_mut();
    let first = pod.init_containers.iter_mut().flatten();
    first.chain(&mut pod.containers).filter(move |it| it.name == name)
}

fn add_resources(base: &mut ResourceRequirements, more: &ResourceRequirements) {
    for (base, more) in [(&mut base.limits, &more.limits), (&mut base.requests, &more.requests)] {
        if let Some(more) = more {
            base.get_or_insert_with(BTreeMap::new).extend(more.clone());
        }
    }
}

fn add_port(container: &mut Container, port: i32) {
    let ports = container.ports.get_or_insert_default();
    if !ports.iter().any(|it| it.container_port == port) {
        ports.push(ContainerPort { container_port: port, ..Default::default() });
    }
}

/// Replaces variables of the same name where they stand and adds the others at the end.
fn upsert_env(container: &mut Container, variables: &[EnvVar]) {
    if variables.is_empty() {
        return;
    }
    let env = container.env.get_or_insert_default();
    for variable in variables {
        match env.iter_mut().find(|it| it.name == variable.name) {
            Some(existing) => *existing = variable.clone(),
            None => env.push(variable.clone()),
        }
    }
}

fn variable(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.into()), value_from: None }
}

#[cfg(test)]
mod tests;
