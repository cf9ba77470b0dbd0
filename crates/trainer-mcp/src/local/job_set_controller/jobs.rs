//! The objects that a JobSet is made of: its Jobs, its headless Service, its claims.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{
        PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Service, ServiceSpec, Volume,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::JOB_SET_NAME;
use crate::local::{
    job_set::{JobSet, ReplicatedJob},
    ownership::owned_by,
};

pub(super) const REPLICATED_JOB: &str = "jobset.sigs.k8s.io/replicatedjob-name";
pub(super) const RESTART_ATTEMPT: &str = "jobset.sigs.k8s.io/restart-attempt";

pub(super) fn job(job_set: &JobSet, replicated: &ReplicatedJob, index: i32, restarts: i32) -> Job {
    let name = replicated.job_name(&job_set.name_any(), index);
    let marks = marks(job_set, replicated, index, restarts);
    let mut spec = replicated.template.spec.clone().unwrap_or_default();
    spec.suspend = Some(job_set.suspended());
    mark(spec.template.metadata.get_or_insert_default(), &marks);
    let pod = spec.template.spec.get_or_insert_default();
    if has_host_names(job_set) {
        pod.subdomain = Some(job_set.spec.subdomain(&job_set.name_any()).to_owned());
    }
    for template in job_set.spec.volume_claim_policies.iter().flat_map(|it| &it.templates) {
        let mut containers = pod.init_containers.iter().flatten().chain(&pod.containers);
        if containers.any(|container| template.is_mounted_in(container)) {
            let claim = PersistentVolumeClaimVolumeSource {
                claim_name: template.claim_name(&job_set.name_any()),
                read_only: None,
            };
            pod.volumes.get_or_insert_default().push(Volume {
                name: template.name().to_owned(),
                persistent_volume_claim: Some(claim),
                ..Default::default()
            });
        }
    }
    let template = replicated.template.metadata.clone().unwrap_or_default();
    let mut metadata = ObjectMeta {
        name: Some(name),
        labels: template.labels,
        annotations: template.annotations,
        ..owned(job_set)
    };
    mark(&mut metadata, &marks);
    Job { metadata, spec: Some(spec), status: None }
}

/// What to merge into a suspended Job so that it goes on, with what may have been changed in the
/// JobSet's template since.
pub(super) fn resumption(job: &Job, replicated: &ReplicatedJob) -> Value {
    let old = job.spec.clone().unwrap_or_default().template.spec.unwrap_or_default();
    let new = replicated.pod_template().cloned().unwrap_or_default();
    let metadata = new.metadata.unwrap_or_default();
    let pod = new.spec.unwrap_or_default();
    let (mut tolerations, mut gates) = (old.tolerations, old.scheduling_gates);
    add_missing(&mut tolerations, pod.tolerations);
    add_missing(&mut gates, pod.scheduling_gates);
    json!({"spec": {
        "suspend": false,
        "template": {
            "metadata": {
                "labels": metadata.labels.unwrap_or_default(),
                "annotations": metadata.annotations.unwrap_or_default(),
            },
            "spec": {
                "nodeSelector": pod.node_selector.unwrap_or_default(),
                "tolerations": tolerations,
                "schedulingGates": gates,
            },
        },
    }})
}

/// The Service under whose name the Pods find each other.
pub(super) fn service(job_set: &JobSet) -> Option<Service> {
    if !has_host_names(job_set) {
        return None;
    }
    let name = job_set.name_any();
    let network = job_set.spec.network.clone().unwrap_or_default();
    Some(Service {
        metadata: ObjectMeta {
            name: Some(job_set.spec.subdomain(&name).to_owned()),
            ..owned(job_set)
        },
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".into()),
            selector: Some([(JOB_SET_NAME.to_owned(), name)].into()),
            publish_not_ready_addresses: Some(network.publish_not_ready_addresses.unwrap_or(true)),
            ..Default::default()
        }),
        status: None,
    })
}

pub(super) fn claims(job_set: &JobSet) -> Vec<PersistentVolumeClaim> {
    let name = job_set.name_any();
    let policies = job_set.spec.volume_claim_policies.iter();
    let templates = policies.flat_map(|policy| policy.templates.iter().map(move |it| (policy, it)));
    templates
        .map(|(policy, template)| {
            let owner = owned(job_set);
            let mut labels = template.metadata.labels.clone();
            extend(&mut labels, Some([(JOB_SET_NAME.to_owned(), name.clone())].into()));
            PersistentVolumeClaim {
                metadata: ObjectMeta {
                    name: Some(template.claim_name(&name)),
                    labels,
                    annotations: template.metadata.annotations.clone(),
                    owner_references: owner.owner_references.filter(|_| policy.deletes()),
                    ..owner
                },
                spec: Some(template.spec.clone()),
                status: None,
            }
        })
        .collect()
}

/// The labels and annotations by which the Jobs and Pods of a JobSet are told apart.
fn marks(
    job_set: &JobSet,
    replicated: &ReplicatedJob,
    index: i32,
    restarts: i32,
) -> BTreeMap<String, String> {
    let all = &job_set.spec.replicated_jobs;
    let group = replicated.group();
    let sum = |jobs: &mut dyn Iterator<Item = &ReplicatedJob>| {
        jobs.map(ReplicatedJob::replicas).sum::<i32>()
    };
    let before = || all.iter().take_while(|job| job.name != replicated.name);
    let in_group = |job: &&ReplicatedJob| job.group() == group;
    let namespace = job_set.namespace().unwrap_or_default();
    let job = replicated.job_name(&job_set.name_any(), index);
    let mut marks: BTreeMap<_, _> = [
        ("jobset-name", job_set.name_any()),
        ("jobset-uid", job_set.uid().unwrap_or_default()),
        ("replicatedjob-name", replicated.name.clone()),
        ("restart-attempt", restarts.to_string()),
        ("replicatedjob-replicas", replicated.replicas().to_string()),
        ("global-replicas", sum(&mut all.iter()).to_string()),
        ("job-index", index.to_string()),
        ("job-key", key(&format!("{namespace}/{job}"))),
        ("job-global-index", (sum(&mut before()) + index).to_string()),
        ("group-name", group.to_owned()),
        ("group-replicas", sum(&mut all.iter().filter(in_group)).to_string()),
        ("job-group-index", (sum(&mut before().filter(in_group)) + index).to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (format!("jobset.sigs.k8s.io/{name}"), value))
    .collect();
    if let Some(coordinator) = &job_set.spec.coordinator {
        let name = job_set.name_any();
        let host = format!(
            "{name}-{}-{}-{}.{}",
            coordinator.replicated_job,
            coordinator.job_index,
            coordinator.pod_index,
            job_set.spec.subdomain(&name)
        );
        marks.insert("jobset.sigs.k8s.io/coordinator".into(), host);
    }
    marks
}

/// As long as the SHA-1 that JobSet uses, and like it only a name that cannot be read.
fn key(text: &str) -> String {
    Sha256::digest(text).iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

fn mark(metadata: &mut ObjectMeta, marks: &BTreeMap<String, String>) {
    extend(&mut metadata.labels, Some(marks.clone()));
    extend(&mut metadata.annotations, Some(marks.clone()));
}

fn owned(job_set: &JobSet) -> ObjectMeta {
    ObjectMeta {
        namespace: job_set.namespace(),
        owner_references: owned_by(job_set),
        ..Default::default()
    }
}

fn has_host_names(job_set: &JobSet) -> bool {
    job_set.spec.network.as_ref().and_then(|network| network.enable_dns_hostnames) == Some(true)
}

fn extend(map: &mut Option<BTreeMap<String, String>>, more: Option<BTreeMap<String, String>>) {
    if let Some(more) = more.filter(|more| !more.is_empty()) {
        map.get_or_insert_default().extend(more);
    }
}

fn add_missing<T: PartialEq>(list: &mut Option<Vec<T>>, more: Option<Vec<T>>) {
    for item in more.into_iter().flatten() {
        let list = list.get_or_insert_default();
        if !list.contains(&item) {
            list.push(item);
        }
    }
}
