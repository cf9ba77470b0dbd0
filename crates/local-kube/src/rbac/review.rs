//! Answers of the review resources: may I, may they, what may I, who am I.

use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::core::{Status, response::StatusCause};
use serde_json::{Value, json};

use super::{Action, Decision, Grants};
use crate::{
    UserInfo,
    metadata::now,
    status::{Qualified, Result, bad_request, cause, invalid},
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
        "SubjectAccessReview" => subject(spec).and_then(|it| access(grants, &it, spec)),
        "LocalSubjectAccessReview" => {
            if spec["resourceAttributes"]["namespace"].as_str() != namespace {
                let cause = cause::invalid(
                    "spec.resourceAttributes.namespace",
                    &spec["resourceAttributes"]["namespace"],
                    "must match metadata.namespace",
                );
                return Some(Err(refusal(cause)));
            }
            subject(spec).and_then(|it| access(grants, &it, spec))
        }
        "SelfSubjectRulesReview" => match spec["namespace"].as_str() {
            None | Some("") => Err(bad_request("no namespace on request")),
            Some(namespace) => Ok(rules(grants, user, namespace)),
        },
        "SelfSubjectReview" => Ok(who(user)),
        _ => return None,
    };
    Some(status.map(|status| {
        let mut review = review.clone();
        review["status"] = status;
        match review["kind"].as_str() {
            Some("SelfSubjectRulesReview") => review["spec"] = json!({}),
            Some("SelfSubjectReview") => review["metadata"]["creationTimestamp"] = now().into(),
            _ => {}
        }
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
        return Err(refusal(cause));
    };
    Ok(match grants.decide(user, &action) {
        Decision::Allowed(reason) if reason.is_empty() => json!({"allowed": true}),
        Decision::Allowed(reason) => json!({"allowed": true, "reason": reason}),
        Decision::Denied(reason) if reason.is_empty() => json!({"allowed": false}),
        Decision::Denied(reason) => json!({"allowed": false, "reason": reason}),
    })
}

/// Reviews are validated without their kind, and refused so.
fn refusal(cause: StatusCause) -> Box<Status> {
    invalid(Qualified { name: "", group: "authorization.k8s.io" }, "", vec![cause])
}

fn who(user: &UserInfo) -> Value {
    let mut info = json!({"username": user.username, "groups": user.groups});
    if !user.uid.is_empty() {
        info["uid"] = user.uid.as_str().into();
    }
    json!({"userInfo": info})
}

fn subject(spec: &Value) -> Result<UserInfo> {
    let text = |field: &str| spec[field].as_str().unwrap_or_default().to_owned();
    let groups = spec["groups"].as_array().into_iter().flatten();
    let subject = UserInfo {
        username: text("user"),
        uid: text("uid"),
        groups: groups.filter_map(|group| Some(group.as_str()?.to_owned())).collect(),
    };
    if subject.username.is_empty() && subject.groups.is_empty() {
        let why = "at least one of user or group must be specified";
        return Err(refusal(cause::invalid("spec.user", &json!(""), why)));
    }
    Ok(subject)
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
