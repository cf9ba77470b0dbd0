//! Parts of a job that Kubernetes refuses to make: the job's status says nothing of it, events do.

use k8s_openapi::api::{batch::v1::Job, core::v1::Event};
use kube::ResourceExt as _;
use kubeflow_mcp_core::Sign;

use super::{Case, message, quoted, says, shown};
use crate::{
    diagnosis::finding::{Code, Finding},
    events::when,
    job::condition,
    phase::Phase,
};

pub(super) const SIGNS: &[Sign] = &[
    FAILED_CREATE,
    OF_JOB_SETS[0],
    OF_JOB_SETS[1],
    OF_JOB_SETS[2],
    QUOTA,
    SECURITY,
    TOO_LONG,
    ACCOUNT[0],
    ACCOUNT[1],
    WEBHOOK,
];

const JOB_SETS: &str = "sigs.k8s.io/jobset pkg/constants/constants.go";
const FAILED_CREATE: Sign = Sign::seen("FailedCreate");
const OF_JOB_SETS: [Sign; 3] = [
    Sign::documented("JobCreationFailed", JOB_SETS),
    Sign::documented("PVCCreationFailed", JOB_SETS),
    Sign::documented("HeadlessServiceCreationFailed", JOB_SETS),
];
const QUOTA: Sign = Sign::seen("exceeded quota");
const SECURITY: Sign = Sign::documented(
    "violates PodSecurity",
    "k8s.io/pod-security-admission admission/admission.go",
);
const TOO_LONG: Sign = Sign::seen("name is too long");
const ACCOUNT: [Sign; 2] = [
    Sign::seen("error looking up service account"),
    Sign::documented("serviceaccount ", "k8s.io/kubernetes plugin/pkg/admission/serviceaccount"),
];
const WEBHOOK: Sign =
    Sign::documented("failed calling webhook", "k8s.io/apiserver pkg/admission/plugin/webhook");

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if case.standing.phase == Phase::CreationFailed {
        let text = case.standing.message.clone().unwrap_or_default();
        let at = case.snapshot.job.created();
        let reason = case.standing.reason.as_deref().unwrap_or_default();
        findings.push(refusal(&text, "its JobSet").since(at).shown_by(format!(
            "event {reason} of TrainJob/{}: {}",
            case.snapshot.job.name(),
            quoted(text.rsplit("denied the request: ").next().unwrap_or_default())
        )));
    }
    if case.snapshot.job.end().is_some() {
        return findings;
    }
    if case.snapshot.jobs.is_empty() && case.members.is_empty() {
        let reasons = OF_JOB_SETS.map(|it| it.name);
        let refused = case.snapshot.events_of(&reasons);
        findings.extend(refused.first().map(|it| of_event(it, "its Jobs")));
    }
    let refused = case.snapshot.events_of(&[FAILED_CREATE.name]);
    for job in case.snapshot.jobs.iter().filter(|it| lacks_pods(it)) {
        let name = job.name_any();
        let of_job = |it: &&&Event| it.involved_object.name.as_deref() == Some(&name);
        findings.extend(refused.iter().find(of_job).map(|it| of_event(it, "its Pods")));
    }
    findings
}

/// What is over, or was made after all, is not refused.
fn lacks_pods(job: &Job) -> bool {
    let status = job.status.clone().unwrap_or_default();
    let over = ["Complete", "Failed", "Suspended"].iter().any(|it| condition(job, it).is_some());
    let spec = job.spec.clone().unwrap_or_default();
    let wanted = spec.parallelism.unwrap_or(1);
    let there = status.active.unwrap_or(0) + status.succeeded.unwrap_or(0);
    !over && there < wanted
}

fn of_event(event: &Event, what: &str) -> Finding {
    refusal(message(event), what).since(when(event)).shown_by(shown(event))
}

fn refusal(text: &str, part: &str) -> Finding {
    let (code, what) = if says(text, &[QUOTA]) {
        (Code::QuotaExceeded, format!("the namespace's quota does not allow {part}"))
    } else if says(text, &[SECURITY]) {
        (Code::PodSecurity, format!("the namespace's Pod security forbids {part}"))
    } else if says(text, &[TOO_LONG]) {
        (Code::NameTooLong, "its name is too long for what is named after it".to_owned())
    } else if says(text, &[ACCOUNT[0]]) || (says(text, &[ACCOUNT[1]]) && text.contains("not found"))
    {
        (Code::ServiceAccountMissing, "the ServiceAccount of its Pods does not exist".to_owned())
    } else if says(text, &[WEBHOOK]) {
        (Code::WebhookUnavailable, format!("a webhook that must agree to {part} does not answer"))
    } else {
        (Code::CreationRefused, format!("Kubernetes refuses to make {part}"))
    };
    Finding::certain(code, what)
}
