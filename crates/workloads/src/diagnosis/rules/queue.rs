//! Jobs that are not to run yet: suspended, in a Kueue queue, not taken up, or being deleted.

use kubeflow_mcp_core::Sign;
use serde_json::Value;

use super::{Case, quoted, says};
use crate::{
    diagnosis::{
        finding::{Certainty, Code, Finding, Next},
        snapshot::Presence,
    },
    phase::Phase,
    train_job::phase::QUEUE_LABEL,
    workload::Workload,
};

pub(super) const SIGNS: &[Sign] =
    &[RESERVED, NEVER[0], NEVER[1], NEVER[2], UNUSABLE[0], UNUSABLE[1], UNUSABLE[2]];

const REASONS: &str = "sigs.k8s.io/kueue apis/kueue/v1beta2/workload_types.go";
const ASSIGNER: &str = "sigs.k8s.io/kueue pkg/scheduler/flavorassigner/flavorassigner.go";
const RESERVED: Sign = Sign::documented("QuotaReserved", REASONS);
/// Waiting does not help.
const NEVER: [Sign; 3] = [
    Sign::documented("ExceedsMaxQuota", REASONS),
    Sign::documented("request > maximum capacity", ASSIGNER),
    Sign::documented("is unavailable in ClusterQueue", ASSIGNER),
];
const UNUSABLE: [Sign; 3] = [
    Sign::documented("doesn't exist", "sigs.k8s.io/kueue pkg/cache/queue/manager.go"),
    Sign::documented("is inactive", "sigs.k8s.io/kueue pkg/controller/core/workload_controller.go"),
    Sign::documented("Misconfigured", REASONS),
];

pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let standing = &case.standing;
    let mut findings = match standing.phase {
        Phase::Suspended | Phase::Suspending => vec![suspended(case)],
        Phase::Queued => vec![queued(case)],
        Phase::NotReconciled => vec![
            Finding::certain(Code::NotReconciled, "no controller has taken it up")
                .since(case.snapshot.job.created())
                .shown_by(standing.message.clone().unwrap_or_default()),
        ],
        Phase::Deleting => standing
            .message
            .iter()
            .map(|it| {
                Finding::certain(Code::DeletionHangs, "its deletion does not come to an end")
                    .shown_by(it.clone())
            })
            .collect(),
        _ => Vec::new(),
    };
    let waits = matches!(
        standing.phase,
        Phase::Suspended | Phase::Queued | Phase::CreationFailed | Phase::NotReconciled
    );
    if waits
        && case.snapshot.runtime == Presence::Missing
        && let Workload::TrainJob(job) = &case.snapshot.job
    {
        let runtime = &job.spec.runtime_ref;
        let kind = runtime.kind.as_deref().unwrap_or("ClusterTrainingRuntime");
        findings.insert(
            0,
            Finding::certain(
                Code::RuntimeMissing,
                format!("its runtime {:?} does not exist any more", runtime.name),
            )
            .since(case.snapshot.job.created())
            .shown_by(format!(
                "spec.runtimeRef names the {kind} {:?}, which is not there",
                runtime.name
            )),
        );
    }
    findings
}

fn suspended(case: &Case<'_>) -> Finding {
    Finding::certain(Code::Suspended, "it is suspended, and waits for somebody to resume it")
        .since(case.snapshot.job.suspended())
        .shown_by("spec.suspend is true, and it has no queue")
        .then(Next::Resume)
}

/// What Kueue says of it: in its Workload, or of the queue.
fn queued(case: &Case<'_>) -> Finding {
    let snapshot = case.snapshot;
    let queue = snapshot.job.label(QUEUE_LABEL).unwrap_or_default();
    let since = snapshot.job.created();
    if snapshot.queue == Presence::Missing {
        return Finding::certain(Code::QueueUnusable, format!("there is no queue {queue:?}"))
            .since(since)
            .shown_by(format!("no LocalQueue {queue:?} in the namespace"));
    }
    let told = snapshot.workload.as_ref().and_then(|it| condition(it, RESERVED.name));
    let Some((status, reason, message)) = told else {
        return Finding::new(Code::QueueFull, Certainty::Likely, "it waits for its Kueue queue")
            .since(since)
            .shown_by(format!("spec.suspend is true, and its queue is {queue:?}"));
    };
    if status == "True" {
        let what = "its queue has admitted it, and it is still suspended: Kueue and the Trainer may not fit";
        return Finding::new(Code::NotReconciled, Certainty::Possible, what)
            .since(since)
            .shown_by(format!("Workload {}=True, and spec.suspend is true", RESERVED.name));
    }
    let shown = format!("Workload {}={status} {reason}: {}", RESERVED.name, quoted(&message));
    let said = format!("{reason} {message}");
    let (code, what) = if says(&said, &NEVER) {
        (Code::QueueTooSmall, "it asks for more than its queue can ever give".to_owned())
    } else if says(&said, &UNUSABLE) {
        (Code::QueueUnusable, format!("its queue {queue:?} takes no jobs"))
    } else {
        (Code::QueueFull, format!("its queue {queue:?} has no room for it yet"))
    };
    Finding::certain(code, what).since(since).shown_by(shown)
}

fn condition(object: &Value, name: &str) -> Option<(String, String, String)> {
    let conditions = object["status"]["conditions"].as_array()?;
    let condition = conditions.iter().find(|it| it["type"] == name)?;
    let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("reason"), text("message")))
}
