//! One line for each status that a TrainJob can be seen in.

use serde_json::{Value, json};

use super::*;
use crate::train_job::steps::LABELS;

/// Judges a job created at 10:00:00, ten seconds later, and asserts phase, reason and SDK status.
fn check(spec: Value, status: Value, pods: &[Value], expected: &str) {
    check_at("2026-08-21T10:00:10Z", &[], spec, status, pods, expected);
}

fn check_at(
    now: &str,
    events: &[Value],
    spec: Value,
    status: Value,
    pods: &[Value],
    expected: &str,
) {
    let metadata = json!({"name": "mnist", "namespace": "team", "uid": "u1",
                          "creationTimestamp": "2026-08-21T10:00:00Z"});
    let mut object = json!({"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob",
                            "metadata": metadata, "spec": spec, "status": status});
    if let Some(queue) = object["spec"].as_object_mut().unwrap().remove("queue") {
        object["metadata"]["labels"] = json!({QUEUE_LABEL: queue});
    }
    if let Some(at) = object["spec"].as_object_mut().unwrap().remove("deleted") {
        object["metadata"]["deletionTimestamp"] = at;
    }
    let job: TrainJob = serde_json::from_value(object).unwrap();
    let pods = pods.iter().map(|it| serde_json::from_value(it.clone()).unwrap());
    let pods: Vec<Member> = pods.map(|it| Member::of(&it, LABELS)).collect();
    let events: Vec<Event> =
        events.iter().map(|it| serde_json::from_value(it.clone()).unwrap()).collect();
    let it = Standing::of(&job, &pods, &events, now.parse().unwrap());
    let remote = if it.remote { " remote" } else { "" };
    let reason = it.reason.as_deref().unwrap_or("-");
    assert_eq!(format!("{:?} {reason} {:?}{remote}", it.phase, SdkStatus::of(&job)), expected);
}

/// `name:active,ready,succeeded,failed,suspended` for each replicated job.
fn jobs(counts: &str) -> Value {
    let entry = |text: &str| {
        let (name, counts) = text.split_once(':').unwrap();
        let counts: Vec<i32> = counts.split(',').map(|it| it.parse().unwrap()).collect();
        json!({"name": name, "active": counts[0], "ready": counts[1], "succeeded": counts[2],
               "failed": counts[3], "suspended": counts[4]})
    };
    json!({"jobsStatus": counts.split(' ').map(entry).collect::<Vec<_>>()})
}

fn with_condition(mut status: Value, name: &str, value: &str, reason: &str) -> Value {
    status["conditions"] = json!([{"type": name, "status": value, "reason": reason,
        "message": "", "lastTransitionTime": "2026-08-21T10:00:05Z"}]);
    status
}

fn waiting(reason: &str, restarts: i32) -> Value {
    json!({"metadata": {}, "status": {"phase": "Running", "containerStatuses": [
        {"name": "node", "image": "", "imageID": "", "ready": false, "restartCount": restarts,
         "state": {"waiting": {"reason": reason}}}]}})
}

fn unscheduled(reason: &str) -> Value {
    json!({"metadata": {}, "status": {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": reason}]}})
}

fn spec() -> Value {
    json!({"runtimeRef": {"name": "torch"}})
}

fn suspended() -> Value {
    json!({"runtimeRef": {"name": "torch"}, "suspend": true})
}

#[test]
fn before_anything_runs() {
    check(spec(), json!(null), &[], "Created - Created");
    let later = "2026-08-21T10:01:00Z";
    check_at(later, &[], spec(), json!(null), &[], "NotReconciled - Created");
    check_at(later, &[], spec(), jobs("node:0,0,0,0,0"), &[], "NotReconciled - Created");
    let event = |name: &str, uid: &str| {
        json!({"metadata": {}, "reason": "TrainJobResourcesCreationFailed", "message": "why",
               "eventTime": "2026-08-21T10:00:02.000000Z",
               "involvedObject": {"kind": "TrainJob", "name": name, "uid": uid}})
    };
    let at = "2026-08-21T10:00:10Z";
    let failed = "CreationFailed TrainJobResourcesCreationFailed Created";
    check_at(at, &[event("mnist", "u1")], spec(), json!(null), &[], failed);
    let namesake = [event("mnist", "u0"), event("other", "u2")];
    check_at(at, &namesake, spec(), json!(null), &[], "Created - Created");
    check(spec(), jobs("node:0,0,0,0,0"), &[], "Created - Created");
}

#[test]
fn suspension_and_queues() {
    let status = with_condition(jobs("node:0,0,0,0,1"), "Suspended", "True", "Suspended");
    check(suspended(), status, &[], "Suspended - Created");
    check(suspended(), jobs("node:1,0,0,0,0"), &[], "Suspending - Created");
    let queued = json!({"runtimeRef": {"name": "torch"}, "suspend": true, "queue": "gpu"});
    check(queued, jobs("node:0,0,0,0,1"), &[], "Queued - Created");
    let resumed = with_condition(jobs("node:1,1,0,0,0"), "Suspended", "False", "Resumed");
    check(spec(), resumed, &[], "Running - Created");
    let remote = json!({"runtimeRef": {"name": "torch"},
                        "managedBy": "kueue.x-k8s.io/multikueue"});
    check(remote, jobs("node:1,1,0,0,0"), &[], "Running - Running remote");
}

#[test]
fn on_the_way() {
    let active = || jobs("node:1,0,0,0,0");
    check(spec(), active(), &[], "Starting - Created");
    check(
        spec(),
        active(),
        &[waiting("ContainerCreating", 0)],
        "Starting ContainerCreating Created",
    );
    let looping = [waiting("ErrImageNeverPull", 0), waiting("CrashLoopBackOff", 2)];
    check(spec(), active(), &looping, "CrashLooping CrashLoopBackOff Created");
    let image = [waiting("ImagePullBackOff", 0)];
    check(spec(), active(), &image, "ImagePullFailed ImagePullBackOff Created");
    check(spec(), active(), &[unscheduled("Unschedulable")], "Pending Unschedulable Created");
    let config = [waiting("CreateContainerConfigError", 0)];
    check(spec(), active(), &config, "Starting CreateContainerConfigError Created");
    let initializing =
        || jobs("node:0,0,0,0,0 model-initializer:1,1,0,0,0 dataset-initializer:0,0,1,0,0");
    check(spec(), initializing(), &[], "Initializing - Created");
    let crashing = [waiting("CrashLoopBackOff", 1)];
    check(spec(), initializing(), &crashing, "CrashLooping CrashLoopBackOff Created");
}

#[test]
fn running_and_after() {
    check(spec(), jobs("node:1,1,0,0,0"), &[], "Running - Running");
    let restarted = [json!({"metadata": {}, "status": {"phase": "Running", "containerStatuses": [
        {"name": "node", "image": "", "imageID": "", "ready": true, "restartCount": 2,
         "state": {"running": {}}}]}})];
    check(spec(), jobs("node:1,1,0,0,0"), &restarted, "Running Restarted Running");
    check(spec(), jobs("launcher:1,0,0,0,0 node:1,1,0,0,0"), &[], "Starting - Running");
    check(spec(), jobs("node:0,0,0,1,0"), &[], "Failing - Created");
    let complete = with_condition(jobs("node:0,0,1,0,0"), "Complete", "True", "AllJobsCompleted");
    check(spec(), complete, &[], "Succeeded AllJobsCompleted Complete");
    let failed = with_condition(jobs("node:0,0,0,1,0"), "Failed", "True", "FailedJobs");
    check(spec(), failed, &[], "Failed FailedJobs Failed");
    let deadline = with_condition(json!({}), "Failed", "True", "DeadlineExceeded");
    check(spec(), deadline, &[], "Failed DeadlineExceeded Failed");
    let deleted = json!({"runtimeRef": {"name": "torch"}, "deleted": "2026-08-21T10:00:09Z"});
    check(deleted, jobs("node:1,1,0,0,0"), &[], "Deleting - Running");
}
