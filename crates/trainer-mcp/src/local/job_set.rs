//! JobSet, the group of Jobs that a TrainJob becomes.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{
        batch::v1::{JobSpec, JobTemplateSpec},
        core::v1::{Container, PersistentVolumeClaimSpec, PodSpec, PodTemplateSpec},
    },
    apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta},
};
use kube::CustomResource;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, CustomResource, Deserialize, Serialize)]
#[kube(
    group = "jobset.x-k8s.io",
    version = "v1alpha2",
    kind = "JobSet",
    namespaced,
    status = "JobSetStatus",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct JobSetSpec {
    pub(super) replicated_jobs: Vec<ReplicatedJob>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) network: Option<Network>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) success_policy: Option<SuccessPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure_policy: Option<FailurePolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) startup_policy: Option<StartupPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) suspend: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) coordinator: Option<Coordinator>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) managed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl_seconds_after_finished: Option<i32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) volume_claim_policies: Vec<VolumeClaimPolicy>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ReplicatedJob {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) group_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) replicas: Option<i32>,
    pub(super) template: JobTemplateSpec,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) depends_on: Vec<DependsOn>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct DependsOn {
    pub(super) name: String,
    pub(super) status: Milestone,
}

/// What a job waits for in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) enum Milestone {
    Ready,
    Complete,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Network {
    #[serde(rename = "enableDNSHostnames", skip_serializing_if = "Option::is_none")]
    pub(super) enable_dns_hostnames: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subdomain: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) publish_not_ready_addresses: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SuccessPolicy {
    pub(super) operator: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) target_replicated_jobs: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FailurePolicy {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_restarts: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) restart_strategy: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) rules: Vec<FailurePolicyRule>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct FailurePolicyRule {
    pub(super) name: String,
    pub(super) action: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) on_job_failure_reasons: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) on_job_failure_message_patterns: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) target_replicated_jobs: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct StartupPolicy {
    pub(super) startup_policy_order: String,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Coordinator {
    pub(super) replicated_job: String,
    pub(super) job_index: i32,
    pub(super) pod_index: i32,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct VolumeClaimPolicy {
    pub(super) templates: Vec<VolumeClaimTemplate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retention_policy: Option<RetentionPolicy>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct VolumeClaimTemplate {
    pub(super) metadata: ObjectMeta,
    pub(super) spec: PersistentVolumeClaimSpec,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RetentionPolicy {
    pub(super) when_deleted: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct JobSetStatus {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) conditions: Vec<Condition>,
    pub(super) restarts: i32,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) restarts_count_towards_max: i32,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) terminal_state: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) replicated_jobs_status: Vec<ReplicatedJobStatus>,
}

/// How many Jobs of one replicated job are in which state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct ReplicatedJobStatus {
    pub(super) name: String,
    pub(super) ready: i32,
    pub(super) succeeded: i32,
    pub(super) failed: i32,
    pub(super) active: i32,
    pub(super) suspended: i32,
}

fn is_zero(number: &i32) -> bool {
    *number == 0
}

impl JobSet {
    pub(super) fn suspended(&self) -> bool {
        self.spec.suspend == Some(true)
    }

    /// Whether its jobs start one after the other.
    pub(super) fn in_order(&self) -> bool {
        let policy = self.spec.startup_policy.as_ref();
        policy.is_some_and(|policy| policy.startup_policy_order == "InOrder")
    }

    /// Whether no Job is made again before all of the run before are gone.
    pub(super) fn recreates_at_once(&self) -> bool {
        let policy = self.spec.failure_policy.as_ref();
        policy.and_then(|it| it.restart_strategy.as_deref()) == Some("BlockingRecreate")
    }

    /// The condition that ended it, if one has.
    pub(super) fn end(&self) -> Option<&Condition> {
        self.status.as_ref()?.conditions.iter().find(|condition| {
            matches!(condition.type_.as_str(), "Completed" | "Failed") && condition.status == "True"
        })
    }
}

impl JobSetSpec {
    /// The name of the headless Service, under which the Pods find each other.
    pub(super) fn subdomain<'a>(&'a self, name: &'a str) -> &'a str {
        let subdomain = self.network.as_ref().and_then(|network| network.subdomain.as_deref());
        subdomain.filter(|subdomain| !subdomain.is_empty()).unwrap_or(name)
    }
}

impl ReplicatedJob {
    pub(super) fn replicas(&self) -> i32 {
        self.replicas.unwrap_or(1)
    }

    pub(super) fn group(&self) -> &str {
        self.group_name.as_deref().unwrap_or("default")
    }

    pub(super) fn job_name(&self, job_set: &str, index: i32) -> String {
        format!("{job_set}-{}-{index}", self.name)
    }

    pub(super) fn label(&self, key: &str) -> Option<&str> {
        let labels: &BTreeMap<String, String> = self.template.metadata.as_ref()?.labels.as_ref()?;
        labels.get(key).map(String::as_str)
    }

    pub(super) fn job_spec(&self) -> Option<&JobSpec> {
        self.template.spec.as_ref()
    }

    pub(super) fn pod_template(&self) -> Option<&PodTemplateSpec> {
        Some(&self.job_spec()?.template)
    }

    pub(super) fn pod_spec(&self) -> Option<&PodSpec> {
        self.pod_template()?.spec.as_ref()
    }

    pub(super) fn job_spec_mut(&mut self) -> &mut JobSpec {
        self.template.spec.get_or_insert_default()
    }

    pub(super) fn pod_spec_mut(&mut self) -> &mut PodSpec {
        self.job_spec_mut().template.spec.get_or_insert_default()
    }
}

impl VolumeClaimPolicy {
    /// Whether its claims go with the JobSet.
    pub(super) fn deletes(&self) -> bool {
        let policy = self.retention_policy.as_ref().and_then(|it| it.when_deleted.as_deref());
        policy != Some("Retain")
    }
}

impl VolumeClaimTemplate {
    pub(super) fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    pub(super) fn claim_name(&self, job_set: &str) -> String {
        format!("{}-{job_set}", self.name())
    }

    pub(super) fn is_mounted_in(&self, container: &Container) -> bool {
        container.volume_mounts.iter().flatten().any(|mount| mount.name == self.name())
    }
}
