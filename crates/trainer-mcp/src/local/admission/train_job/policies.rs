//! What the webhook demands of a TrainJob because of its runtime's policy.

use k8s_openapi::api::{core::v1::EnvVar, scheduling::v1::PriorityClass};
use kube::{Api, Client, core::response::StatusCause};
use local_kube::status;

use crate::local::{
    admission::{torchtune, wrong},
    assembly,
    job_set::JobSetSpec,
    train_job::{NODE, RuntimeSpec, TrainJob},
};

/// The annotation of a JobSet that names its queue.
const QUEUE: &str = "scheduling.volcano.sh/queue-name";

/// The variables that each policy sets itself.
const TORCH_ENV: [&str; 5] =
    ["PET_MASTER_ADDR", "PET_MASTER_PORT", "PET_NNODES", "PET_NODE_RANK", "PET_NPROC_PER_NODE"];
const MPI_ENV: [&str; 4] = [
    "OMPI_MCA_orte_default_hostfile",
    "OMPI_MCA_orte_keep_fqdn_hostnames",
    "OMPI_MCA_orte_set_default_slots",
    "OMPI_MCA_plm_rsh_args",
];
const XGBOOST_ENV: [&str; 4] =
    ["DMLC_NUM_WORKER", "DMLC_TASK_ID", "DMLC_TRACKER_PORT", "DMLC_TRACKER_URI"];

pub(super) fn faults(
    job: &TrainJob,
    runtime: &RuntimeSpec,
    template: &JobSetSpec,
) -> Vec<StatusCause> {
    let mut faults = queue_faults(job, runtime);
    let Some(policy) = &runtime.ml_policy else { return faults };
    let trainer = job.spec.trainer.as_ref();
    let env = trainer.map(|trainer| trainer.env.as_slice()).unwrap_or_default();
    if let Some(torch) = &policy.torch {
        let targets = torch.env_injection.iter().flat_map(|injection| &injection.targets);
        for target in targets {
            for container in &target.container_names {
                if !has_container(template, &target.job_name, container) {
                    let why = format!(
                        "envInjection target podSet {:?} container {container:?} not found in runtime template",
                        target.job_name
                    );
                    faults.push(wrong("spec.runtimeRef", target, &why));
                }
            }
        }
        faults.extend(reserved(env, &TORCH_ENV));
        if let Some(trainer) = trainer.filter(|trainer| assembly::torchtune::starts(trainer)) {
            faults.extend(torchtune::faults(job, trainer, template));
        }
    }
    if let Some(mpi) = &policy.mpi {
        let several = trainer.and_then(|trainer| trainer.num_nodes).filter(|&nodes| nodes >= 2);
        let complete = ["launcher", NODE]
            .iter()
            .all(|name| template.replicated_jobs.iter().any(|job| job.name == *name));
        if let (Some(nodes), true, false) = (several, mpi.run_launcher_as_node, complete) {
            let why = "must have 1 when MPI trainingRuntime with enabled runLauncherAsNode does not have either launcher and node";
            faults.push(wrong("spec.trainer.numNodes", &nodes, why));
        }
        faults.extend(reserved(env, &MPI_ENV));
    }
    if policy.flux.is_some() {
        let pod = template.replicated_jobs.iter().find(|it| it.name == NODE);
        let pod = pod.and_then(|job| job.pod_spec());
        let mut installers = pod.iter().flat_map(|pod| pod.init_containers.iter().flatten());
        if installers.any(|it| it.name == "flux-installer") {
            let why = "InitContainer 'flux-installer' is reserved";
            faults.push(wrong("spec.trainer.initContainers", &"flux-installer", why));
        }
    }
    if policy.xgboost.is_some() {
        let taken =
            env.iter().enumerate().filter(|(_, it)| XGBOOST_ENV.contains(&it.name.as_str()));
        faults.extend(taken.map(|(index, variable)| {
            let why = format!("{} is reserved for the XGBoost runtime", variable.name);
            status::cause::forbidden(format!("spec.trainer.env[{index}]"), &why)
        }));
    }
    faults
}

/// Volcano's queue may be left out, but not be empty.
fn queue_faults(job: &TrainJob, runtime: &RuntimeSpec) -> Vec<StatusCause> {
    let (_, annotations) = assembly::metadata(job, &runtime.template.metadata);
    let unnamed = annotations.get(QUEUE).is_some_and(String::is_empty);
    let fault = || {
        let field = format!("spec.annotations[{QUEUE}]");
        wrong(field, &"", "Volcano queue name must not be empty")
    };
    (is_volcano(runtime) && unnamed).then(fault).into_iter().collect()
}

/// The priority classes of a Volcano job that are not there.
pub(super) async fn priority_faults(
    job: &TrainJob,
    runtime: &RuntimeSpec,
    client: &Client,
) -> Vec<StatusCause> {
    let Ok(template) = assembly::template(job, runtime) else { return Vec::new() };
    let pods = template.replicated_jobs.iter().filter_map(|job| job.pod_spec());
    let named = pods.filter_map(|pod| pod.priority_class_name.clone());
    let classes: Api<PriorityClass> = Api::all(client.clone());
    let mut faults = Vec::new();
    for name in named.filter(|_| is_volcano(runtime)) {
        if matches!(name.as_str(), "system-cluster-critical" | "system-node-critical") {
            return faults;
        }
        if !matches!(classes.get_opt(&name).await, Ok(Some(_))) {
            let why = format!(
                "PriorityClass {name:?} doesn't exist: PriorityClass.scheduling.k8s.io {name:?} not found"
            );
            faults.push(wrong("spec.templateSpec.priorityClassName", &name, &why));
        }
    }
    faults
}

fn is_volcano(runtime: &RuntimeSpec) -> bool {
    runtime.pod_group_policy.as_ref().is_some_and(|policy| !policy["volcano"].is_null())
}

fn has_container(template: &JobSetSpec, job: &str, container: &str) -> bool {
    let job = template.replicated_jobs.iter().find(|it| it.name == job);
    job.and_then(|job| job.pod_spec()).is_some_and(|pod| {
        let mut all = pod.init_containers.iter().flatten().chain(&pod.containers);
        all.any(|it| it.name == container)
    })
}

fn reserved(env: &[EnvVar], names: &[&str]) -> Option<StatusCause> {
    let mut taken: Vec<_> =
        env.iter().map(|it| it.name.as_str()).filter(|name| names.contains(name)).collect();
    taken.sort_unstable();
    let why =
        format!("must not have reserved envs, invalid envs configured: [{}]", taken.join(" "));
    (!taken.is_empty()).then(|| wrong("spec.trainer.env", &env, &why))
}
