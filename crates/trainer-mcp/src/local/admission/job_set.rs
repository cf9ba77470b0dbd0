//! The webhooks of JobSets, as far as the Trainer's JobSets meet them.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::{Api, Client, core::response::StatusCause};
use local_kube::{
    Admission, Operation, Stage,
    status::{self, cause},
};
use serde_json::{Map, Value, json};

use super::{Verdict, invalid, read, rules, wrong};
use crate::local::job_set::{JobSet, JobSetSpec, ReplicatedJob, VolumeClaimTemplate};

const WEBHOOK: &str = "vjobset.kb.io";
const JOBS: &str = "spec.replicatedJobs";

/// The fields of a Pod template that may change while a JobSet is suspended.
const CHANGEABLE: [(&str, &str); 5] = [
    ("metadata", "annotations"),
    ("metadata", "labels"),
    ("spec", "nodeSelector"),
    ("spec", "tolerations"),
    ("spec", "schedulingGates"),
];

pub(super) async fn admit(admission: &mut Admission, client: &Client) -> Verdict {
    match admission.stage {
        // On changes too: the Trainer applies its JobSet anew without the defaults of claims, which
        // may not change.
        Stage::Mutating => {
            default(&mut admission.object["spec"]);
            return Ok(());
        }
        Stage::Rules => {
            let broken = rules::of_job_set(&admission.object, &admission.old);
            admission.broken_rules.extend(broken);
            return Ok(());
        }
        Stage::Validating => {}
    }
    let object = &admission.object;
    let faults = if admission.operation == Operation::Create {
        let job_set: JobSet = read(object)?;
        let mut faults = faults(&admission.name, &job_set.spec);
        let namespace = admission.namespace.as_deref().unwrap_or_default();
        faults.extend(claim_faults(&admission.name, &job_set.spec, namespace, client).await?);
        faults
    } else {
        change_faults(&object["spec"], &admission.old["spec"])
    };
    invalid("JobSet", "jobset.x-k8s.io", &admission.name, faults).map_err(|mut status| {
        status.message =
            format!("admission webhook {WEBHOOK:?} denied the request: {}", status.message);
        status
    })
}

fn default(spec: &mut Value) {
    fn absent<'a>(object: &'a mut Value, field: &str, value: Value) -> &'a mut Value {
        if !object.is_object() {
            *object = Value::Object(Map::new());
        }
        let field = &mut object[field];
        if field.is_null() {
            *field = value;
        }
        field
    }
    absent(spec, "successPolicy", json!({"operator": "All"}));
    absent(spec, "startupPolicy", json!({"startupPolicyOrder": "AnyOrder"}));
    let network = absent(spec, "network", json!({}));
    absent(network, "enableDNSHostnames", true.into());
    absent(network, "publishNotReadyAddresses", true.into());
    let jobs = spec.get_mut("replicatedJobs").and_then(Value::as_array_mut);
    for job in jobs.into_iter().flatten() {
        absent(&mut job["template"], "metadata", json!({}));
        let job = absent(&mut job["template"], "spec", json!({}));
        absent(job, "completionMode", "Indexed".into());
        absent(&mut job["template"], "metadata", json!({}));
        let pod = absent(&mut job["template"], "spec", json!({}));
        absent(pod, "restartPolicy", "OnFailure".into());
        for field in ["initContainers", "containers"] {
            let containers = pod.get_mut(field).and_then(Value::as_array_mut);
            containers.into_iter().flatten().for_each(|it| _ = absent(it, "resources", json!({})));
        }
    }
    let rules = spec.pointer_mut("/failurePolicy/rules").and_then(Value::as_array_mut);
    for (index, rule) in rules.into_iter().flatten().enumerate() {
        absent(rule, "name", format!("failurePolicyRule{index}").into());
    }
    for policy in
        spec.get_mut("volumeClaimPolicies").and_then(Value::as_array_mut).into_iter().flatten()
    {
        absent(policy, "retentionPolicy", json!({"whenDeleted": "Delete"}));
    }
}

fn faults(name: &str, spec: &JobSetSpec) -> Vec<StatusCause> {
    let mut faults = Vec::new();
    if spec.replicated_jobs.first().is_some_and(|job| !job.depends_on.is_empty()) {
        faults.push(internal("DependsOn can't be set for the first ReplicatedJob"));
    }
    let subdomain = spec.network.as_ref().and_then(|network| network.subdomain.as_deref());
    if let Some(subdomain) = subdomain.filter(|it| !it.is_empty()) {
        let too_long = ".spec.network.subdomain is too long, must be less than 63 characters";
        let whys = label_faults(subdomain, too_long);
        faults.extend(whys.map(|why| wrong("spec.network.subdomain", &subdomain, &why)));
    }
    for (index, job) in spec.replicated_jobs.iter().enumerate() {
        faults.extend(name_faults(name, index, job));
        for dependency in &job.depends_on {
            if !spec.replicated_jobs[..=index].iter().any(|it| it.name == dependency.name) {
                faults.push(internal(&format!(
                    "replicatedJob: {} cannot depend on replicatedJob: {}",
                    job.name, dependency.name
                )));
            }
        }
    }
    let known = |name: &String| spec.replicated_jobs.iter().any(|job| job.name == *name);
    let targets = spec.success_policy.iter().flat_map(|policy| &policy.target_replicated_jobs);
    faults.extend(targets.filter(|name| !known(name)).map(|name| {
        internal(&format!(
            "invalid replicatedJob name '{name}' does not appear in .spec.ReplicatedJobs"
        ))
    }));
    faults.extend(failure_policy_faults(spec));
    faults
}

fn name_faults(job_set: &str, index: usize, job: &ReplicatedJob) -> Vec<StatusCause> {
    let field = format!("{JOBS}[{index}].name");
    let longest = job.job_name(job_set, job.replicas() - 1);
    let group = job.group();
    let too_long = ".spec.replicatedJob[].groupName is too long, must be less than 63 characters";
    let mut faults: Vec<_> = label_faults(group, too_long)
        .map(|why| wrong(format!("{JOBS}[{index}].groupName"), &group, &why))
        .collect();
    let too_long =
        "JobSet name is too long, job names generated for this JobSet will exceed 63 characters";
    faults.extend(label_faults(&longest, too_long).map(|why| wrong(&field, &longest, &why)));
    let spec = job.job_spec();
    let indexed = spec.is_some_and(|spec| spec.completion_mode.as_deref() == Some("Indexed"));
    if let (true, Some(completions)) = (indexed, spec.and_then(|spec| spec.completions)) {
        let pod = format!("{longest}-{}-abcde", completions - 1);
        let too_long = "JobSet name is too long, pod names generated for this JobSet will exceed 63 characters";
        faults.extend(label_faults(&pod, too_long).map(|why| wrong(&field, &longest, &why)));
    }
    faults
}

/// Why a text is no DNS label.
fn label_faults(text: &str, too_long: &str) -> impl Iterator<Item = String> {
    let tail = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let well_formed = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(tail)
        && !text.ends_with('-');
    let malformed = (!well_formed).then(|| {
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
         alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', \
         regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
            .to_owned()
    });
    let too_long = (text.len() > 63).then(|| too_long.to_owned());
    too_long.into_iter().chain(malformed)
}

fn failure_policy_faults(spec: &JobSetSpec) -> Vec<StatusCause> {
    let Some(policy) = &spec.failure_policy else { return Vec::new() };
    let reasons = [
        "BackoffLimitExceeded",
        "DeadlineExceeded",
        "FailedIndexes",
        "MaxFailedIndexesExceeded",
        "PodFailurePolicy",
    ];
    let mut whys = Vec::new();
    if policy.restart_strategy.as_deref() == Some("InPlaceRestart") {
        whys.push("InPlaceRestart restart strategy cannot be set when InPlaceRestart feature gate is disabled".to_owned());
    }
    if policy
        .rules
        .iter()
        .any(|rule| matches!(rule.action.as_str(), "RestartJob" | "RestartJobAndIgnoreMaxRestarts"))
    {
        whys.push("RestartJob and RestartJobAndIgnoreMaxRestarts failure policy actions are not allowed when RestartJob feature gate is disabled".to_owned());
    }
    for rule in &policy.rules {
        for name in &rule.target_replicated_jobs {
            if !spec.replicated_jobs.iter().any(|job| job.name == *name) {
                whys.push(format!("invalid replicatedJob name '{name}' in failure policy does not appear in .spec.ReplicatedJobs"));
            }
        }
        for reason in &rule.on_job_failure_reasons {
            if !reasons.contains(&reason.as_str()) {
                whys.push(format!("invalid job failure reason '{reason}' in failure policy is not a recognized job failure reason"));
            }
        }
    }
    whys.iter().map(|why| internal(why)).collect()
}

async fn claim_faults(
    job_set: &str,
    spec: &JobSetSpec,
    namespace: &str,
    client: &Client,
) -> Result<Vec<StatusCause>, Box<kube::core::Status>> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), namespace);
    let mut faults = Vec::new();
    for (policy_index, policy) in spec.volume_claim_policies.iter().enumerate() {
        for (index, template) in policy.templates.iter().enumerate() {
            let path = format!("spec.volumeClaimPolicies[{policy_index}].template[{index}]");
            let name = template.claim_name(job_set);
            if name.len() > 63 {
                let why = "VolumeClaimPolicies template name is too long";
                faults.push(wrong(format!("{path}.name"), &template.name(), why));
            }
            if !is_mounted(spec, template) {
                let why = format!(
                    "replicatedJob containers don't have a matching volumeMount: {} from VolumeClaimPolicies",
                    template.name()
                );
                faults.push(wrong(JOBS, &spec.replicated_jobs, &why));
            }
            let existing = claims.get_opt(&name).await.map_err(status::internal)?;
            if existing.is_some() && policy.deletes() {
                let why = "retentionPolicy must be retain when PVC exists";
                let field =
                    format!("spec.volumeClaimPolicies[{policy_index}].retentionPolicy.whenDeleted");
                faults.push(wrong(field, &"Delete", why));
            }
        }
    }
    Ok(faults)
}

fn is_mounted(spec: &JobSetSpec, template: &VolumeClaimTemplate) -> bool {
    spec.replicated_jobs.iter().filter_map(ReplicatedJob::pod_spec).any(|pod| {
        let mut all = pod.init_containers.iter().flatten().chain(&pod.containers);
        all.any(|container| template.is_mounted_in(container))
    })
}

/// What a JobSet may not change: its jobs, but for a few fields of their Pods while it is suspended.
fn change_faults(spec: &Value, old: &Value) -> Vec<StatusCause> {
    let suspended = spec["suspend"] == true || old["suspend"] == true;
    let comparable = |spec: &Value| {
        let mut jobs = spec["replicatedJobs"].clone();
        for job in jobs.as_array_mut().into_iter().flatten().filter(|_| suspended) {
            let template = &mut job["template"]["spec"]["template"];
            for (part, field) in CHANGEABLE {
                if let Some(part) = template.get_mut(part).and_then(Value::as_object_mut) {
                    part.remove(field);
                }
            }
            if template["metadata"].as_object().is_some_and(Map::is_empty) {
                template.as_object_mut().map(|template| template.remove("metadata"));
            }
        }
        jobs
    };
    let mut faults = Vec::new();
    if comparable(spec) != comparable(old) {
        faults.push(wrong(JOBS, &spec["replicatedJobs"], "field is immutable"));
    }
    if spec["managedBy"] != old["managedBy"] {
        faults.push(wrong("spec.managedBy", &spec["managedBy"], "field is immutable"));
    }
    faults
}

/// How the webhook words what it says of no field in particular.
fn internal(why: &str) -> StatusCause {
    cause::cause("InternalError", "<nil>", format!("Internal error: {why}"))
}

#[cfg(test)]
mod tests;
