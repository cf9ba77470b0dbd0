//! What the API server's answers mean, and what can be done about each.

use kube::{Error, core::Status};

use crate::{Sign, fence::OUTSIDE_POLICY, redact::without_variables};

/// How much of an API server's message is passed on: some quote whole objects.
const SHOWN: usize = 1200;

/// Kinds of failure that an agent reacts to in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Unauthenticated,
    OutsidePolicy,
    Forbidden,
    Admission,
    Quota,
    NotFound,
    NotInstalled,
    AlreadyExists,
    Conflict,
    Expired,
    Invalid,
    RateLimited,
    Webhook,
    /// A webhook with side effects, which the API server does not call for a rehearsal.
    NoRehearsal,
    Timeout,
    Unavailable,
    Other,
}

/// What an agent is told of answers, each kind by its code.
pub fn signs() -> Vec<Sign> {
    let sign = |it: &Failure| Sign { name: it.code(), source: it.source() };
    Failure::ALL.iter().map(sign).collect()
}

impl Failure {
    const ALL: [Self; Self::Other as usize + 1] = [
        Self::Unauthenticated,
        Self::OutsidePolicy,
        Self::Forbidden,
        Self::Admission,
        Self::Quota,
        Self::NotFound,
        Self::NotInstalled,
        Self::AlreadyExists,
        Self::Conflict,
        Self::Expired,
        Self::Invalid,
        Self::RateLimited,
        Self::Webhook,
        Self::NoRehearsal,
        Self::Timeout,
        Self::Unavailable,
        Self::Other,
    ];

    pub(super) fn of(status: &Status) -> Self {
        let says = |text: &str| status.message.contains(text);
        let denied = says("denied the request") || says("denied request");
        match status.code {
            _ if says("failed calling webhook") => Self::Webhook,
            _ if says("does not support dry run") => Self::NoRehearsal,
            _ if denied && says("dmission") => Self::Admission,
            400 | 422 => Self::Invalid,
            401 => Self::Unauthenticated,
            403 if status.reason == OUTSIDE_POLICY => Self::OutsidePolicy,
            403 if says("exceeded quota") => Self::Quota,
            403 => Self::Forbidden,
            // A path that no API serves is answered in plain text, and not with a Status.
            404 if status.reason != "NotFound" => Self::NotInstalled,
            404 => Self::NotFound,
            409 if status.reason == "AlreadyExists" => Self::AlreadyExists,
            409 => Self::Conflict,
            410 => Self::Expired,
            429 => Self::RateLimited,
            408 | 504 => Self::Timeout,
            502 | 503 => Self::Unavailable,
            _ => Self::Other,
        }
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::OutsidePolicy => "denied_by_policy",
            Self::Forbidden => "forbidden",
            Self::Admission => "denied_by_admission",
            Self::Quota => "quota_exceeded",
            Self::NotFound => "not_found",
            Self::NotInstalled => "not_installed",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::Expired => "expired",
            Self::Invalid => "invalid",
            Self::RateLimited => "rate_limited",
            Self::Webhook => "webhook_unavailable",
            Self::NoRehearsal => "preview_unavailable",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Other => "kubernetes",
        }
    }

    /// Where its sign stands written, if no test has seen it.
    fn source(self) -> Option<&'static str> {
        match self {
            Self::OutsidePolicy => Some("this server's own fence"),
            Self::RateLimited => Some("k8s.io/apiserver pkg/server/filters/maxinflight.go"),
            // What `v1` no longer lets anybody create may still be stored.
            Self::NoRehearsal => {
                Some("k8s.io/apiserver pkg/admission/plugin/webhook/errors/statuserror.go")
            }
            _ => None,
        }
    }

    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::Unauthenticated => {
                "the credentials are wrong or have expired: log in to the cluster again"
            }
            Self::OutsidePolicy => "health_check names the namespaces you may use",
            Self::Forbidden => "ask a cluster administrator for a role that grants it",
            Self::Admission => "the cluster's own rules refuse it: change the request",
            Self::Quota => "ask for less, delete what is finished, or ask for a larger quota",
            Self::NotFound => "list what there is, and mind the namespace",
            Self::NotInstalled => "the component is not installed: health_check says what is",
            Self::AlreadyExists => "choose another name, or look at the object that has it",
            Self::Conflict => "someone else changed it meanwhile: read it again, then repeat",
            Self::Expired => "start again without the cursor",
            Self::Invalid => "change what the message names",
            Self::RateLimited => "the API server is busy: wait a little, then repeat",
            Self::Webhook => {
                "the component's controller does not answer: it may be starting or broken, which \
                 its administrator can see"
            }
            Self::NoRehearsal => {
                "a webhook of this cluster cannot rehearse, which its administrator can mend; a \
                 confirmed call may still work, without a preview"
            }
            Self::Timeout => "the cluster is slow: repeat, or ask for less",
            Self::Unavailable => "the API server is not ready: wait a little, then repeat",
            Self::Other => {
                "the API server failed, which its own log explains: health_check says whether it \
                 still answers, then repeat; what was asked to be written may have been"
            }
        }
    }
}

/// The message, without what only says who is speaking.
pub(super) fn words(status: &Status) -> String {
    let mut message = match Failure::of(status) {
        Failure::NotInstalled => "the API server does not serve this kind of object".to_owned(),
        Failure::Admission => after(&status.message, &["denied the request: ", "denied request: "]),
        _ if status.message.trim().is_empty() => {
            format!("the API server answered {} {}", status.code, status.reason)
        }
        _ => status.message.trim().to_owned(),
    };
    let causes = status.details.iter().flat_map(|it| &it.causes);
    for cause in causes.filter(|it| !it.message.is_empty()) {
        if !status.message.contains(&cause.message) {
            message += &format!("; {}: {}", cause.field, cause.message);
        }
    }
    shortened(without_variables(&message).into_owned())
}

/// Why there is no answer: the last link of the chain says it best.
pub(super) fn unreachable_words(error: &Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    shortened(match error {
        Error::Auth(_) => format!("no credentials for the cluster: {deepest}"),
        Error::SerdeError(_) => format!("the API server's answer cannot be read: {deepest}"),
        _ => format!("the API server cannot be reached: {deepest}"),
    })
}

pub(super) fn unreachable_code(error: &Error) -> &'static str {
    match error {
        Error::Auth(_) => "unauthenticated",
        Error::SerdeError(_) => "kubernetes",
        _ => "unreachable",
    }
}

pub(super) fn unreachable_hint(error: &Error) -> &'static str {
    match error {
        Error::Auth(_) => "log in to the cluster again, as the message says",
        Error::SerdeError(_) => "check that the kubeconfig names a Kubernetes API server",
        _ => "check the network, a VPN, and the server's address in the kubeconfig",
    }
}

fn after(text: &str, marks: &[&str]) -> String {
    let found = marks.iter().find_map(|mark| text.split_once(mark));
    found.map_or(text, |(_, rest)| rest).trim().to_owned()
}

fn shortened(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(SHOWN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::response::{StatusCause, StatusDetails};

    use super::*;

    #[track_caller]
    fn check(code: u16, reason: &str, message: &str, expected: [&str; 2]) {
        let status = Status::failure(message, reason).with_code(code);
        let error = crate::Error::from(Error::Api(Box::new(status)));
        assert_eq!([error.code(), &error.to_string()], expected);
    }

    #[test]
    fn answers_of_an_api_server_are_told_apart() {
        let webhook = "admission webhook \"validator.trainjob.trainer.kubeflow.org\" denied the \
                       request: spec.trainer.numNodes: must be 1";
        check(
            403,
            "Forbidden",
            webhook,
            ["denied_by_admission", "spec.trainer.numNodes: must be 1"],
        );
        let rbac = "pods is forbidden: User \"ann\" cannot list resource \"pods\"";
        check(403, "Forbidden", rbac, ["forbidden", rbac]);
        let quota = "pods \"a\" is forbidden: exceeded quota: team, requested: pods=1";
        check(403, "Forbidden", quota, ["quota_exceeded", quota]);
        let policy = "namespace \"b\" is outside this server's policy";
        check(403, OUTSIDE_POLICY, policy, ["denied_by_policy", policy]);
        check(401, "Unauthorized", "Unauthorized", ["unauthenticated", "Unauthorized"]);
        check(404, "NotFound", "pods \"a\" not found", ["not_found", "pods \"a\" not found"]);
        check(
            404,
            "Failed to parse error data",
            "404 page not found\n",
            ["not_installed", "the API server does not serve this kind of object"],
        );
        check(409, "AlreadyExists", "x already exists", ["already_exists", "x already exists"]);
        check(409, "Conflict", "x has been modified", ["conflict", "x has been modified"]);
        check(410, "Expired", "too old", ["expired", "too old"]);
        check(429, "TooManyRequests", "busy", ["rate_limited", "busy"]);
        let calling = "Internal error occurred: failed calling webhook \"v\": connection refused";
        check(500, "InternalError", calling, ["webhook_unavailable", calling]);
        let side_effects = "admission webhook \"v\" does not support dry run";
        check(400, "BadRequest", side_effects, ["preview_unavailable", side_effects]);
        check(503, "", "", ["unavailable", "the API server answered 503 "]);
        check(504, "Timeout", "slow", ["timeout", "slow"]);
    }

    #[test]
    fn every_cause_of_an_invalid_object_is_told() {
        let cause = |field: &str, message: &str| StatusCause {
            reason: "FieldValueInvalid".to_owned(),
            message: message.to_owned(),
            field: field.to_owned(),
        };
        let mut status = Status::failure("TrainJob \"a\" is invalid", "Invalid").with_code(422);
        let causes = vec![cause("spec.a", "must be 1"), cause("spec.b", "is required")];
        status.details = Some(StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes,
            retry_after_seconds: 0,
        });
        let error = crate::Error::from(Error::Api(Box::new(status)));
        assert_eq!(
            error.to_string(),
            "TrainJob \"a\" is invalid; spec.a: must be 1; spec.b: is required"
        );
        assert_eq!(error.code(), "invalid");
    }
}
