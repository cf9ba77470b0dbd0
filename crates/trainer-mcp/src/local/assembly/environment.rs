//! The variables through which the ranks of a job find each other, by the runtime's policy.

use k8s_openapi::{
    api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, ResourceRequirements},
    apimachinery::pkg::api::resource::Quantity,
};
use kube::ResourceExt as _;

use super::{TRAINER_PORT, resources_per_node, torchtune, variable};
use crate::{
    local::{
        job_set::JobSetSpec,
        train_job::{NODE, RuntimeSpec, TrainJob},
    },
    torchtune::Plan,
};

#[derive(Default)]
pub(super) struct Environment {
    /// How many processes there are, and which one this is.
    pub(super) processes: Vec<EnvVar>,
    /// Where the first of them is.
    pub(super) master: Vec<EnvVar>,
    /// The command of a TorchTune job, rewritten. Such a command names the master itself.
    pub(super) command: Option<Vec<String>>,
}

/// The environment of the trainer's containers, when `nodes` Pods train.
pub(super) fn of(
    job: &TrainJob,
    runtime: &RuntimeSpec,
    spec: &JobSetSpec,
    nodes: i32,
) -> Environment {
    let Some(policy) = &runtime.ml_policy else { return Environment::default() };
    let name = job.name_any();
    let master = format!("{name}-{NODE}-0-0.{name}");
    let resources = resources_per_node(job, spec);
    if policy.torch.is_some() {
        let processes = processes_per_node(job, &resources);
        let command = job.spec.trainer.as_ref().filter(|it| torchtune::starts(it)).map(|trainer| {
            let endpoint = format!("{master}:{TRAINER_PORT}");
            let args = trainer.args.as_deref().unwrap_or_default();
            let plan = Plan { nodes, processes, gpus: gpus(&resources), args };
            torchtune::command(&plan, &job.spec.runtime_ref.name, &endpoint, spec)
        });
        Environment {
            processes: vec![
                variable("PET_NNODES", nodes.to_string()),
                variable(
                    "PET_NPROC_PER_NODE",
                    processes.map_or("auto".into(), |it| it.to_string()),
                ),
                completion_index("PET_NODE_RANK"),
            ],
            master: vec![
                variable("PET_MASTER_ADDR", master),
                variable("PET_MASTER_PORT", TRAINER_PORT.to_string()),
            ],
            command,
        }
    } else if policy.jax.is_some() {
        Environment {
            processes: vec![
                variable("JAX_NUM_PROCESSES", nodes.to_string()),
                completion_index("JAX_PROCESS_ID"),
                variable("JAX_COORDINATOR_ADDRESS", format!("{master}:{TRAINER_PORT}")),
            ],
            ..Environment::default()
        }
    } else if policy.xgboost.is_some() {
        let workers = i64::from(nodes) * gpus(&resources).max(1);
        Environment {
            processes: vec![
                variable("DMLC_TRACKER_URI", master),
                variable("DMLC_TRACKER_PORT", TRAINER_PORT.to_string()),
                completion_index("DMLC_TASK_ID"),
                variable("DMLC_NUM_WORKER", workers.to_string()),
            ],
            ..Environment::default()
        }
    } else {
        Environment::default()
    }
}

/// How many processes torchrun starts in a Pod; `None` leaves it to torchrun, one per GPU.
pub(crate) fn processes_per_node(job: &TrainJob, resources: &ResourceRequirements) -> Option<i64> {
    let own = job.spec.trainer.as_ref().and_then(|trainer| trainer.num_proc_per_node);
    if let Some(own) = own {
        return Some(own.into());
    }
    if gpus(resources) > 0 {
        return None;
    }
    let cpus = [&resources.requests, &resources.limits]
        .into_iter()
        .filter_map(|list| Some(whole(list.as_ref()?.get("cpu")?)))
        .find(|&cpus| cpus > 0);
    Some(cpus.unwrap_or(1).max(1))
}

/// The quantity of the first resource that has `gpu` in its name.
pub(crate) fn gpus(resources: &ResourceRequirements) -> i64 {
    [&resources.requests, &resources.limits]
        .into_iter()
        .flatten()
        .filter_map(|list| list.iter().find(|(name, _)| name.to_lowercase().contains("gpu")))
        .map(|(_, quantity)| whole(quantity))
        .find(|&gpus| gpus > 0)
        .unwrap_or(0)
}

/// A quantity rounded up to a whole number.
fn whole(quantity: &Quantity) -> i64 {
    local_kube::quantity::Quantity::parse(&quantity.0).map_or(0, |quantity| quantity.units())
}

fn completion_index(name: &str) -> EnvVar {
    let field = ObjectFieldSelector {
        field_path: "metadata.annotations['batch.kubernetes.io/job-completion-index']".into(),
        ..Default::default()
    };
    let source = EnvVarSource { field_ref: Some(field), ..Default::default() };
    EnvVar { name: name.to_owned(), value: None, value_from: Some(source) }
}
