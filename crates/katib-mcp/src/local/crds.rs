//! The custom resources of Katib. Like Katib's own they have no schema: its webhook judges them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use crate::api::{GROUP, VERSION};

pub(super) fn crds() -> Vec<CustomResourceDefinition> {
    let assigned = [
        column("Requested", "string", ".spec.requests"),
        column("Assigned", "string", ".status.suggestionCount"),
    ];
    vec![
        definition("Experiment", &[]),
        definition("Suggestion", &assigned),
        definition("Trial", &[]),
    ]
}

fn definition(kind: &str, columns: &[Value]) -> CustomResourceDefinition {
    let singular = kind.to_lowercase();
    let plural = format!("{singular}s");
    let last = [
        column("Type", "string", ".status.conditions[-1:].type"),
        column("Status", "string", ".status.conditions[-1:].status"),
    ];
    let age = [column("Age", "date", ".metadata.creationTimestamp")];
    let columns = [&last, columns, &age].concat();
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": format!("{kind}List"),
                "plural": plural,
                "singular": singular,
                "categories": ["all", "kubeflow", "katib"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "additionalPrinterColumns": columns,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": true,
                }},
            }],
        },
    });
    serde_json::from_value(definition).expect("a definition of the right form")
}

fn column(name: &str, type_: &str, path: &str) -> Value {
    json!({"name": name, "type": type_, "jsonPath": path})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_is_named_after_its_kind() {
        let names: Vec<_> = crds().into_iter().filter_map(|it| it.metadata.name).collect();
        let expected =
            ["experiments.kubeflow.org", "suggestions.kubeflow.org", "trials.kubeflow.org"];
        assert_eq!(names, expected);
    }
}
