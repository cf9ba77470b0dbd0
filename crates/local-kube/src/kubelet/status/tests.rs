//! Phases and statuses that follow from how containers stand.

use std::time::Duration;

use expect_test::{Expect, expect};
use k8s_openapi::api::core::v1 as core;
use serde_json::{Value, json};

use super::{
    super::{
        container::{Backoff, State},
        run::{Ended, Started},
    },
    *,
};

const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(10), longest: Duration::from_secs(300) };

fn container(name: &str) -> Container {
    Container::new(core::Container { name: name.into(), ..core::Container::default() }, false)
}

fn ended(exit_code: i32) -> Ended {
    Ended {
        exit_code,
        signal: None,
        reason: if exit_code == 0 { "Completed" } else { "Error" }.into(),
        message: None,
        started_at: Some(Timestamp::UNIX_EPOCH),
        finished_at: Timestamp::UNIX_EPOCH,
    }
}

fn running(mut container: Container) -> Container {
    let started = Started { pid: 1, birth: 0, at: Timestamp::UNIX_EPOCH };
    container.state = State::Running { attempt: 0, started: Some(started), stopping: false };
    container
}

fn exited(mut container: Container, exit_code: i32) -> Container {
    container.end(0, ended(exit_code), BACKOFF);
    container
}

fn crashed(mut container: Container) -> Container {
    container.last = Some((0, ended(1)));
    container.waits("CrashLoopBackOff", None);
    container
}

/// The phase, why the Pod is not ready, and each container's state.
fn check(policy: &str, containers: &[Container], over: bool, expected: &Expect) {
    let pod =
        json!({"metadata": {"uid": "u"}, "spec": {"containers": [], "restartPolicy": policy}});
    let pod: Pod = serde_json::from_value(pod).unwrap();
    let known = Known {
        pod: &pod,
        containers,
        started: Timestamp::UNIX_EPOCH,
        prepared: true,
        over,
        verdict: None,
    };
    let status = json!(status(&known, Timestamp::UNIX_EPOCH));
    let state = |status: &Value| {
        let (what, state) = status["state"].as_object().unwrap().iter().next().unwrap();
        format!("{} {what} {}", status["name"], state["reason"])
    };
    let mut shown = vec![format!("{} {}", status["phase"], status["conditions"][2]["reason"])];
    shown.extend(status["containerStatuses"].as_array().unwrap().iter().map(state));
    expected.assert_eq(&shown.join(", ").replace('"', ""));
}

#[test]
fn a_pod_runs_until_all_containers_are_over() {
    let (one, two) = (container("one"), container("two"));
    check(
        "Never",
        &[one.clone(), two.clone()],
        false,
        &expect![[
            r#"Pending ContainersNotReady, one waiting ContainerCreating, two waiting ContainerCreating"#
        ]],
    );
    let begun = [running(one.clone()), running(two.clone())];
    check("Never", &begun, false, &expect!["Running null, one running null, two running null"]);
    let half = [exited(one.clone(), 0), running(two.clone())];
    check(
        "Never",
        &half,
        false,
        &expect!["Running ContainersNotReady, one terminated Completed, two running null"],
    );
    let done = [exited(one.clone(), 0), exited(two.clone(), 0)];
    check(
        "Never",
        &done,
        false,
        &expect!["Succeeded PodCompleted, one terminated Completed, two terminated Completed"],
    );
    let failed = [exited(one, 0), exited(two, 3)];
    check(
        "Never",
        &failed,
        false,
        &expect!["Failed PodFailed, one terminated Completed, two terminated Error"],
    );
}

#[test]
fn what_is_started_again_does_not_end_the_pod() {
    let one = container("one");
    check(
        "OnFailure",
        &[exited(one.clone(), 1)],
        false,
        &expect!["Running ContainersNotReady, one terminated Error"],
    );
    check(
        "OnFailure",
        &[crashed(one)],
        false,
        &expect!["Running ContainersNotReady, one waiting CrashLoopBackOff"],
    );
}

#[test]
fn a_pod_that_is_ended_says_how_each_container_ended() {
    let one = container("one");
    check(
        "Always",
        &[exited(one.clone(), 0)],
        true,
        &expect!["Succeeded PodCompleted, one terminated Completed"],
    );
    check(
        "Always",
        &[crashed(one.clone())],
        true,
        &expect!["Failed PodFailed, one terminated Error"],
    );
    check(
        "Always",
        &[one],
        true,
        &expect!["Failed PodFailed, one terminated ContainerStatusUnknown"],
    );
}
