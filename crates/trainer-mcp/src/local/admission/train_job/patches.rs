//! What the webhook demands of the patches of a runtime.

use kube::core::response::StatusCause;
use local_kube::status;
use serde_json::Value;

use super::PATCHES;
use crate::local::{
    admission::{rules::items, wrong},
    crds::TYPES,
    train_job::{DATASET_INITIALIZER, MODEL_INITIALIZER, NODE, TrainJob},
};

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const HTTP_PATH: &str =
    "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";

/// The webhook also means to refuse steps and containers that the runtime lacks. It looks for them in
/// the template into which they have been merged already, and so finds them all.
pub(super) fn faults(job: &TrainJob) -> Vec<StatusCause> {
    let patches = &job.spec.runtime_patches;
    let mut faults = Vec::new();
    for patch in patches {
        let manager = patch["manager"].as_str().unwrap_or_default();
        if let Some((part, why)) = unprefixed(manager) {
            faults.push(wrong("spec.runtimePatches.manager", &part, why));
        }
        for job in items(&patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]) {
            let pod = &job["template"]["spec"]["template"]["spec"];
            let whys = items(&pod["containers"]).filter_map(environment_fault);
            faults.extend(whys.map(|why| wrong_patches(patches, &why)));
        }
    }
    faults
}

fn environment_fault(container: &Value) -> Option<String> {
    let reserved = [DATASET_INITIALIZER, MODEL_INITIALIZER, NODE];
    let own = container["name"].as_str().unwrap_or_default();
    let set = items(&container["env"]).next().is_some();
    (set && reserved.contains(&own))
        .then(|| format!("must not have envs for the {} containers", reserved.join(", ")))
}

fn wrong_patches(patches: &[Value], why: &str) -> StatusCause {
    let shown: Vec<_> =
        patches.iter().map(|it| TYPES.in_order("v1alpha1.RuntimePatch", it)).collect();
    let message = format!("Invalid value: [{}]: {why}", shown.join(","));
    status::cause::cause("FieldValueInvalid", PATCHES, message)
}

/// What of a manager's name is no domain-prefixed path, and why.
fn unprefixed(manager: &str) -> Option<(&str, &'static str)> {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let in_path = |c: char| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:".contains(c);
    match manager.split_once('/') {
        Some((domain, path)) if !domain.is_empty() && !path.is_empty() => {
            if !domain.split('.').all(label) {
                return Some((domain, SUBDOMAIN));
            }
            (!path.chars().all(in_path)).then_some((path, HTTP_PATH))
        }
        _ => Some((manager, "must be a domain-prefixed path (such as \"acme.io/foo\")")),
    }
}
