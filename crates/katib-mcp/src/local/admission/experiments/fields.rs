//! Faults of fields, in the words of Kubernetes' own validation.

use serde_json::Value;

/// One fault: where it is, of what sort, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault(String);

pub(super) fn required(field: &str, why: &str) -> Fault {
    Fault(format!("{field}: Required value: {why}"))
}

pub(super) fn forbidden(field: &str, why: &str) -> Fault {
    Fault(format!("{field}: Forbidden: {why}"))
}

pub(super) fn invalid(field: &str, value: &Value, why: &str) -> Fault {
    shown(field, &value.to_string(), why)
}

/// Of a value whose fields are told in an order of their own.
pub(super) fn shown(field: &str, value: &str, why: &str) -> Fault {
    Fault(format!("{field}: Invalid value: {value}: {why}"))
}

/// All of them in one line, each once; nothing if there is none.
pub(super) fn told(faults: &[Fault]) -> Option<String> {
    let mut lines: Vec<&str> = Vec::new();
    for Fault(line) in faults {
        if !lines.contains(&line.as_str()) {
            lines.push(line);
        }
    }
    match lines.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        several => Some(format!("[{}]", several.join(", "))),
    }
}
