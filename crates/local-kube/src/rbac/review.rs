//! Answers of the review resources: may I, may they, what may I, who am I.

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use super::{Action, Decision, Grants};
use crate::{
    UserInfo,
    status::{Qualified, Result, cause, invalid},
};

/// The review with its status. `namespace` is that of the path, which a local review has.
/// `None` for what is no review that roles can answer.
pub fn answer(
    grants: &Grants,
    user: &UserInfo,
    namespace: Option<&str>,
    review: &Value,
) -> Option<Result<Value>> {
    let spec = &review["spec"];
    let status = match review["kind"].as_str()? {
        "SelfSubjectAccessReview" => access(grants, user, spec),
        "SubjectAccessReview" => access(grants, &subject(spec), spec),
        "LocalSubjectAccessReview" => {
            if spec["resourceAttributes"]["namespace"].as_str() != namespace {
                let cause = cause::invalid(
                    "spec.resourceAttributes.namespace",
                    &spec["resourceAttributes"]["namespace"],
                    "must match metadata.namespace",
                );
                return Some(Err(refusal("LocalSubjectAccessReview", cause)));
            }
            access(grants, &subject(spec), spec)
        }
        "SelfSubjectRulesReview" => {
            Ok(rules(grants, user, spec["namespace"].as_str().unwrap_or_default()))
        }
        "SelfSubjectReview" => Ok(json!({"userInfo": {
            "username": user.username,
            "uid": user.uid,
            "groups": user.groups,
        }})),
        _ => return None,
    };
    Some(status.map(|status| {
        let mut review = review.clone();
        review["status"] = status;
        review
    }))
}

fn access(grants: &Grants, user: &UserInfo, spec: &Value) -> Result<Value> {
    let text = |of: &'static str, field: &str| spec[of][field].as_str().unwrap_or_default();
    let resource = |field| text("resourceAttributes", field);
    let action = if spec["resourceAttributes"].is_object() {
        Action::Resource {
            verb: resource("verb"),
            group: resource("group"),
            resource: resource("resource"),
            subresource: resource("subresource"),
            namespace: resource("namespace"),
            name: resource("name"),
        }
    } else if spec["nonResourceAttributes"].is_object() {
        let path = |field| text("nonResourceAttributes", field);
        Action::Path { verb: path("verb"), path: path("path") }
    } else {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        let cause = cause::invalid("spec.resourceAttributes", &Value::Null, why);
        return Err(refusal("SelfSubjectAccessReview", cause));
    };
    Ok(match grants.decide(user, &action) {
        Decision::Allowed(reason) if reason.is_empty() => json!({"allowed": true}),
        Decision::Allowed(reason) => json!({"allowed": true, "reason": reason}),
        Decision::Denied(reason) if reason.is_empty() => json!({"allowed": false}),
        Decision::Denied(reason) => json!({"allowed": false, "reason": reason}),
    })
}

fn refusal(kind: &str, cause: kube::core::response::StatusCause) -> Box<kube::core::Status> {
    invalid(Qualified { name: kind, group: "authorization.k8s.io" }, "", vec![cause])
}

fn subject(spec: &Value) -> UserInfo {
    let text = |field: &str| spec[field].as_str().unwrap_or_default().to_owned();
    let groups = spec["groups"].as_array().into_iter().flatten();
    UserInfo {
        username: text("user"),
        uid: text("uid"),
        groups: groups.filter_map(|group| Some(group.as_str()?.to_owned())).collect(),
    }
}

fn rules(grants: &Grants, user: &UserInfo, namespace: &str) -> Value {
    let (rules, problem) = grants.rules(user, namespace);
    let (paths, resources): (Vec<&PolicyRule>, Vec<&PolicyRule>) = rules
        .into_iter()
        .partition(|rule| rule.non_resource_urls.as_ref().is_some_and(|urls| !urls.is_empty()));
    let mut status =
        json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": false});
    if let Some(problem) = problem {
        status["evaluationError"] = problem.into();
    }
    status
}
