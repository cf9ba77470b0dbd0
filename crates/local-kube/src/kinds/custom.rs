//! CustomResourceDefinitions: the kinds they define and the status they get.

use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{Form, Kind};
use crate::schema::Schema;

/// The collection that holds the CustomResourceDefinitions.
pub(crate) const CRDS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Keeps a definition until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// A version of a CustomResourceDefinition (`spec.versions[]`).
#[derive(Debug)]
pub(crate) struct Defined {
    pub(crate) version: Value,
    /// Read when it is first asked for: it is long, and not every kind is used.
    schema: OnceLock<Option<Box<Schema>>>,
}

impl Defined {
    pub(crate) fn schema(&self) -> Option<&Schema> {
        let read = || serde_json::from_value(self.written().clone()).ok().map(Box::new);
        self.schema.get_or_init(read).as_deref()
    }

    /// The schema as it stands in the definition.
    pub(crate) fn written(&self) -> &Value {
        &self.version["schema"]["openAPIV3Schema"]
    }
}

/// The served versions of a definition.
pub(super) fn kinds(definition: &Value) -> Vec<Kind> {
    let spec = &definition["spec"];
    let names = &spec["names"];
    let (group, plural) = (text(&spec["group"]), text(&names["plural"]));
    let kind = text(&names["kind"]);
    let versions = spec["versions"].as_array().into_iter().flatten();
    versions
        .filter(|version| version["served"] == true)
        .map(|version| Kind {
            group: group.clone(),
            version: text(&version["name"]),
            kind: kind.clone(),
            list_kind: names["listKind"].as_str().map_or_else(|| format!("{kind}List"), Into::into),
            plural: plural.clone(),
            singular: names["singular"].as_str().map_or_else(|| kind.to_lowercase(), Into::into),
            short_names: texts(&names["shortNames"]),
            categories: texts(&names["categories"]),
            namespaced: spec["scope"] == "Namespaced",
            resource: format!("{plural}.{group}"),
            has_status: version["subresources"]["status"].is_object(),
            stored: true,
            ending: !definition["metadata"]["deletionTimestamp"].is_null(),
            subresources: &[],
            selectable: version["selectableFields"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|it| Some(it["jsonPath"].as_str()?.trim_start_matches('.').to_owned()))
                .collect(),
            form: Form::Custom(Defined { version: version.clone(), schema: OnceLock::new() }),
        })
        .collect()
}

/// The status of a definition whose names are accepted, which here is known at once.
pub(crate) fn status_of_definition(definition: &Value, now: &str) -> Value {
    let spec = &definition["spec"];
    let storage = spec["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|version| version["storage"] == true)
        .map(|version| text(&version["name"]));
    let mut stored = texts(&definition["status"]["storedVersions"]);
    if let Some(storage) = storage.filter(|it| !stored.contains(it)) {
        stored.push(storage);
    }
    let mut names = spec["names"].clone();
    let kind = text(&names["kind"]);
    if names["listKind"].is_null() {
        names["listKind"] = format!("{kind}List").into();
    }
    if names["singular"].is_null() {
        names["singular"] = kind.to_lowercase().into();
    }
    let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message});
    let mut conditions = vec![
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ];
    if let Some(known) = definition["status"]["conditions"].as_array().filter(|it| !it.is_empty()) {
        conditions.clone_from(known);
    }
    json!({"acceptedNames": names, "conditions": conditions, "storedVersions": stored})
}

/// The order of versions: general availability, then beta, then alpha, the higher number first.
pub(super) fn priority(version: &str) -> (u8, u32, u32) {
    let parse = || {
        let rest = version.strip_prefix('v')?;
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (major, rest) = rest.split_at(digits);
        let major = major.parse().ok()?;
        let stage = |name| rest.strip_prefix(name)?.parse().ok();
        match rest {
            "" => Some((3, major, 0)),
            _ => stage("beta").map(|it| (2, major, it)).or(stage("alpha").map(|it| (1, major, it))),
        }
    };
    parse().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::priority;

    #[test]
    fn versions_are_ordered_by_maturity_then_number() {
        let mut versions = ["v1alpha1", "v2beta1", "v1", "v10", "v1beta2", "foo"];
        versions.sort_by_key(|version| std::cmp::Reverse(priority(version)));
        assert_eq!(versions, ["v10", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo"]);
    }
}
