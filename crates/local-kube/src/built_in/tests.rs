//! Defaults and refusals of built-in kinds.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

fn refused(resource: &str, object: Value, expected: Expect) {
    let mut object = object;
    default(resource, &mut object);
    let causes = validate(resource, &object);
    expected.assert_eq(&told(&causes));
}

fn told(causes: &[kube::core::response::StatusCause]) -> String {
    causes.iter().map(|cause| format!("{}: {}\n", cause.field, cause.message)).collect()
}

#[test]
fn a_pod_gets_what_the_kubelet_relies_on() {
    let mut pod = json!({"spec": {"containers": [{"name": "a", "image": "x", "resources": {"limits": {"cpu": 1}},
        "ports": [{"containerPort": 80}]}], "volumes": [{"name": "v"}]}});
    canonical_quantities(&mut pod);
    default("pods", &mut pod);
    generate("pods", &mut pod);
    expect![[r#"{"spec":{"containers":[{"image":"x","imagePullPolicy":"Always","name":"a","ports":[{"containerPort":80,"protocol":"TCP"}],"resources":{"limits":{"cpu":"1"},"requests":{"cpu":"1"}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","enableServiceLinks":true,"restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{},"serviceAccount":"default","serviceAccountName":"default","terminationGracePeriodSeconds":30,"tolerations":[{"effect":"NoExecute","key":"node.kubernetes.io/not-ready","operator":"Exists","tolerationSeconds":300},{"effect":"NoExecute","key":"node.kubernetes.io/unreachable","operator":"Exists","tolerationSeconds":300}],"volumes":[{"emptyDir":{},"name":"v"}]},"status":{"qosClass":"Burstable"}}"#]].assert_eq(&pod.to_string());
    assert!(validate("pods", &pod).is_empty());
    let again = pod.clone();
    default("pods", &mut pod);
    assert_eq!(pod, again, "defaults change nothing the second time");
}

#[test]
fn a_pod_needs_named_containers_with_images() {
    refused(
        "pods",
        json!({"spec": {}}),
        expect![[r#"
        spec.containers: Required value
    "#]],
    );
    refused(
        "pods",
        json!({"spec": {"restartPolicy": "Sometimes", "volumes": [{"name": "v", "emptyDir": {}}], "containers": [
            {"name": "a"},
            {"name": "a", "image": "x", "volumeMounts": [{"name": "gone", "mountPath": "/m"}], "ports": [{"containerPort": 70000}],
             "resources": {"requests": {"cpu": "2", "nvidia.com/gpu": "1"}, "limits": {"cpu": "1"}}},
            {"name": "B", "image": "x"}]}}),
        expect![[r#"
            spec.containers[0].image: Required value
            spec.containers[1].name: Duplicate value: "a"
            spec.containers[1].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive
            spec.containers[1].volumeMounts[0].name: Not found: "gone"
            spec.containers[1].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1
            spec.containers[1].resources.limits: Required value: Limit must be set for non overcommitable resources
            spec.containers[2].name: Invalid value: "B": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')
            spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"
        "#]],
    );
}

#[test]
fn a_job_is_selected_by_its_uid_and_ends_its_pods() {
    let template =
        json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "x:1"}]}});
    let mut job = json!({"metadata": {"name": "j", "uid": "u"}, "spec": {"template": template}});
    default("jobs.batch", &mut job);
    generate("jobs.batch", &mut job);
    assert!(validate("jobs.batch", &job).is_empty());
    assert_eq!(job["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"], "u");
    assert_eq!(job["spec"]["template"]["metadata"]["labels"]["job-name"], "j");
    assert_eq!((&job["spec"]["backoffLimit"], &job["spec"]["completions"]), (&json!(6), &json!(1)));
    assert_eq!(job["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");

    let mut other = job.clone();
    other["spec"]["suspend"] = true.into();
    other["spec"]["parallelism"] = 4.into();
    assert!(check_change("jobs.batch", &job, &other).is_empty());
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "y".into();
    other["spec"]["completions"] = 2.into();
    expect![[r#"
        spec.template: Invalid value: {}: field is immutable
        spec.completions: Invalid value: 2: field is immutable
    "#]]
    .assert_eq(&told(&check_change("jobs.batch", &job, &other)));
}

#[test]
fn a_job_whose_pods_always_restart_is_refused() {
    refused(
        "jobs.batch",
        json!({"spec": {"parallelism": -1, "completionMode": "Indexed", "template": {"spec": {"containers": [{"name": "a", "image": "x"}]}}}}),
        expect![[r#"
            spec.parallelism: Invalid value: -1: must be greater than or equal to 0
            spec.completions: Required value: when completion mode is Indexed
            spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"
        "#]],
    );
}

#[test]
fn what_the_job_controller_would_ignore_is_refused() {
    let mut job = json!({"spec": {
        "completionMode": "Indexed", "completions": 2, "manualSelector": true,
        "backoffLimitPerIndex": 0, "maxFailedIndexes": 1,
        "successPolicy": {"rules": [{"succeededCount": 1}]},
        "podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1]}}]},
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "x"}]}}}});
    refused(
        "jobs.batch",
        job.clone(),
        expect![[r#"
            spec.podFailurePolicy: Forbidden: the local cluster's Job controller does not support podFailurePolicy
            spec.successPolicy: Forbidden: the local cluster's Job controller does not support successPolicy
            spec.backoffLimitPerIndex: Forbidden: the local cluster's Job controller does not support backoffLimitPerIndex
            spec.maxFailedIndexes: Forbidden: the local cluster's Job controller does not support maxFailedIndexes
            spec.manualSelector: Forbidden: the local cluster's Job controller does not support manualSelector
        "#]],
    );
    job["spec"]["managedBy"] = "example.com/other".into();
    refused("jobs.batch", job, expect![""]);
}

#[test]
fn the_image_of_a_running_pod_may_change_and_its_command_may_not() {
    let pod = json!({"spec": {"containers": [{"name": "a", "image": "x", "command": ["a"]}]}});
    let mut other = pod.clone();
    other["spec"]["containers"][0]["image"] = "y".into();
    assert!(check_change("pods", &pod, &other).is_empty());
    other["spec"]["containers"][0]["command"] = json!(["b"]);
    assert!(
        told(&check_change("pods", &pod, &other))
            .starts_with("spec: Forbidden: pod updates may not change fields")
    );
}

#[test]
fn plain_secrets_are_encoded() {
    let mut secret = json!({"stringData": {"password": "hush"}});
    default("secrets", &mut secret);
    assert_eq!(secret, json!({"type": "Opaque", "data": {"password": "aHVzaA=="}}));
}

#[test]
fn other_kinds_say_what_they_lack() {
    refused(
        "services",
        json!({"spec": {}}),
        expect![[r#"
        spec.ports: Required value
    "#]],
    );
    refused(
        "resourcequotas",
        json!({"spec": {"hard": {"pods": "many", "cpu": "-1"}}}),
        expect![[r#"
        spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0
        spec.hard[pods]: Invalid value: "many": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'
    "#]],
    );
    refused(
        "persistentvolumeclaims",
        json!({"spec": {}}),
        expect![[r#"
        spec.accessModes: Required value: at least 1 access mode is required
        spec.resources[storage]: Required value
    "#]],
    );
    refused(
        "roles.rbac.authorization.k8s.io",
        json!({"rules": [{}]}),
        expect![[r#"
        rules[0].verbs: Required value: verbs must contain at least one value
        rules[0].apiGroups: Required value: resource rules must supply at least one api group
        rules[0].resources: Required value: resource rules must supply at least one resource
    "#]],
    );
    refused(
        "rolebindings.rbac.authorization.k8s.io",
        json!({"roleRef": {"kind": "X"}, "subjects": [{"kind": "ServiceAccount", "name": "s"}]}),
        expect![[r#"
            roleRef.kind: Unsupported value: "X": supported values: "Role", "ClusterRole"
            roleRef.name: Required value
        "#]],
    );
    refused(
        "configmaps",
        json!({"data": {"a b": "x"}}),
        expect![[r#"
        data[a b]: Invalid value: "a b": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')
    "#]],
    );
}
