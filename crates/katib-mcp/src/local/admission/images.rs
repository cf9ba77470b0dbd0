//! Whether a local cluster can run the container of a trial.

use local_kube::HOST_PYTHON;
use serde_json::Value;
use workloads::image;

/// What is to be said of the first image that it cannot run, where each trial is a Job. Of TrainJobs
/// the Trainer tells it.
pub(super) fn unrunnable(experiment: &Value) -> Option<String> {
    let job = &experiment["spec"]["trialTemplate"]["trialSpec"];
    let containers = job.pointer("/spec/template/spec/containers")?.as_array()?;
    let mut images = containers.iter().filter_map(|it| it["image"].as_str());
    let image = images.find(|it| *it != HOST_PYTHON && !it.contains("${"))?;
    let cannot = image::NO_IMAGES.name;
    Some(format!("{cannot} the container image {image:?}; it can run {HOST_PYTHON}"))
}
