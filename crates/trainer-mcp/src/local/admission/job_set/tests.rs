//! What the webhook of JobSets defaults and refuses.

use serde_json::json;

use super::*;

fn spec(mut value: Value) -> JobSetSpec {
    default(&mut value);
    serde_json::from_value(value).unwrap()
}

fn check(name: &str, value: Value, expected: &[&str]) {
    let found: Vec<_> = faults(name, &spec(value))
        .into_iter()
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn what_is_left_out_gets_its_default() {
    let mut spec = json!({
        "replicatedJobs": [{"name": "node", "template": {"spec": {"template": {"spec": {}}}}}],
        "failurePolicy": {"rules": [{"action": "FailJobSet"}]},
        "volumeClaimPolicies": [{"templates": []}],
    });
    default(&mut spec);
    assert_eq!(
        spec,
        json!({
            "successPolicy": {"operator": "All"},
            "startupPolicy": {"startupPolicyOrder": "AnyOrder"},
            "network": {"enableDNSHostnames": true, "publishNotReadyAddresses": true},
            "replicatedJobs": [{"name": "node", "template": {"metadata": {}, "spec": {
                "completionMode": "Indexed",
                "template": {"metadata": {}, "spec": {"restartPolicy": "OnFailure"}},
            }}}],
            "failurePolicy": {"rules": [{"action": "FailJobSet", "name": "failurePolicyRule0"}]},
            "volumeClaimPolicies": [{"templates": [], "retentionPolicy": {"whenDeleted": "Delete"}}],
        })
    );
}

#[test]
fn names_must_leave_room_for_those_of_the_pods() {
    let jobs =
        json!({"replicatedJobs": [{"name": "node", "template": {"spec": {"completions": 10}}}]});
    check(&"a".repeat(48), jobs.clone(), &[]);
    let name = "a".repeat(49);
    check(
        &name,
        jobs,
        &[&format!(
            "spec.replicatedJobs[0].name: Invalid value: \"{name}-node-0\": JobSet name is too long, pod names generated for this JobSet will exceed 63 characters"
        )],
    );
}

#[test]
fn dependencies_point_backwards() {
    let depends = |on: &str| json!([{"name": on, "status": "Complete"}]);
    check(
        "a",
        json!({"replicatedJobs": [
            {"name": "one", "template": {}, "dependsOn": depends("two")},
            {"name": "two", "template": {}, "dependsOn": depends("one")},
        ]}),
        &[
            "<nil>: Internal error: DependsOn can't be set for the first ReplicatedJob",
            "<nil>: Internal error: replicatedJob: one cannot depend on replicatedJob: two",
        ],
    );
}

#[test]
fn jobs_are_immutable_but_for_their_scheduling_while_suspended() {
    let jobs = |suspend: bool, image: &str, zone: &str| {
        json!({
            "suspend": suspend,
            "replicatedJobs": [{"name": "node", "template": {"spec": {"template": {
                "metadata": {"labels": {"zone": zone}},
                "spec": {"nodeSelector": {"zone": zone}, "containers": [{"name": "node", "image": image}]},
            }}}}],
        })
    };
    let refused = |new: Value, old: Value| !change_faults(&new, &old).is_empty();
    assert!(!refused(jobs(false, "a", "x"), jobs(true, "a", "y")));
    assert!(refused(jobs(false, "a", "x"), jobs(false, "a", "y")));
    assert!(refused(jobs(true, "b", "x"), jobs(true, "a", "x")));
}
