//! The `Status` bodies a real API server answers with, in its words.

use std::fmt::{self, Display};

use kube::core::{
    Status,
    response::{StatusCause, StatusDetails},
};
use serde_json::Value;

pub type Result<T, E = Box<Status>> = std::result::Result<T, E>;

/// A resource (`trainjobs`) or a kind (`TrainJob`) with its group: `trainjobs.trainer.kubeflow.org`.
#[derive(Clone, Copy, Debug)]
pub struct Qualified<'a> {
    pub name: &'a str,
    pub group: &'a str,
}

impl Display for Qualified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group {
            "" => f.write_str(self.name),
            group => write!(f, "{}.{group}", self.name),
        }
    }
}

pub fn not_found(resource: Qualified<'_>, name: &str) -> Box<Status> {
    about(404, "NotFound", format!("{resource} {name:?} not found"), resource, name)
}

/// Nothing is served at a path of a served group and version.
pub fn no_such_resource() -> Box<Status> {
    generic(404, "NotFound", "the server could not find the requested resource")
}

/// A patch that could not be carried out on the object that there is.
pub fn unprocessable() -> Box<Status> {
    generic(422, "Invalid", "the server rejected our request due to an error in our request")
}

/// A patch of which no object of the kind comes; `patch` is what of it is shown.
pub fn invalid_patch(patch: &str, why: &str) -> Box<Status> {
    let cause = cause::invalid("patch", &patch.into(), why);
    invalid(Qualified { name: "", group: "" }, "", vec![cause])
}

pub fn already_exists(resource: Qualified<'_>, name: &str) -> Box<Status> {
    about(409, "AlreadyExists", format!("{resource} {name:?} already exists"), resource, name)
}

pub fn conflict(resource: Qualified<'_>, name: &str, why: &str) -> Box<Status> {
    let message = format!("Operation cannot be fulfilled on {resource} {name:?}: {why}");
    about(409, "Conflict", message, resource, name)
}

/// The object changed between the client's reading and its writing.
pub fn modified(resource: Qualified<'_>, name: &str) -> Box<Status> {
    let why = "the object has been modified; please apply your changes to the latest version and try again";
    conflict(resource, name, why)
}

/// `name` is empty when the request names no object.
pub fn forbidden(resource: Qualified<'_>, name: &str, why: &str) -> Box<Status> {
    let message = match name {
        "" => format!("{resource} is forbidden: {why}"),
        name => format!("{resource} {name:?} is forbidden: {why}"),
    };
    about(403, "Forbidden", message, resource, name)
}

/// How an API server reports what an admission webhook refused.
pub fn denied_by_webhook(webhook: &str, why: &str) -> Box<Status> {
    plain(403, "Forbidden", format!("admission webhook {webhook:?} denied the request: {why}"))
}

/// `kind` is the object's kind, not its resource; at least one cause.
pub fn invalid(kind: Qualified<'_>, name: &str, causes: Vec<StatusCause>) -> Box<Status> {
    let all: Vec<String> = causes
        .iter()
        .map(|cause| match cause.field.as_str() {
            "" => cause.message.clone(),
            field => format!("{field}: {}", cause.message),
        })
        .collect();
    let all = match all.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    let mut status =
        about(422, "Invalid", format!("{kind} {name:?} is invalid: {all}"), kind, name);
    if let Some(details) = &mut status.details {
        details.causes = causes;
    }
    status
}

/// What is wrong with the query of a request. `options` is what Kubernetes calls it: `ListOptions`.
pub fn invalid_options(options: &str, cause: StatusCause) -> Box<Status> {
    invalid(Qualified { name: options, group: "meta.k8s.io" }, "", vec![cause])
}

/// A version that no write has reached yet may be reached later.
pub fn too_large_version(wanted: u64, current: u64) -> Box<Status> {
    let message = format!("Timeout: Too large resource version: {wanted}, current: {current}");
    let mut status = generic(504, "Timeout", &message);
    if let Some(details) = &mut status.details {
        let why = "Too large resource version".to_owned();
        details.causes = vec![cause::cause("ResourceVersionTooLarge", "", why)];
        details.retry_after_seconds = 1;
    }
    status
}

pub fn bad_request(message: impl Into<String>) -> Box<Status> {
    plain(400, "BadRequest", message)
}

pub fn unauthorized() -> Box<Status> {
    plain(401, "Unauthorized", "Unauthorized")
}

pub fn method_not_allowed() -> Box<Status> {
    generic(
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    )
}

pub fn not_acceptable(offered: &str) -> Box<Status> {
    let message = format!("only the following media types are accepted: {offered}");
    plain(406, "NotAcceptable", message)
}

/// The asked for state of the past is no longer known.
pub fn expired(message: impl Into<String>) -> Box<Status> {
    plain(410, "Expired", message)
}

pub fn too_large(message: impl Into<String>) -> Box<Status> {
    plain(413, "RequestEntityTooLarge", message)
}

pub fn unsupported_media_type(accepted: &str) -> Box<Status> {
    let message = format!(
        "the body of the request was in an unknown format - accepted media types include: {accepted}"
    );
    plain(415, "UnsupportedMediaType", message)
}

/// A patch of a built-in kind in a form that is none.
pub fn unsupported_patch() -> Box<Status> {
    generic(415, "UnsupportedMediaType", "415: Unsupported Media Type")
}

/// A path of the server that is nobody's resource.
pub fn forbidden_path(message: &str) -> Box<Status> {
    generic(403, "Forbidden", message)
}

pub fn internal(error: impl Display) -> Box<Status> {
    plain(500, "InternalError", format!("Internal error occurred: {error}"))
}

/// A failure that is about no object.
pub fn plain(code: u16, reason: &str, message: impl Into<String>) -> Box<Status> {
    Status::failure(&message.into(), reason).with_code(code).boxed()
}

/// A failure with details that say nothing.
fn generic(code: u16, reason: &str, message: &str) -> Box<Status> {
    about(code, reason, message.to_owned(), Qualified { name: "", group: "" }, "")
}

/// A failure that is about a resource or kind, and perhaps one object of it.
fn about(code: u16, reason: &str, message: String, what: Qualified<'_>, name: &str) -> Box<Status> {
    let details = StatusDetails {
        name: name.to_owned(),
        group: what.group.to_owned(),
        kind: what.name.to_owned(),
        uid: String::new(),
        causes: Vec::new(),
        retry_after_seconds: 0,
    };
    let mut status = plain(code, reason, message);
    status.details = Some(details);
    status
}

/// What is wrong with one field of an object, in the forms that an API server has for it.
pub mod cause {
    use super::{StatusCause, Value};

    pub fn invalid(field: impl Into<String>, value: &Value, why: &str) -> StatusCause {
        cause("FieldValueInvalid", field, format!("Invalid value: {}: {why}", shown(value)))
    }

    pub fn required(field: impl Into<String>, why: &str) -> StatusCause {
        let message = match why {
            "" => "Required value".to_owned(),
            why => format!("Required value: {why}"),
        };
        cause("FieldValueRequired", field, message)
    }

    /// Of the query of a request, in which it is a list.
    pub fn dry_run(value: &str) -> StatusCause {
        let message = format!("Unsupported value: [{value:?}]: supported values: \"All\"");
        cause("FieldValueNotSupported", "dryRun", message)
    }

    pub fn forbidden(field: impl Into<String>, why: &str) -> StatusCause {
        cause("FieldValueForbidden", field, format!("Forbidden: {why}"))
    }

    pub fn duplicate(field: impl Into<String>, value: &Value) -> StatusCause {
        cause("FieldValueDuplicate", field, format!("Duplicate value: {value}"))
    }

    pub fn unsupported(field: impl Into<String>, value: &Value, supported: &[&str]) -> StatusCause {
        let supported: Vec<String> = supported.iter().map(|it| format!("{it:?}")).collect();
        let (value, supported) = (shown(value), supported.join(", "));
        let message = format!("Unsupported value: {value}: supported values: {supported}");
        cause("FieldValueNotSupported", field, message)
    }

    /// Scalars as JSON writes them; of objects and lists only the sort, as they can be long.
    fn shown(value: &Value) -> String {
        match value {
            Value::Array(_) => "[]".to_owned(),
            Value::Object(_) => "{}".to_owned(),
            scalar => scalar.to_string(),
        }
    }

    /// `reason` is one of the `FieldValue…` types of Kubernetes.
    pub fn cause(reason: &str, field: impl Into<String>, message: String) -> StatusCause {
        StatusCause { reason: reason.to_owned(), message, field: field.into() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn several_causes_stand_in_brackets() {
        let kind = Qualified { name: "Job", group: "batch" };
        let causes = vec![
            cause::required("spec.template", ""),
            cause::invalid("spec.x", &json!("y"), "bad"),
        ];
        let status = invalid(kind, "a", causes);
        assert_eq!(
            status.message,
            r#"Job.batch "a" is invalid: [spec.template: Required value, spec.x: Invalid value: "y": bad]"#
        );
        assert_eq!(status.details.map(|it| it.causes.len()), Some(2));
    }
}
