//! The rules of a definition's schema, `x-kubernetes-validations`, on the objects of this crate.
//!
//! The definitions write them in CEL for a real API server; here stands what they say.

use kube::core::response::StatusCause;
use local_kube::status;
use serde_json::{Value, json};

use super::broken;

const IMMUTABLE: &str = "field is immutable";

/// The fields of a TrainJob that may not change. A rule about a change is asked only where the
/// field is on both sides, as in CEL.
const FIXED: [&str; 5] =
    ["runtimeRef", "initializer", "trainer", "activeDeadlineSeconds", "managedBy"];

/// The fields of a patched Pod that may not change.
const FIXED_IN_PODS: [&str; 7] = [
    "serviceAccountName",
    "volumes",
    "initContainers",
    "containers",
    "imagePullSecrets",
    "securityContext",
    "terminationGracePeriodSeconds",
];

/// The rules that a TrainJob breaks; `old` is null for a new one.
pub(super) fn of_train_job(object: &Value, old: &Value) -> Vec<StatusCause> {
    let mut causes = name(object["metadata"]["name"].as_str().unwrap_or_default());
    let spec = &object["spec"];
    for part in ["dataset", "model"] {
        let uri = spec["initializer"][part]["storageUri"].as_str().unwrap_or_default();
        if !uri.is_empty() && !is_uri(uri) {
            let field = format!("spec.initializer.{part}.storageUri");
            let why = "storageUri may be empty, or it must be a valid URI (scheme://...)";
            causes.push(broken(field, &uri.into(), why));
        }
    }
    let managers = ["trainer.kubeflow.org/trainjob-controller", "kueue.x-k8s.io/multikueue"];
    if spec["managedBy"].as_str().is_some_and(|manager| !managers.contains(&manager)) {
        let why = format!("ManagedBy must be {} if set", managers.join(" or "));
        causes.push(broken("spec.managedBy", &spec["managedBy"], &why));
    }
    causes.extend(changed(spec, &old["spec"], &FIXED, "spec"));
    causes.extend(changed_patches(&spec["runtimePatches"], &old["spec"]["runtimePatches"]));
    causes
}

/// The rules that a training runtime breaks.
pub(super) fn of_runtime(object: &Value) -> Vec<StatusCause> {
    let policy = &object["spec"]["mlPolicy"];
    let policies = ["torch", "mpi", "jax", "xgboost", "flux"];
    let given = policies.iter().filter(|policy_name| !policy[**policy_name].is_null()).count();
    let mut causes = Vec::new();
    if given > 1 {
        causes.push(broken("spec.mlPolicy", policy, "Only one of the policy can be configured"));
    }
    let processes = &policy["flux"]["numProcPerNode"];
    if processes.as_i64().is_some_and(|processes| processes < 1) {
        let why = "NumProcPerNode in fluxPolicy must be >= 1";
        causes.push(broken("spec.mlPolicy.flux.numProcPerNode", processes, why));
    }
    for (index, target) in items(&policy["torch"]["envInjection"]["targets"]).enumerate() {
        let names = &target["containerNames"];
        if items(names).any(|name| name == "node") {
            let field = format!("spec.mlPolicy.torch.envInjection.targets[{index}].containerNames");
            let why = "containerNames must not include the main node container because PET_* envs are always injected into it";
            causes.push(broken(field, names, why));
        }
    }
    let template = &object["spec"]["template"]["spec"];
    causes.extend(startup_order(template, "spec.template.spec"));
    causes.extend(claims(&template["volumeClaimPolicies"], "spec.template.spec"));
    causes
}

/// The rules that a JobSet breaks.
pub(super) fn of_job_set(object: &Value, old: &Value) -> Vec<StatusCause> {
    let fixed =
        ["network", "successPolicy", "failurePolicy", "startupPolicy", "volumeClaimPolicies"];
    let mut causes = startup_order(&object["spec"], "spec");
    causes.extend(claims(&object["spec"]["volumeClaimPolicies"], "spec"));
    for field in fixed {
        if differs(&object["spec"][field], &old["spec"][field]) {
            let new = &object["spec"][field];
            causes.push(broken(format!("spec.{field}"), new, "Value is immutable"));
        }
    }
    causes
}

fn startup_order(spec: &Value, path: &str) -> Vec<StatusCause> {
    let in_order = spec["startupPolicy"]["startupPolicyOrder"] == "InOrder";
    let jobs = spec["replicatedJobs"].as_array();
    let depends = jobs.into_iter().flatten().any(|job| !job["dependsOn"].is_null());
    let why = "StartupPolicy and DependsOn APIs are mutually exclusive";
    (in_order && depends).then(|| broken(path, spec, why)).into_iter().collect()
}

/// The rule about the claims of a JobSet's policies. It asks for fields without looking whether they
/// are there, and a rule that fails is told as one that is broken.
fn claims(policies: &Value, path: &str) -> Vec<StatusCause> {
    let why = "namespace cannot be set for VolumeClaimPolicies templates";
    let misses = |field: &str| {
        status::cause::cause(
            "FieldValueInvalid",
            "",
            format!("Invalid value: \"object\": no such key: {field} evaluating rule: {why}"),
        )
    };
    let broken_rule = |policy: &Value| {
        let Some(templates) = policy["templates"].as_array() else {
            return Some(misses("templates"));
        };
        // Whatever holds of one template decides, unless another breaks the rule.
        let named =
            |it: &&Value| it["metadata"]["namespace"].as_str().is_some_and(|it| !it.is_empty());
        if templates.iter().any(|it| named(&it)) {
            return Some(broken("", policy, why));
        }
        templates.iter().any(|it| it["metadata"].is_null()).then(|| misses("metadata"))
    };
    let policies = items(policies).enumerate();
    policies
        .filter_map(|(index, policy)| {
            let field = format!("{path}.volumeClaimPolicies[{index}]");
            Some(StatusCause { field, ..broken_rule(policy)? })
        })
        .collect()
}

fn name(name: &str) -> Vec<StatusCause> {
    let mut causes = Vec::new();
    let tail = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase())
        || !name.chars().all(tail)
        || name.ends_with('-')
    {
        causes.push(broken(
            "<nil>",
            &json!({}),
            "metadata.name must match RFC 1035 DNS label format",
        ));
    }
    if name.len() > 63 {
        causes.push(broken(
            "<nil>",
            &json!({}),
            "metadata.name must be no more than 63 characters",
        ));
    }
    causes
}

fn is_uri(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-'))
            && !rest.is_empty()
    })
}

fn changed(new: &Value, old: &Value, fields: &[&str], path: &str) -> Vec<StatusCause> {
    let fields = fields.iter().filter(|field| differs(&new[**field], &old[**field]));
    fields.map(|field| broken(format!("{path}.{field}"), &new[*field], IMMUTABLE)).collect()
}

/// What may not change inside a patch that its manager keeps.
fn changed_patches(new: &Value, old: &Value) -> Vec<StatusCause> {
    let mut causes = Vec::new();
    for (index, patch) in items(new).enumerate() {
        let Some(old) = items(old).find(|old| old["manager"] == patch["manager"]) else { continue };
        let jobs = |patch: &Value| {
            patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"].clone()
        };
        let old_jobs = jobs(old);
        for (job_index, job) in items(&jobs(patch)).enumerate() {
            let Some(old) = items(&old_jobs).find(|old| old["name"] == job["name"]) else {
                continue;
            };
            let pod = |job: &Value| job["template"]["spec"]["template"]["spec"].clone();
            let path = format!(
                "spec.runtimePatches[{index}].trainingRuntimeSpec.template.spec.replicatedJobs[{job_index}].template.spec.template.spec"
            );
            causes.extend(changed(&pod(job), &pod(old), &FIXED_IN_PODS, &path));
        }
    }
    causes
}

fn differs(new: &Value, old: &Value) -> bool {
    !new.is_null() && !old.is_null() && new != old
}

pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(causes: Vec<StatusCause>, expected: &[&str]) {
        let found: Vec<_> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        assert_eq!(found, expected);
    }

    fn train_job(name: &str, spec: Value) -> Value {
        json!({"metadata": {"name": name}, "spec": spec})
    }

    #[test]
    fn names_are_dns_labels() {
        let rule = "<nil>: Invalid value: metadata.name must match RFC 1035 DNS label format";
        for name in ["1a", "a.b", "a-", "A"] {
            check(of_train_job(&train_job(name, json!({})), &Value::Null), &[rule]);
        }
        let long = train_job(&"a".repeat(64), json!({}));
        let rule = "<nil>: Invalid value: metadata.name must be no more than 63 characters";
        check(of_train_job(&long, &Value::Null), &[rule]);
    }

    #[test]
    fn values_keep_to_their_rules() {
        let spec = json!({
            "initializer": {"dataset": {"storageUri": "no"}, "model": {"storageUri": "hf://a/b"}},
            "managedBy": "me",
        });
        check(
            of_train_job(&train_job("a", spec), &Value::Null),
            &[
                "spec.initializer.dataset.storageUri: Invalid value: \"no\": storageUri may be empty, or it must be a valid URI (scheme://...)",
                "spec.managedBy: Invalid value: \"me\": ManagedBy must be trainer.kubeflow.org/trainjob-controller or kueue.x-k8s.io/multikueue if set",
            ],
        );
    }

    #[test]
    fn most_of_a_train_job_is_immutable() {
        let old = train_job("a", json!({"trainer": {"image": "a"}, "suspend": true}));
        let changed = train_job("a", json!({"trainer": {"image": "b"}, "suspend": false}));
        check(of_train_job(&changed, &old), &["spec.trainer: Invalid value: field is immutable"]);
        // CEL asks only about fields that are on both sides.
        check(of_train_job(&train_job("a", json!({})), &old), &[]);
    }

    #[test]
    fn the_pods_of_a_patch_keep_their_volumes() {
        let patched = |pod: Value| {
            let job = json!({"name": "node", "template": {"spec": {"template": {"spec": pod}}}});
            let runtime = json!({"template": {"spec": {"replicatedJobs": [job]}}});
            let patch = json!({"manager": "a/b", "trainingRuntimeSpec": runtime});
            train_job("a", json!({"runtimePatches": [patch]}))
        };
        let old = patched(json!({"volumes": [{"name": "a"}], "nodeSelector": {"a": "b"}}));
        let new = patched(json!({"volumes": [{"name": "b"}], "nodeSelector": {"a": "c"}}));
        check(
            of_train_job(&new, &old),
            &[
                "spec.runtimePatches[0].trainingRuntimeSpec.template.spec.replicatedJobs[0].template.spec.template.spec.volumes: Invalid value: field is immutable",
            ],
        );
    }

    #[test]
    fn a_runtime_has_one_policy() {
        let runtime = |policy: Value| json!({"spec": {"mlPolicy": policy}});
        check(of_runtime(&runtime(json!({"torch": {}, "numNodes": 1}))), &[]);
        check(
            of_runtime(&runtime(json!({"torch": {}, "jax": {}}))),
            &["spec.mlPolicy: Invalid value: Only one of the policy can be configured"],
        );
    }
}
