//! Merging a TrainJob's `runtimePatches` into its runtime's template.

use std::collections::BTreeMap;

use kube::core::Status;
use local_kube::patch::strategic_merge;
use serde_json::Value;

use crate::local::train_job::{TemplateMetadata, TrainJob};

/// Merges one patch into a template. A job that is not there is added, which no webhook hinders: they
/// judge the merged template.
pub(super) fn merge(template: &mut Value, patch: &Value) -> Result<(), Box<Status>> {
    let Some(patches) = patch.pointer("/trainingRuntimeSpec/template/spec/replicatedJobs") else {
        return Ok(());
    };
    let Some(jobs) = template.get_mut("replicatedJobs").and_then(Value::as_array_mut) else {
        return Ok(());
    };
    for patch in patches.as_array().into_iter().flatten() {
        match jobs.iter_mut().find(|job| job["name"] == patch["name"]) {
            Some(job) => strategic_merge(job, patch)?,
            None => jobs.push(patch.clone()),
        }
    }
    Ok(())
}

/// The labels and annotations of the JobSet: the runtime's, then those of the patches.
pub(in crate::local) fn metadata(
    job: &TrainJob,
    runtime: &TemplateMetadata,
) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let (mut labels, mut annotations) = (runtime.labels.clone(), runtime.annotations.clone());
    for patch in &job.spec.runtime_patches {
        let Some(metadata) = patch.pointer("/trainingRuntimeSpec/template/metadata") else {
            continue;
        };
        for (into, from) in [(&mut labels, "labels"), (&mut annotations, "annotations")] {
            let more = metadata[from].as_object().into_iter().flatten();
            into.extend(
                more.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))),
            );
        }
    }
    (labels, annotations)
}
