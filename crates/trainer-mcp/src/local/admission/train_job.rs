//! The webhooks of TrainJobs.

mod patches;
mod policies;

use jiff::Timestamp;
use kube::{Api, Client, ResourceExt as _, api::DynamicObject, core::response::StatusCause};
use local_kube::{Admission, HOST_PYTHON, Stage, schema::go, status};
use serde_json::{Value, json};
use workloads::{image, train_job::GROUP};

use super::{
    Verdict, denied, old, read,
    rules::{self, items},
    runtime::DEPRECATED,
    wrong,
};
use crate::local::{
    assembly, crds,
    job_set::{JobSet, JobSetSpec},
    runtimes,
    train_job::{DATASET_INITIALIZER, MODEL_INITIALIZER, Runtime, TrainJob},
};

const WEBHOOK: &str = "validator.trainjob.trainer.kubeflow.org";
const DEFAULTER: &str = "defaulter.trainjob.trainer.kubeflow.org";
const PATCHES: &str = "spec.runtimePatches";

pub(super) async fn admit(admission: &mut Admission, client: &Client) -> Verdict {
    match admission.stage {
        Stage::Mutating => return default(&mut admission.object, &admission.old),
        Stage::Rules => {
            let broken = rules::of_train_job(&admission.object, &admission.old);
            admission.broken_rules.extend(broken);
            return Ok(());
        }
        Stage::Validating => {}
    }
    if admission.object["spec"].is_null() {
        return Err(status::denied_by_webhook(WEBHOOK, "unsupported runtime: "));
    }
    let job: TrainJob = read(&admission.object)?;
    let old = old(admission)?;
    let runtime = find_runtime(&job, client).await?;
    admission.warnings.extend(deprecation(&runtime));
    let job_set = match &old {
        Some(old) if patches_changed(old, &job) => find_job_set(&job, client).await?,
        _ => None,
    };
    let mut faults = faults(&job, old.as_ref(), job_set.as_ref(), &runtime);
    faults.extend(policies::priority_faults(&job, &runtime.spec, client).await);
    denied(WEBHOOK, &faults)?;
    if old.is_none() {
        admission.warnings.extend(unrunnable(&job, &runtime));
    }
    // Here, and not when its Pods would be made: whoever asks for the job is told at once.
    match assembly::refuse_policy(&runtime.spec) {
        Err(error) if old.is_none() => Err(status::denied_by_webhook(WEBHOOK, &error.to_string())),
        _ => Ok(()),
    }
}

/// The webhook reads the object before anybody has judged it. Where it changes something, it writes
/// the object as its own types have it.
fn default(object: &mut Value, old: &Value) -> Verdict {
    let Some(schema) = crds::schema("trainjobs") else { return Ok(()) };
    go::read(schema, object).map_err(|why| {
        let message = format!("admission webhook {DEFAULTER:?} denied the request: {why}");
        status::plain(400, "", message)
    })?;
    if stamp_patches(object, old) {
        go::complete(schema, object);
    }
    Ok(())
}

/// Everything that the webhook finds wrong.
fn faults(
    job: &TrainJob,
    old: Option<&TrainJob>,
    job_set: Option<&JobSet>,
    runtime: &Runtime,
) -> Vec<StatusCause> {
    let Ok(template) = assembly::template(job, &runtime.spec) else {
        // As in the real one, a template that no one can read is left to the controller's event.
        return Vec::new();
    };
    let mut faults = initializer_faults(job, &template);
    faults.extend(change_faults(job, old, job_set));
    faults.extend(patches::faults(job));
    faults.extend(policies::faults(job, &runtime.spec, &template));
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
    (labels.get("trainer.kubeflow.org/support")? == "deprecated")
        .then(|| format!("Referenced ClusterTrainingRuntime \"{name}\" {DEPRECATED}"))
}

/// The kubelet would say it of each Pod, when the job has been made.
fn unrunnable(job: &TrainJob, runtime: &Runtime) -> Option<String> {
    let job_set = assembly::job_set(job, runtime).ok()?;
    let pods = job_set.spec.replicated_jobs.iter().filter_map(|it| it.pod_spec());
    let mut images = pods.flat_map(|it| &it.containers).filter_map(|it| it.image.as_deref());
    let image = images.find(|it| *it != HOST_PYTHON)?;
    Some(format!(
        "{} the container image {image:?}; it can run {HOST_PYTHON}",
        image::NO_IMAGES.name
    ))
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

/// Writes into each patch when it was last changed, and tells whether that changed the object.
fn stamp_patches(object: &mut Value, old: &Value) -> bool {
    let before = object["spec"]["runtimePatches"].clone();
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
    object["spec"]["runtimePatches"] != before
}

#[cfg(test)]
mod tests;
