//! Where a Job stands in each status that it can be seen in, and what is its own.

use serde_json::{Value, json};

use super::*;

fn job(spec: Value, status: Value) -> Job {
    serde_json::from_value(json!({"apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "mnist", "uid": "u1", "creationTimestamp": "2026-08-21T10:00:00Z"},
        "spec": spec, "status": status}))
    .unwrap()
}

fn pod(name: &str, owner: &str, created: &str, status: Value) -> Pod {
    let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "mnist", "uid": owner});
    serde_json::from_value(json!({"metadata": {"name": name, "ownerReferences": [owner],
        "creationTimestamp": format!("2026-08-21T{created}Z")}, "status": status}))
    .unwrap()
}

/// Judges a Job of ten o'clock at that time, and asserts phase, reason and message.
fn check(now: &str, spec: Value, status: Value, pods: &[Value], expected: &str) {
    let mut spec = spec;
    spec["template"] = json!({});
    let job = job(spec, status);
    let pods: Vec<Pod> =
        pods.iter().map(|it| pod("mnist-abcde", "u1", "10:00:01", it.clone())).collect();
    let now = format!("2026-08-21T10:{now}Z").parse().unwrap();
    let it = Standing::of_job(&job, &members(&job, &pods), now);
    let words = [it.reason, it.message].into_iter().flatten().collect::<Vec<_>>().join(": ");
    assert_eq!(format!("{:?} {words}", it.phase).trim_end(), expected);
}

fn ended(kind: &str, reason: &str) -> Value {
    json!({"failed": 1, "conditions": [{"type": kind, "status": "True", "reason": reason,
        "message": "by hand", "lastTransitionTime": "2026-08-21T10:05:00Z"}]})
}

#[test]
fn a_job_stands_as_its_status_and_pods_say() {
    let waits = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled",
        "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]});
    let runs = json!({"phase": "Running"});
    check("00:05", json!({}), json!({}), &[], "Created");
    check(
        "01:00",
        json!({}),
        json!({}),
        &[],
        "NotReconciled it has had no Pods for 60 s: Kubernetes' Job controller may be stopped",
    );
    check("01:00", json!({"suspend": true}), json!({}), &[], "Suspended");
    check("01:00", json!({"suspend": true}), json!({"active": 1}), &[], "Suspending");
    check(
        "01:00",
        json!({}),
        json!({"active": 1, "ready": 0}),
        &[waits],
        "Pending Unschedulable: 0/1 nodes",
    );
    check("01:00", json!({}), json!({"active": 1, "ready": 0}), &[], "Starting");
    check("01:00", json!({}), json!({"active": 1, "ready": 1}), &[runs], "Running");
    check(
        "01:00",
        json!({}),
        json!({"failed": 2}),
        &[],
        "CrashLooping 2 of its Pods failed, and another is to be started",
    );
    check(
        "06:00",
        json!({}),
        ended("Complete", "CompletionsReached"),
        &[],
        "Succeeded CompletionsReached: by hand",
    );
    check(
        "06:00",
        json!({}),
        ended("FailureTarget", "BackoffLimitExceeded"),
        &[],
        "Failing BackoffLimitExceeded: by hand",
    );
    check(
        "06:00",
        json!({}),
        ended("Failed", "DeadlineExceeded"),
        &[],
        "Failed DeadlineExceeded: by hand",
    );
}

#[test]
fn a_queued_job_says_where_it_waits() {
    let mut job = job(json!({"suspend": true, "template": {}}), json!({}));
    job.metadata.labels = Some([(QUEUE_LABEL.to_owned(), "team".to_owned())].into());
    let standing = Standing::of_job(&job, &[], "2026-08-21T10:00:00Z".parse().unwrap());
    assert_eq!(standing.phase, Phase::Queued);
    assert_eq!(standing.message.as_deref(), Some("waits in queue \"team\""));
}

#[test]
fn pods_of_a_former_job_and_earlier_tries_are_told_apart() {
    let running = || json!({"phase": "Running"});
    let pods = [
        pod("mnist-aaaaa", "u0", "09:00:00", running()),
        pod("mnist-bbbbb", "u1", "10:00:01", json!({"phase": "Failed"})),
        pod("mnist-ccccc", "u1", "10:00:09", running()),
    ];
    let names = |spec: Value| {
        let members = members(&job(spec, json!({})), &pods);
        members.iter().map(|it| format!("{} {}", it.index, it.pod)).collect::<Vec<_>>()
    };
    assert_eq!(names(json!({"template": {}})), ["0 mnist-ccccc"]);
    let beside = json!({"template": {}, "parallelism": 2});
    assert_eq!(names(beside), ["0 mnist-bbbbb", "1 mnist-ccccc"]);
}

#[test]
fn events_of_parts_are_told_from_those_of_others() {
    let volume = json!({"name": "data", "persistentVolumeClaim": {"claimName": "images"}});
    let template = json!({"spec": {"containers": [], "volumes": [volume]}});
    let plain = job(json!({"template": template}), json!({}));
    let indexed = job(json!({"template": {}, "completionMode": "Indexed"}), json!({}));
    let check = |job: &Job, object: &str, at: &str, expected: bool| {
        let (kind, name) = object.split_once('/').unwrap();
        let event = json!({"metadata": {}, "eventTime": format!("2026-08-21T{at}.000000Z"),
            "involvedObject": {"kind": kind, "name": name}});
        let event: Event = serde_json::from_value(event).unwrap();
        assert_eq!(concerns(job, &event), expected, "{object} {at}");
    };
    let now = "10:00:05";
    for own in
        ["Job/mnist", "Pod/mnist-abcde", "PersistentVolumeClaim/images", "Workload/job-mnist-1a2b3"]
    {
        check(&plain, own, now, true);
    }
    for other in [
        "Job/mnist-2",
        "Pod/mnist-2-abcde",
        "Pod/mnist",
        "Pod/mnist-node-0-0-abcde",
        "PersistentVolumeClaim/text",
        "Workload/job-mnist-2-1a2b3",
        "TrainJob/mnist",
    ] {
        check(&plain, other, now, false);
    }
    check(&indexed, "Pod/mnist-7-abcde", now, true);
    check(&indexed, "Pod/mnist-abcde", now, false);
    check(&plain, "Pod/mnist-abcde", "09:59:00", false);
}
