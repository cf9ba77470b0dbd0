//! Which events concern a TrainJob: its own, and those of everything made for it.

use k8s_openapi::api::core::v1::Event;
use kube::{ResourceExt as _, api::ListParams};
use kubeflow_mcp_core::{Caller, Result};

use super::TrainJob;
use crate::events::{self, Found, part};

/// The events of a TrainJob and of everything made for it.
pub async fn of(caller: &Caller, job: &TrainJob) -> Result<Found> {
    let api = caller.api::<Event>(job.namespace().as_deref());
    events::find(&api, ListParams::default(), events::ALL, |it| concerns(job, it)).await
}

/// The events of the TrainJob alone: the API server finds them, however many others there are.
pub async fn of_itself(caller: &Caller, job: &TrainJob) -> Result<Found> {
    let object = format!("involvedObject.kind=TrainJob,involvedObject.name={}", job.name_any());
    let api = caller.api::<Event>(job.namespace().as_deref());
    let selected = ListParams::default().fields(&object);
    events::find(&api, selected, events::ALL, |it| concerns(job, it)).await
}

/// Whether an event is about the job or one of its parts, and not about a former job of that name.
pub fn concerns(job: &TrainJob, event: &Event) -> bool {
    let object = &event.involved_object;
    let (Some(kind), Some(name)) = (&object.kind, &object.name) else { return false };
    let job_name = job.name_any();
    let own = match kind.as_str() {
        "TrainJob" => *name == job_name && (object.uid.is_none() || object.uid == job.metadata.uid),
        "JobSet" | "PodGroup" | "Service" => *name == job_name,
        "Job" => part(&job_name, name).is_some_and(|it| group(it, 0).is_some()),
        "Pod" => part(&job_name, name).is_some_and(|it| group(it, 2).is_some()),
        "PersistentVolumeClaim" => name.strip_suffix(&job_name).is_some_and(|it| it.ends_with('-')),
        "Workload" => part("trainjob", name)
            .and_then(|it| part(&job_name, it))
            .is_some_and(|hash| !hash.contains('-')),
        _ => false,
    };
    own && events::is_since(event, job.creation_timestamp())
}

/// The replicated job in `GROUP-0[-INDEX-SUFFIX]`, of which `more` parts follow the zero. A job
/// `a-b` has Pods that start with `a-` too, so the shape decides: no group is named like that.
fn group(part: &str, more: usize) -> Option<&str> {
    let mut parts = part.rsplitn(more + 2, '-');
    if more == 2 {
        let suffix = parts.next()?;
        let index = parts.next()?;
        let shaped = suffix.len() == 5 && index.chars().all(|it| it.is_ascii_digit());
        shaped.then_some(())?;
    }
    let zero = parts.next()?;
    parts.next().filter(|it| zero == "0" && GROUPS.contains(it))
}

/// The replicated jobs that the Trainer knows.
const GROUPS: [&str; 4] = ["node", "launcher", "dataset-initializer", "model-initializer"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_of_parts_are_told_from_those_of_others() {
        let job = json!({"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob",
            "metadata": {"name": "mnist", "uid": "u1", "creationTimestamp": "2026-08-21T10:00:00Z"},
            "spec": {"runtimeRef": {"name": "torch"}}});
        let job: TrainJob = serde_json::from_value(job).unwrap();
        let check = |kind: &str, name: &str, uid: Option<&str>, at: &str, expected: bool| {
            let event = json!({"metadata": {}, "eventTime": format!("2026-08-21T{at}.000000Z"),
                "involvedObject": {"kind": kind, "name": name, "uid": uid}});
            let event: Event = serde_json::from_value(event).unwrap();
            assert_eq!(concerns(&job, &event), expected, "{kind} {name} {uid:?} {at}");
        };
        let now = "10:00:05";
        for (kind, name) in [
            ("TrainJob", "mnist"),
            ("JobSet", "mnist"),
            ("Job", "mnist-node-0"),
            ("Job", "mnist-model-initializer-0"),
            ("Pod", "mnist-node-0-0-abcde"),
            ("Pod", "mnist-dataset-initializer-0-0-x7f2k"),
            ("Pod", "mnist-node-0-511-abcde"),
            ("PersistentVolumeClaim", "initializer-mnist"),
            ("Workload", "trainjob-mnist-1a2b3"),
        ] {
            check(kind, name, None, now, true);
        }
        for (kind, name) in [
            ("TrainJob", "mnist-2"),
            ("Job", "mnist-2-node-0"),
            ("Job", "mnist-node-1"),
            ("Pod", "mnist-2-node-0-0-abcde"),
            ("Pod", "mnist-node-0-abcde"),
            ("Pod", "mnist"),
            ("PersistentVolumeClaim", "initializer-fashionmnist"),
            ("Workload", "trainjob-mnist-2-1a2b3"),
            ("Node", "mnist"),
        ] {
            check(kind, name, None, now, false);
        }
        check("TrainJob", "mnist", Some("u1"), now, true);
        check("TrainJob", "mnist", Some("u0"), now, false);
        check("Pod", "mnist-node-0-0-abcde", None, "09:59:00", false);
    }
}
