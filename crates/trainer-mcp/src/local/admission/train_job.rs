//! The webhooks of TrainJobs.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::EnvVar;
use kube::{Api, Client, ResourceExt as _, api::DynamicObject, core::response::StatusCause};
use local_kube::{Admission, status};
use serde_json::{Value, json};

use super::{
    Verdict, denied, invalid, old, read,
    rules::{self, items},
    torchtune, wrong,
};
use crate::{
    api::GROUP,
    local::{
        assembly,
        job_set::{JobSet, JobSetSpec},
        runtimes,
        train_job::{DATASET_INITIALIZER, MODEL_INITIALIZER, NODE, Runtime, RuntimeSpec, TrainJob},
    },
};

const WEBHOOK: &str = "validator.trainjob.trainer.kubeflow.org";
const PATCHES: &str = "spec.runtimePatches";

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

pub(super) async fn admit(admission: &mut Admission, client: &Client) -> Verdict {
    stamp_patches(&mut admission.object, &admission.old);
    invalid(
        "TrainJob",
        GROUP,
        &admission.name,
        rules::of_train_job(&admission.object, &admission.old),
    )?;
    let job: TrainJob = read(&admission.object)?;
    let old = old(admission)?;
    let runtime = find_runtime(&job, client).await?;
    admission.warnings.extend(deprecation(&runtime));
    let job_set = match &old {
        Some(old) if patches_changed(old, &job) => find_job_set(&job, client).await?,
        _ => None,
    };
    denied(WEBHOOK, &faults(&job, old.as_ref(), job_set.as_ref(), &runtime))
}

/// Everything that the webhook finds wrong.
fn faults(
    job: &TrainJob,
    old: Option<&TrainJob>,
    job_set: Option<&JobSet>,
    runtime: &Runtime,
) -> Vec<StatusCause> {
    let templates =
        (assembly::template(job, &runtime.spec), assembly::unpatched_template(&runtime.spec));
    let (Ok(template), Ok(unpatched)) = templates else {
        // As in the real one, a template that no one can read is left to the controller's event.
        return Vec::new();
    };
    let mut faults = initializer_faults(job, &template);
    faults.extend(change_faults(job, old, job_set));
    faults.extend(patch_faults(job, &unpatched));
    faults.extend(policy_faults(job, &runtime.spec, &template));
    faults
}

async fn find_runtime(job: &TrainJob, client: &Client) -> Result<Runtime, Box<kube::core::Status>> {
    let reference = &job.spec.runtime_ref;
    if let Some(unknown) = reference.unsupported() {
        return Err(status::denied_by_webhook(WEBHOOK, &format!("unsupported runtime: {unknown}")));
    }
    let namespace = job.namespace().unwrap_or_default();
    let found = runtimes::get(client, reference, &namespace).await;
    let missing = match found {
        Ok(Some(runtime)) => return read_runtime(&runtime),
        Ok(None) => {
            format!("{}.{GROUP} {:?} not found", reference.kind(), reference.name)
        }
        Err(error) => error.to_string(),
    };
    let (field, kind) = match reference.kind() {
        "TrainingRuntime" => ("spec.runtimeRef", "trainingRuntime"),
        _ => ("spec.RuntimeRef", "clusterTrainingRuntime"),
    };
    let why = format!("{missing}: specified {kind} must be created before the TrainJob is created");
    denied(WEBHOOK, &[wrong(field, reference, &why)])?;
    Err(status::internal(why))
}

fn read_runtime(runtime: &DynamicObject) -> Result<Runtime, Box<kube::core::Status>> {
    let runtime = serde_json::to_value(runtime).map_err(status::internal)?;
    read(&runtime)
}

async fn find_job_set(
    job: &TrainJob,
    client: &Client,
) -> Result<Option<JobSet>, Box<kube::core::Status>> {
    let namespace = job.namespace().unwrap_or_default();
    let job_sets: Api<JobSet> = Api::namespaced(client.clone(), &namespace);
    job_sets.get_opt(&job.name_any()).await.map_err(|error| {
        status::denied_by_webhook(WEBHOOK, &format!("{PATCHES}: Internal error: {error}"))
    })
}

fn deprecation(runtime: &Runtime) -> Option<String> {
    let labels = runtime.metadata.labels.as_ref()?;
    let name = runtime.metadata.name.as_ref()?;
    (labels.get("trainer.kubeflow.org/support")? == "deprecated").then(|| {
        format!(
            "Referenced ClusterTrainingRuntime \"{name}\" is deprecated and will be removed in a future release of Kubeflow Trainer. \
             See runtime deprecation policy: https://trainer.kubeflow.org/en/latest/operator-guides/runtime.html#runtime-deprecation-policy"
        )
    })
}

fn initializer_faults(job: &TrainJob, template: &JobSetSpec) -> Vec<StatusCause> {
    let Some(initializer) = &job.spec.initializer else { return Vec::new() };
    let given = [
        (&initializer.dataset, DATASET_INITIALIZER, "datasetConfig"),
        (&initializer.model, MODEL_INITIALIZER, "modelConfig"),
    ];
    let given = given.into_iter().filter(|(source, ..)| source.is_some());
    given
        .filter_map(|(_, step, input)| {
            let why = missing_initializer(template, step, input)?;
            Some(wrong("spec.runtimeRef", &job.spec.runtime_ref, &why))
        })
        .collect()
}

fn missing_initializer(template: &JobSetSpec, step: &str, input: &str) -> Option<String> {
    let Some(job) = template.replicated_jobs.iter().find(|job| job.name == step) else {
        return Some(format!(
            "must have {step} job when trainJob is configured with input {input}"
        ));
    };
    let containers = job.pod_spec().map(|pod| pod.containers.as_slice()).unwrap_or_default();
    let Some(container) = containers.iter().find(|container| container.name == step) else {
        return Some(format!("must have container with name - {step} in the {step} job"));
    };
    let mut mounts = container.volume_mounts.iter().flatten();
    (!mounts.any(|mount| mount.name == "initializer")).then(|| {
        format!(
            "must have volumeMount with name - initializer in container {step} of the {step} job"
        )
    })
}

fn patches_changed(old: &TrainJob, job: &TrainJob) -> bool {
    old.spec.runtime_patches != job.spec.runtime_patches
}

fn change_faults(
    job: &TrainJob,
    old: Option<&TrainJob>,
    job_set: Option<&JobSet>,
) -> Vec<StatusCause> {
    let Some(old) = old.filter(|old| patches_changed(old, job)) else { return Vec::new() };
    if old.spec.suspend != Some(true) && job.spec.suspend != Some(true) {
        let why = "RuntimePatches can only be modified when the TrainJob is suspended before or after the update";
        return vec![status::cause::forbidden(PATCHES, why)];
    }
    let status = job_set.and_then(|job_set| job_set.status.as_ref());
    let jobs = status.into_iter().flat_map(|status| &status.replicated_jobs_status);
    jobs.filter(|job| job.active > 0)
        .map(|job| {
            let why = format!(
                "RuntimePatches cannot be modified when the JobSet's ReplicatedJob {} is still active",
                job.name
            );
            status::cause::forbidden(PATCHES, &why)
        })
        .collect()
}

fn patch_faults(job: &TrainJob, template: &JobSetSpec) -> Vec<StatusCause> {
    let patches = &job.spec.runtime_patches;
    let mut faults = Vec::new();
    for patch in patches {
        let manager = patch["manager"].as_str().unwrap_or_default();
        if let Some(why) = unprefixed(manager) {
            faults.push(wrong("spec.runtimePatches.manager", &manager, why));
        }
        for job in items(&patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]) {
            let whys = match template.replicated_jobs.iter().find(|it| job["name"] == *it.name) {
                Some(_) => pod_faults(job, template),
                None => vec![
                    "must not have replicated job that doesn't exist in the runtime job template"
                        .to_owned(),
                ],
            };
            faults.extend(whys.iter().map(|why| wrong(PATCHES, patches, why)));
        }
    }
    faults
}

/// What is wrong with the containers that a patch names in one job of the unpatched template.
fn pod_faults(patch: &Value, template: &JobSetSpec) -> Vec<String> {
    let name = patch["name"].as_str().unwrap_or_default();
    let exists = |container: &Value| {
        has_container(template, name, container["name"].as_str().unwrap_or_default())
    };
    let patch = &patch["template"]["spec"]["template"]["spec"];
    let unknown = items(&patch["initContainers"]).filter(|container| !exists(container));
    let why = format!("must not have initContainer that doesn't exist in the runtime job {name}");
    let mut faults = vec![why; unknown.count()];
    let reserved = [DATASET_INITIALIZER, MODEL_INITIALIZER, NODE];
    for container in items(&patch["containers"]) {
        let own = container["name"].as_str().unwrap_or_default();
        if !exists(container) {
            faults.push(format!(
                "must not have container that doesn't exist in the runtime job {name}"
            ));
        } else if reserved.contains(&own) && items(&container["env"]).next().is_some() {
            faults.push(format!("must not have envs for the {} containers", reserved.join(", ")));
        }
    }
    faults
}

/// Why a manager's name is no domain-prefixed path.
fn unprefixed(manager: &str) -> Option<&'static str> {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    match manager.split_once('/') {
        Some((domain, path)) if !path.is_empty() && domain.split('.').all(label) => None,
        _ => Some("must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
}

fn policy_faults(job: &TrainJob, runtime: &RuntimeSpec, template: &JobSetSpec) -> Vec<StatusCause> {
    let Some(policy) = &runtime.ml_policy else { return Vec::new() };
    let trainer = job.spec.trainer.as_ref();
    let env = trainer.map(|trainer| trainer.env.as_slice()).unwrap_or_default();
    let mut faults = Vec::new();
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

/// Writes into each patch when it was last changed.
fn stamp_patches(object: &mut Value, old: &Value) {
    let now = json!(Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let patches = object.pointer_mut("/spec/runtimePatches").and_then(Value::as_array_mut);
    let without_time = |patch: &Value| {
        let mut patch = patch.clone();
        patch.as_object_mut().map(|patch| patch.remove("time"));
        patch
    };
    for patch in patches.into_iter().flatten() {
        let old =
            items(&old["spec"]["runtimePatches"]).find(|old| old["manager"] == patch["manager"]);
        match old {
            Some(old) if without_time(old) == without_time(patch) => {
                patch["time"] = old["time"].clone();
            }
            Some(_) => patch["time"] = now.clone(),
            None if patch["time"].is_null() => patch["time"] = now.clone(),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
