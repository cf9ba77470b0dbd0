//! What is done about JobSets, step by step, with Jobs whose statuses are written by hand.

use expect_test::{Expect, expect};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::plan::{Plan, plan};
use crate::local::job_set::JobSet;

/// A JobSet with the Jobs that its controller has made so far.
struct Case {
    job_set: JobSet,
    jobs: Vec<Job>,
}

impl Case {
    fn new(spec: Value) -> Self {
        let mut spec = spec;
        if spec["network"].is_null() {
            spec["network"] = json!({"enableDNSHostnames": true});
        }
        let job_set = serde_json::from_value(json!({
            "apiVersion": "jobset.x-k8s.io/v1alpha2",
            "kind": "JobSet",
            "metadata": {"name": "hello", "namespace": "team", "uid": "1"},
            "spec": spec,
        }))
        .unwrap();
        Self { job_set, jobs: Vec::new() }
    }

    /// Plans, and does to the Jobs and the status what the plan says.
    fn step(&mut self) -> Plan {
        let plan = plan(&self.job_set, &self.jobs, Timestamp::from_second(100).unwrap());
        self.jobs.retain(|job| !plan.delete.contains(&job.name_any()));
        self.jobs.extend(plan.create.clone());
        for job in &mut self.jobs {
            let spec = job.spec.as_mut().unwrap();
            if plan.suspend.contains(job.metadata.name.as_ref().unwrap()) {
                spec.suspend = Some(true);
            }
            let name = job.metadata.name.as_ref().unwrap();
            if plan.resume.iter().any(|(resumed, _)| resumed == name) {
                spec.suspend = Some(false);
            }
        }
        if plan.status.is_some() {
            self.job_set.status.clone_from(&plan.status);
        }
        plan
    }

    fn job_is(&mut self, name: &str, status: Value) {
        let job = self.jobs.iter_mut().find(|job| job.name_any() == name).unwrap();
        job.status = serde_json::from_value(status).unwrap();
    }

    /// Steps until nothing more is to do, and shows what happened and where it ended.
    fn check(&mut self, expected: Expect) {
        let mut text = String::new();
        for round in 0.. {
            assert!(round < 10, "the plans do not come to rest");
            let plan = self.step();
            for job in &plan.create {
                text += &format!("create {}\n", job.name_any());
            }
            for (what, names) in [("delete", &plan.delete), ("suspend", &plan.suspend)] {
                names.iter().for_each(|name| text += &format!("{what} {name}\n"));
            }
            plan.resume.iter().for_each(|(name, _)| text += &format!("resume {name}\n"));
            for event in &plan.events {
                text += &format!("{:?} {}: {}\n", event.severity, event.reason, event.message);
            }
            let changed = plan.status.is_some() || !plan.delete.is_empty();
            if !changed
                && plan.create.is_empty()
                && plan.suspend.is_empty()
                && plan.resume.is_empty()
            {
                break;
            }
        }
        let status = self.job_set.status.clone().unwrap();
        for job in &status.replicated_jobs_status {
            text += &format!(
                "{}: ready {} succeeded {} failed {} active {} suspended {}\n",
                job.name, job.ready, job.succeeded, job.failed, job.active, job.suspended
            );
        }
        for it in &status.conditions {
            text += &format!("{}={} {}: {}\n", it.type_, it.status, it.reason, it.message);
        }
        expected.assert_eq(&text);
    }
}

fn job(name: &str) -> Value {
    json!({"name": name, "template": {"spec": {"parallelism": 2, "completions": 2}}})
}

fn after(name: &str, other: &str, milestone: &str) -> Value {
    let mut job = job(name);
    job["dependsOn"] = json!([{"name": other, "status": milestone}]);
    job
}

fn ended(how: &str, second: i64) -> Value {
    let time = Timestamp::from_second(second).unwrap().to_string();
    json!({"conditions": [{"type": how, "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit", "lastTransitionTime": time}]})
}

#[test]
fn a_job_set_runs_and_completes() {
    let mut case = Case::new(json!({"replicatedJobs": [job("node")]}));
    case.check(expect![[r#"
        create hello-node-0
        node: ready 0 succeeded 0 failed 0 active 0 suspended 0
    "#]]);
    case.job_is("hello-node-0", json!({"active": 2, "ready": 1}));
    case.check(expect![[r#"
        node: ready 0 succeeded 0 failed 0 active 1 suspended 0
    "#]]);
    case.job_is("hello-node-0", json!({"active": 1, "ready": 1, "succeeded": 1}));
    case.check(expect![[r#"
        node: ready 1 succeeded 0 failed 0 active 1 suspended 0
    "#]]);
    case.job_is("hello-node-0", ended("Complete", 90));
    case.check(expect![[r#"
        Normal AllJobsCompleted: jobset completed successfully
        node: ready 0 succeeded 1 failed 0 active 0 suspended 0
        Completed=True AllJobsCompleted: jobset completed successfully
    "#]]);
    assert_eq!(case.job_set.status.unwrap().terminal_state, "Completed");
}

#[test]
fn jobs_wait_for_those_they_depend_on() {
    let jobs = [job("one"), after("two", "one", "Complete"), after("three", "two", "Ready")];
    let mut case = Case::new(json!({"replicatedJobs": jobs}));
    case.check(expect![[r#"
        create hello-one-0
        two: ready 0 succeeded 0 failed 0 active 0 suspended 0
        three: ready 0 succeeded 0 failed 0 active 0 suspended 0
        one: ready 0 succeeded 0 failed 0 active 0 suspended 0
    "#]]);
    case.job_is("hello-one-0", ended("Complete", 90));
    case.check(expect![[r#"
        create hello-two-0
        two: ready 0 succeeded 0 failed 0 active 0 suspended 0
        three: ready 0 succeeded 0 failed 0 active 0 suspended 0
        one: ready 0 succeeded 1 failed 0 active 0 suspended 0
    "#]]);
    case.job_is("hello-two-0", json!({"active": 2, "ready": 2}));
    case.check(expect![[r#"
        create hello-three-0
        two: ready 1 succeeded 0 failed 0 active 1 suspended 0
        three: ready 0 succeeded 0 failed 0 active 0 suspended 0
        one: ready 0 succeeded 1 failed 0 active 0 suspended 0
    "#]]);
}

#[test]
fn a_job_set_is_suspended_and_resumed() {
    let mut case =
        Case::new(json!({"replicatedJobs": [job("one"), after("two", "one", "Complete")]}));
    case.step();
    case.job_set.spec.suspend = Some(true);
    case.check(expect![[r#"
        suspend hello-one-0
        Normal SuspendedJobs: jobset is suspended
        two: ready 0 succeeded 0 failed 0 active 0 suspended 0
        one: ready 0 succeeded 0 failed 0 active 0 suspended 1
        Suspended=True SuspendedJobs: jobset is suspended
    "#]]);
    case.job_set.spec.suspend = Some(false);
    let template = case.job_set.spec.replicated_jobs[0].pod_spec_mut();
    template.node_selector = Some([("zone".to_owned(), "a".to_owned())].into());
    let (_, resumption) = &plan(&case.job_set, &case.jobs, Timestamp::UNIX_EPOCH).resume[0];
    assert_eq!(resumption["spec"]["template"]["spec"]["nodeSelector"], json!({"zone": "a"}));
    case.check(expect![[r#"
        resume hello-one-0
        Normal ResumeJobs: jobset is resumed
        two: ready 0 succeeded 0 failed 0 active 0 suspended 0
        one: ready 0 succeeded 0 failed 0 active 0 suspended 0
        Suspended=False ResumeJobs: jobset is resumed
    "#]]);
}

#[test]
fn a_failed_job_ends_the_job_set_and_its_other_jobs() {
    let mut case = Case::new(json!({"replicatedJobs": [job("one"), job("two")]}));
    case.step();
    case.job_is("hello-two-0", ended("Failed", 90));
    case.check(expect![[r#"
        Warning FailedJobs: jobset failed due to one or more job failures (first failed job: hello-two-0)
        delete hello-one-0
        two: ready 0 succeeded 0 failed 1 active 0 suspended 0
        one: ready 0 succeeded 0 failed 0 active 0 suspended 0
        Failed=True FailedJobs: jobset failed due to one or more job failures (first failed job: hello-two-0)
    "#]]);
}

#[test]
fn a_failure_policy_restarts_as_often_as_it_says() {
    let mut case = Case::new(json!({
        "replicatedJobs": [job("node")],
        "failurePolicy": {"maxRestarts": 1},
    }));
    case.step();
    case.job_is("hello-node-0", ended("Failed", 90));
    case.check(expect![[r#"
        Warning DefaultFailurePolicy: applying RestartJobSet failure policy action (first failed job: hello-node-0)
        Warning RestartJobSetFailurePolicyAction: applying RestartJobSet failure policy action (first failed job: hello-node-0)
        delete hello-node-0
        create hello-node-0
        node: ready 0 succeeded 0 failed 0 active 0 suspended 0
        RestartingJobSet=True DefaultFailurePolicy: applying RestartJobSet failure policy action (first failed job: hello-node-0)
    "#]]);
    assert_eq!(case.jobs[0].labels()["jobset.sigs.k8s.io/restart-attempt"], "1");
    case.job_is("hello-node-0", ended("Failed", 95));
    case.check(expect![[r#"
        Warning ReachedMaxRestarts: jobset failed due to reaching max number of restarts (first failed job: hello-node-0)
        Normal JobSetFailed: jobset failed
        node: ready 0 succeeded 0 failed 1 active 0 suspended 0
        RestartingJobSet=False JobSetFailed: jobset failed
        Failed=True ReachedMaxRestarts: jobset failed due to reaching max number of restarts (first failed job: hello-node-0)
    "#]]);
}

#[test]
fn a_rule_can_end_what_a_restart_would_not_mend() {
    let mut case = Case::new(json!({
        "replicatedJobs": [job("node")],
        "failurePolicy": {"maxRestarts": 3, "rules": [{
            "name": "rule",
            "action": "FailJobSet",
            "onJobFailureReasons": ["BackoffLimitExceeded"],
            "onJobFailureMessagePatterns": ["^Job has reached"],
        }]},
    }));
    case.step();
    case.job_is("hello-node-0", ended("Failed", 90));
    case.check(expect![[r#"
        Warning FailJobSetFailurePolicyAction: applying FailJobSet failure policy action (first failed job: hello-node-0)
        node: ready 0 succeeded 0 failed 1 active 0 suspended 0
        Failed=True FailJobSetFailurePolicyAction: applying FailJobSet failure policy action (first failed job: hello-node-0)
    "#]]);
}

#[test]
fn success_may_need_only_one_of_the_jobs() {
    let mut case = Case::new(json!({
        "replicatedJobs": [job("launcher"), job("node")],
        "successPolicy": {"operator": "All", "targetReplicatedJobs": ["launcher"]},
    }));
    case.step();
    case.job_is("hello-launcher-0", ended("Complete", 90));
    case.check(expect![[r#"
        Normal AllJobsCompleted: jobset completed successfully
        delete hello-node-0
        node: ready 0 succeeded 0 failed 0 active 0 suspended 0
        launcher: ready 0 succeeded 1 failed 0 active 0 suspended 0
        Completed=True AllJobsCompleted: jobset completed successfully
    "#]]);
}

#[test]
fn a_finished_job_set_goes_when_its_time_is_over() {
    let mut case =
        Case::new(json!({"replicatedJobs": [job("node")], "ttlSecondsAfterFinished": 30}));
    case.step();
    case.job_is("hello-node-0", ended("Complete", 90));
    case.step();
    let at = |second| plan(&case.job_set, &case.jobs, Timestamp::from_second(second).unwrap());
    assert_eq!((at(110).expired, at(110).again.map(|it| it.as_secs())), (false, Some(20)));
    assert_eq!((at(130).expired, at(130).again), (true, None));
}

#[test]
fn jobs_and_pods_carry_the_marks_of_their_job_set() {
    let claims = json!([{"templates": [{"metadata": {"name": "data"}, "spec": {}}]}]);
    let pod = json!({"containers": [{"name": "node", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]});
    let mut two = job("node");
    two["template"]["spec"]["template"] = json!({"spec": pod});
    let mut case = Case::new(json!({
        "replicatedJobs": [job("one"), two],
        "volumeClaimPolicies": claims,
    }));
    let plan = case.step();
    let job = serde_json::to_value(&plan.create[1]).unwrap();
    let labels = &job["metadata"]["labels"];
    expect![[r#"
        {
          "jobset.sigs.k8s.io/global-replicas": "2",
          "jobset.sigs.k8s.io/group-name": "default",
          "jobset.sigs.k8s.io/group-replicas": "2",
          "jobset.sigs.k8s.io/job-global-index": "1",
          "jobset.sigs.k8s.io/job-group-index": "1",
          "jobset.sigs.k8s.io/job-index": "0",
          "jobset.sigs.k8s.io/job-key": "8f4f4b3faf5c8bd02a876f2a4ef2177f87af18c4",
          "jobset.sigs.k8s.io/jobset-name": "hello",
          "jobset.sigs.k8s.io/jobset-uid": "1",
          "jobset.sigs.k8s.io/replicatedjob-name": "node",
          "jobset.sigs.k8s.io/replicatedjob-replicas": "1",
          "jobset.sigs.k8s.io/restart-attempt": "0"
        }"#]]
    .assert_eq(&serde_json::to_string_pretty(labels).unwrap());
    assert_eq!(&job["metadata"]["annotations"], labels);
    let template = &job["spec"]["template"];
    assert_eq!(&template["metadata"]["labels"], labels);
    assert_eq!(template["spec"]["subdomain"], "hello");
    let claim = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data-hello"}}]);
    assert_eq!(template["spec"]["volumes"], claim);
    assert_eq!(plan.claims[0].name_any(), "data-hello");
    assert_eq!(plan.service.unwrap().name_any(), "hello");
}
