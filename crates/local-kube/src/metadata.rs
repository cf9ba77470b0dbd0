//! The rules for `metadata`: names, identity, and what only the server may write.

use kube::core::response::StatusCause;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::{
    kinds::{CRDS, Form, Kind},
    status::cause,
};

/// Generated names end in this many letters and digits.
const SUFFIX: usize = 5;
/// A generated name's prefix is cut, so that the suffix fits.
const MAX_GENERATED: usize = 63;

/// Now, as Kubernetes writes it.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `generateName` with a random end, without vowels and look-alikes.
pub(crate) fn generated(prefix: &str) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut cut = prefix.len().min(MAX_GENERATED - SUFFIX);
    while !prefix.is_char_boundary(cut) {
        cut -= 1;
    }
    let random = Uuid::new_v4();
    let suffix = random.as_bytes()[..SUFFIX].iter();
    let suffix = suffix.map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
    prefix[..cut].chars().chain(suffix).collect()
}

/// Makes the metadata of a new object: its identity is the server's to give.
pub(crate) fn begin(kind: &Kind, object: &mut Value) {
    let counted = ["pods", "jobs.batch", "priorityclasses.scheduling.k8s.io", CRDS]
        .contains(&kind.resource.as_str());
    let has_generation = counted || matches!(kind.form, Form::Custom(_));
    let metadata = &mut object["metadata"];
    for server_side in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"]
    {
        remove(metadata, server_side);
    }
    metadata["uid"] = Uuid::new_v4().to_string().into();
    metadata["creationTimestamp"] = now().into();
    if has_generation {
        metadata["generation"] = 1.into();
    }
}

/// Writes into `new` what an update may not change.
pub(crate) fn carry_over(old: &Value, new: &mut Value) {
    const KEPT: [&str; 6] = [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "selfLink",
    ];
    for field in KEPT {
        copy(&old["metadata"], &mut new["metadata"], field);
    }
}

/// Counts the generation on when the wish changed: anything but metadata and status.
pub(crate) fn count_generation(old: &Value, new: &mut Value) {
    let wish = |object: &Value| -> Map<String, Value> {
        let fields = object.as_object().into_iter().flatten();
        fields
            .filter(|(name, _)| {
                !["metadata", "status", "apiVersion", "kind"].contains(&name.as_str())
            })
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    if let Some(generation) = old["metadata"]["generation"].as_i64()
        && wish(old) != wish(new)
    {
        new["metadata"]["generation"] = (generation + 1).into();
    }
}

/// What is wrong with an object's name and other metadata.
pub(crate) fn problems(kind: &Kind, object: &Value) -> Vec<StatusCause> {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    let mut causes = Vec::new();
    if let Some(prefix) = metadata["generateName"].as_str().filter(|it| !it.is_empty()) {
        // What follows the prefix ends it well.
        let ended = prefix.strip_suffix('-').map(|it| format!("{it}a"));
        if let Some(why) = name_problem(kind, ended.as_deref().unwrap_or(prefix)) {
            causes.push(cause::invalid("metadata.generateName", &json!(prefix), why));
        }
    }
    if let Some(why) = name_problem(kind, name) {
        causes.push(cause::invalid("metadata.name", &metadata["name"], why));
    }
    for (field, check) in [("labels", true), ("annotations", false)] {
        for (key, value) in metadata[field].as_object().into_iter().flatten() {
            let path = format!("metadata.{field}");
            if !is_qualified(key) {
                let why = if key.matches('/').count() > 1 { LABEL_KEY } else { QUALIFIED };
                causes.push(cause::invalid(&path, &json!(key), why));
            }
            match value.as_str() {
                Some(text) if check && text.len() > 63 => {
                    causes.push(cause::invalid(&path, value, "must be no more than 63 bytes"));
                }
                Some(text) if check && !is_label_value(text) => {
                    causes.push(cause::invalid(&path, value, LABEL_VALUE));
                }
                _ => {}
            }
        }
    }
    let annotations = metadata["annotations"].as_object().into_iter().flatten();
    let size: usize =
        annotations.map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if size > ANNOTATIONS {
        let message = format!("Too long: may not be more than {ANNOTATIONS} bytes");
        causes.push(cause::cause("FieldValueTooLong", "metadata.annotations", message));
    }
    for owner in metadata["ownerReferences"].as_array().into_iter().flatten() {
        for (field, why) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
            ("uid", "must not be empty"),
        ] {
            if owner[field].as_str().is_none_or(str::is_empty) {
                let path = format!("metadata.ownerReferences.{field}");
                causes.push(cause::invalid(path, &json!(""), why));
            }
        }
    }
    if matches!(kind.form, Form::BuiltIn { .. }) && kind.resource != CRDS {
        causes.extend(finalizer_problems(metadata));
    }
    causes
}

/// A finalizer says whose it is, but for those of the cluster itself.
fn finalizer_problems(metadata: &Value) -> impl Iterator<Item = StatusCause> {
    const STANDARD: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];
    let finalizers = metadata["finalizers"].as_array().into_iter().flatten().enumerate();
    finalizers.filter_map(|(index, finalizer)| {
        let name = finalizer.as_str().unwrap_or_default();
        let why = match name.contains('/') {
            false if STANDARD.contains(&name) => return None,
            false => "name is neither a standard finalizer name nor is it fully qualified",
            true if is_qualified(name) => return None,
            true => QUALIFIED,
        };
        Some(cause::invalid(format!("metadata.finalizers[{index}]"), finalizer, why))
    })
}

/// What the client is told of finalizers that it adds.
pub(crate) fn finalizer_warnings(old: &Value, new: &Value) -> Vec<String> {
    let names = |object: &Value| -> Vec<String> {
        let names = object["metadata"]["finalizers"].as_array().into_iter().flatten();
        names.filter_map(|it| it.as_str().map(str::to_owned)).collect()
    };
    let known = names(old);
    let added = names(new).into_iter().filter(|it| !known.contains(it) && !it.contains('/'));
    added
        .map(|it| {
            format!("metadata.finalizers: {it:?}: prefer a domain-qualified finalizer name to avoid accidental conflicts with other finalizer writers")
        })
        .collect()
}

/// How many bytes the annotations of an object may have.
const ANNOTATIONS: usize = 256 << 10;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
pub(crate) const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
pub(crate) const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_KEY: &str = "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

fn name_problem(kind: &Kind, name: &str) -> Option<&'static str> {
    let is_label = |name: &str| {
        let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        edge(name.bytes().next()) && edge(name.bytes().last()) && name.bytes().all(inner)
    };
    let short = "must be no more than 63 characters";
    match (kind.group.as_str(), kind.plural.as_str()) {
        ("rbac.authorization.k8s.io", _) => match name {
            "." => Some("may not be '.'"),
            ".." => Some("may not be '..'"),
            name if name.contains('/') => Some("may not contain '/'"),
            name if name.contains('%') => Some("may not contain '%'"),
            _ => None,
        },
        ("", "namespaces" | "services") if name.contains('.') => Some("must not contain dots"),
        ("", "namespaces" | "services") if !is_label(name) => Some(LABEL),
        ("", "namespaces" | "services") => (name.len() > 63).then_some(short),
        _ if name.len() > 253 => Some("must be no more than 253 characters"),
        _ => (!name.split('.').all(is_label)).then_some(SUBDOMAIN),
    }
}

/// `[prefix/]name`, the name at most 63 characters.
pub(crate) fn is_qualified(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    let slashes = key.matches('/').count();
    slashes <= 1
        && !name.is_empty()
        && is_label_value(name)
        && (slashes == 0 || !key.starts_with('/'))
}

fn is_label_value(value: &str) -> bool {
    let edge = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    value.len() <= 63
        && edge(value.chars().next())
        && edge(value.chars().last())
        && value.chars().all(inner)
}

/// Gives `to` the field of `from`, or takes it away where that has none.
pub(crate) fn copy(from: &Value, to: &mut Value, field: &str) {
    match from.get(field) {
        Some(value) if !value.is_null() => to[field] = value.clone(),
        _ => remove(to, field),
    }
}

pub(crate) fn remove(object: &mut Value, field: &str) {
    if let Some(object) = object.as_object_mut() {
        object.remove(field);
    }
}

#[cfg(test)]
mod tests {
    use super::generated;

    #[test]
    fn a_generated_name_fits_and_keeps_its_prefix() {
        assert_eq!(generated("job-").len(), 9);
        assert!(generated("job-").starts_with("job-"));
        assert_eq!(generated(&"ä".repeat(200)).len(), 63);
    }
}
