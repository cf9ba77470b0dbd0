//! Reads the protobuf that typed clients such as `kubectl create` and `kubectl auth can-i` send.
//! Answers are always JSON, which those clients accept.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use crate::status::{self, Result};

pub(crate) const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What every such body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// How a field is written, and what it becomes.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Bytes,
    Flag,
    /// A flag that is off unless it is set.
    Switch,
    Number,
    Message(&'static Message),
    /// A map from names to one of the above.
    Map(&'static Self),
    List(&'static Self),
    /// A message of one string, which JSON writes as that string.
    Wrapped,
    /// What only the server writes.
    Ignored,
}

/// The fields of a message, by number.
type Message = [(u64, &'static str, Form)];

const METADATA: &Message = &[
    (1, "name", Form::Text),
    (2, "generateName", Form::Text),
    (3, "namespace", Form::Text),
    (4, "selfLink", Form::Ignored),
    (5, "uid", Form::Text),
    (6, "resourceVersion", Form::Text),
    (7, "generation", Form::Ignored),
    (8, "creationTimestamp", Form::Ignored),
    (9, "deletionTimestamp", Form::Ignored),
    (10, "deletionGracePeriodSeconds", Form::Ignored),
    (11, "labels", Form::Map(&Form::Text)),
    (12, "annotations", Form::Map(&Form::Text)),
    (13, "ownerReferences", Form::List(&Form::Message(OWNER))),
    (14, "finalizers", Form::List(&Form::Text)),
    (17, "managedFields", Form::Ignored),
];
const OWNER: &Message = &[
    (1, "kind", Form::Text),
    (3, "name", Form::Text),
    (4, "uid", Form::Text),
    (5, "apiVersion", Form::Text),
    (6, "controller", Form::Flag),
    (7, "blockOwnerDeletion", Form::Flag),
];
const RESOURCE: &Message = &[
    (1, "namespace", Form::Text),
    (2, "verb", Form::Text),
    (3, "group", Form::Text),
    (4, "version", Form::Text),
    (5, "resource", Form::Text),
    (6, "subresource", Form::Text),
    (7, "name", Form::Text),
];
const PATH: &Message = &[(1, "path", Form::Text), (2, "verb", Form::Text)];
const ACCESS: &Message = &[
    (1, "resourceAttributes", Form::Message(RESOURCE)),
    (2, "nonResourceAttributes", Form::Message(PATH)),
    (3, "user", Form::Text),
    (4, "groups", Form::List(&Form::Text)),
    (6, "uid", Form::Text),
];
const RULE: &Message = &[
    (1, "verbs", Form::List(&Form::Text)),
    (2, "apiGroups", Form::List(&Form::Text)),
    (3, "resources", Form::List(&Form::Text)),
    (4, "resourceNames", Form::List(&Form::Text)),
    (5, "nonResourceURLs", Form::List(&Form::Text)),
];
const SUBJECT: &Message = &[
    (1, "kind", Form::Text),
    (2, "apiGroup", Form::Text),
    (3, "name", Form::Text),
    (4, "namespace", Form::Text),
];
const ROLE: &Message =
    &[(1, "apiGroup", Form::Text), (2, "kind", Form::Text), (3, "name", Form::Text)];
const QUOTA: &Message =
    &[(1, "hard", Form::Map(&Form::Wrapped)), (2, "scopes", Form::List(&Form::Text))];

const OBJECT: (u64, &str, Form) = (1, "metadata", Form::Message(METADATA));
const NAMESPACE: &Message = &[OBJECT, (2, "spec", Form::Ignored), (3, "status", Form::Ignored)];
const CONFIG_MAP: &Message = &[
    OBJECT,
    (2, "data", Form::Map(&Form::Text)),
    (3, "binaryData", Form::Map(&Form::Bytes)),
    (4, "immutable", Form::Flag),
];
const SECRET: &Message = &[
    OBJECT,
    (2, "data", Form::Map(&Form::Bytes)),
    (3, "type", Form::Text),
    (4, "stringData", Form::Map(&Form::Text)),
    (5, "immutable", Form::Flag),
];
const SERVICE_ACCOUNT: &Message = &[OBJECT, (4, "automountServiceAccountToken", Form::Flag)];
const RESOURCE_QUOTA: &Message =
    &[OBJECT, (2, "spec", Form::Message(QUOTA)), (3, "status", Form::Ignored)];
const ROLES: &Message = &[OBJECT, (2, "rules", Form::List(&Form::Message(RULE)))];
const BINDING: &Message = &[
    OBJECT,
    (2, "subjects", Form::List(&Form::Message(SUBJECT))),
    (3, "roleRef", Form::Message(ROLE)),
];
const CONTAINER: &Message = &[
    (1, "name", Form::Text),
    (2, "image", Form::Text),
    (3, "command", Form::List(&Form::Text)),
    (4, "args", Form::List(&Form::Text)),
    (5, "workingDir", Form::Text),
    (8, "resources", Form::Message(RESOURCES)),
    (13, "terminationMessagePath", Form::Text),
    (14, "imagePullPolicy", Form::Text),
    (16, "stdin", Form::Switch),
    (17, "stdinOnce", Form::Switch),
    (18, "tty", Form::Switch),
    (20, "terminationMessagePolicy", Form::Text),
];
const RESOURCES: &Message =
    &[(1, "limits", Form::Map(&Form::Wrapped)), (2, "requests", Form::Map(&Form::Wrapped))];
const POD: &Message = &[
    (2, "containers", Form::List(&Form::Message(CONTAINER))),
    (3, "restartPolicy", Form::Text),
    (4, "terminationGracePeriodSeconds", Form::Number),
    (6, "dnsPolicy", Form::Text),
    (7, "nodeSelector", Form::Map(&Form::Text)),
    (8, "serviceAccountName", Form::Text),
    (9, "serviceAccount", Form::Text),
    (10, "nodeName", Form::Text),
    (11, "hostNetwork", Form::Switch),
    (12, "hostPID", Form::Switch),
    (13, "hostIPC", Form::Switch),
    (16, "hostname", Form::Text),
    (17, "subdomain", Form::Text),
    (19, "schedulerName", Form::Text),
    (24, "priorityClassName", Form::Text),
];
const TEMPLATE: &Message = &[OBJECT, (2, "spec", Form::Message(POD))];
const JOB_SPEC: &Message = &[
    (1, "parallelism", Form::Number),
    (2, "completions", Form::Number),
    (3, "activeDeadlineSeconds", Form::Number),
    (6, "template", Form::Message(TEMPLATE)),
    (7, "backoffLimit", Form::Number),
    (8, "ttlSecondsAfterFinished", Form::Number),
    (9, "completionMode", Form::Text),
    (10, "suspend", Form::Flag),
];
const JOB: &Message = &[OBJECT, (2, "spec", Form::Message(JOB_SPEC)), (3, "status", Form::Ignored)];
const PRIORITY_CLASS: &Message = &[
    OBJECT,
    (2, "value", Form::Number),
    (3, "globalDefault", Form::Flag),
    (4, "description", Form::Text),
    (5, "preemptionPolicy", Form::Text),
];
const REVIEW: &Message =
    &[OBJECT, (2, "spec", Form::Message(ACCESS)), (3, "status", Form::Ignored)];
const RULES_REVIEW: &Message = &[
    OBJECT,
    (2, "spec", Form::Message(&[(1, "namespace", Form::Text)])),
    (3, "status", Form::Ignored),
];
const TOKEN_REQUEST: &Message = &[
    OBJECT,
    (
        2,
        "spec",
        Form::Message(&[
            (1, "audiences", Form::List(&Form::Text)),
            (3, "boundObjectRef", Form::Message(BOUND)),
            (4, "expirationSeconds", Form::Number),
        ]),
    ),
    (3, "status", Form::Ignored),
];
const BOUND: &Message = &[
    (1, "kind", Form::Text),
    (2, "apiVersion", Form::Text),
    (3, "name", Form::Text),
    (4, "uid", Form::Text),
];
const SELF_REVIEW: &Message = &[OBJECT, (2, "status", Form::Ignored)];

fn message(kind: &str) -> Option<&'static Message> {
    Some(match kind {
        "Namespace" => NAMESPACE,
        "ConfigMap" => CONFIG_MAP,
        "Secret" => SECRET,
        "ServiceAccount" => SERVICE_ACCOUNT,
        "ResourceQuota" => RESOURCE_QUOTA,
        "Role" | "ClusterRole" => ROLES,
        "RoleBinding" | "ClusterRoleBinding" => BINDING,
        "Job" => JOB,
        "PriorityClass" => PRIORITY_CLASS,
        "SelfSubjectAccessReview" | "SubjectAccessReview" | "LocalSubjectAccessReview" => REVIEW,
        "SelfSubjectRulesReview" => RULES_REVIEW,
        "SelfSubjectReview" => SELF_REVIEW,
        "TokenRequest" => TOKEN_REQUEST,
        _ => return None,
    })
}

/// The body as JSON. Kinds and fields that the tables above lack are refused, so that nothing is lost.
pub(crate) fn read(body: &[u8]) -> Result<Vec<u8>> {
    const ENVELOPE: &Message = &[
        (1, "type", Form::Message(&[(1, "apiVersion", Form::Text), (2, "kind", Form::Text)])),
        (2, "raw", Form::Bytes),
        (3, "contentEncoding", Form::Text),
        (4, "contentType", Form::Text),
    ];
    let broken = || status::bad_request("the object provided is unrecognized: broken protobuf");
    let body = body.strip_prefix(MAGIC).ok_or_else(broken)?;
    let envelope = fields(body, ENVELOPE).map_err(|_| broken())?;
    let kind = envelope["type"]["kind"].as_str().unwrap_or_default();
    let Some(message) = message(kind) else {
        return Err(unsupported(kind, "no protobuf of this kind is read here"));
    };
    let raw = envelope["raw"].as_str().ok_or_else(broken)?;
    let raw = BASE64_STANDARD.decode(raw).map_err(|_| broken())?;
    let mut object = match fields(&raw, message) {
        Ok(object) => object,
        Err(Some(field)) => {
            return Err(unsupported(kind, &format!("field {field} is not read here")));
        }
        Err(None) => return Err(broken()),
    };
    object["apiVersion"] = envelope["type"]["apiVersion"].clone();
    object["kind"] = kind.into();
    Ok(object.to_string().into_bytes())
}

fn unsupported(kind: &str, why: &str) -> Box<kube::core::Status> {
    let mut status = status::unsupported_media_type("application/json");
    status.message =
        format!("{kind} as protobuf: {why}; send it as JSON, as kubectl create -f does");
    status
}

/// Fails with the number of an unknown field, or with nothing if this is no message.
fn fields(mut bytes: &[u8], message: &Message) -> Result<Value, Option<u64>> {
    let mut object = Map::new();
    while !bytes.is_empty() {
        let tag = number(&mut bytes).ok_or(None)?;
        let (field, wire) = (tag >> 3, tag & 7);
        let (_, name, form) = message.iter().find(|it| it.0 == field).ok_or(Some(field))?;
        let (amount, content) = match wire {
            0 => (number(&mut bytes).ok_or(None)?, &[][..]),
            2 => (0, block(&mut bytes).ok_or(None)?),
            _ => return Err(None),
        };
        match form {
            Form::Ignored => {}
            Form::Map(form) => {
                let entry = fields(content, &[(1, "key", Form::Text), (2, "value", **form)])?;
                let key = entry["key"].as_str().unwrap_or_default();
                let map = object.entry(*name).or_insert_with(|| json!({}));
                map[key] = match (&entry["value"], form) {
                    (Value::Null, Form::Wrapped) => "0".into(),
                    (Value::Null, _) => "".into(),
                    (value, _) => value.clone(),
                };
            }
            Form::List(form) => {
                let list = object.entry(*name).or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(value(**form, amount, content)?);
                }
            }
            form => {
                let value = value(*form, amount, content)?;
                // Go writes its zero values too, which JSON leaves out.
                if value != "" && !(matches!(form, Form::Switch) && value == false) {
                    object.insert((*name).to_owned(), value);
                }
            }
        }
    }
    Ok(object.into())
}

fn value(form: Form, amount: u64, content: &[u8]) -> Result<Value, Option<u64>> {
    Ok(match form {
        Form::Text => str::from_utf8(content).map_err(|_| None)?.into(),
        Form::Bytes => BASE64_STANDARD.encode(content).into(),
        Form::Flag | Form::Switch => (amount != 0).into(),
        Form::Number => amount.cast_signed().into(),
        Form::Message(message) => fields(content, message)?,
        Form::Wrapped => fields(content, &[(1, "string", Form::Text)])?["string"].take(),
        Form::Map(_) | Form::List(_) | Form::Ignored => Value::Null,
    })
}

/// A number in seven bits a byte, the least first.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn block<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = usize::try_from(number(bytes)?).ok()?;
    let (block, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(block)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kubectl create namespace n2`, as it goes over the wire.
    const BODY: &[u8] =
        b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace\x12\x1a\x0a\x12\x0a\x02n2\x12\0\x1a\0\
        \"\0*\x002\x008\0B\0\x12\0\x1a\x02\x0a\0\x1a\0\"\0";

    #[test]
    fn what_kubectl_sends_is_read() {
        let object: Value = serde_json::from_slice(&read(BODY).unwrap()).unwrap();
        assert_eq!(
            object,
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n2"}})
        );
    }

    #[test]
    fn what_is_cut_or_unknown_is_refused() {
        for length in 0..BODY.len() - 4 {
            assert!(read(&BODY[..length]).is_err(), "{length}");
        }
        let pod = b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\0\x1a\0\"\0";
        assert_eq!(read(pod).unwrap_err().code, 415);
    }
}
