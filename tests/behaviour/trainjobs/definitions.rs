//! The definitions of TrainJobs, runtimes and JobSets: field by field those of the real controllers.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, ResourceExt as _};
use kubeflow_mcp_core::ToolSet;
use kubeflow_mcp_tests::cluster::Cluster;
use serde_json::{Value, json};

#[tokio::test]
async fn definitions_are_the_same() {
    let cluster = Cluster::under_test().await;
    let installed: Api<CustomResourceDefinition> = Api::all(cluster.admin());
    let linked = ToolSet::linked().into_iter().filter_map(|set| set.local.as_ref());
    let mut differences = Vec::new();
    for ours in linked.flat_map(|local| (local.crds)()) {
        let theirs = installed.get(&ours.name_any()).await.expect("a definition");
        let plural = &ours.spec.names.plural;
        let spec = |crd: &CustomResourceDefinition| serde_json::to_value(&crd.spec).unwrap();
        let (theirs, ours) = (spec(&theirs), spec(&ours));
        for field in ["group", "scope", "names"] {
            compare(&theirs[field], &ours[field], &format!("{plural}.{field}"), &mut differences);
        }
        for field in ["name", "subresources", "additionalPrinterColumns", "schema"] {
            let (theirs, ours) = (&theirs["versions"][0][field], &ours["versions"][0][field]);
            compare(theirs, ours, &format!("{plural}.{field}"), &mut differences);
        }
    }
    let all: Vec<_> = differences.iter().map(String::as_str).collect();
    assert!(all.is_empty(), "{} differences\n{}", all.len(), all.join("\n"));
}

/// Compares what has a meaning for a client: not descriptions, nor how a rule is written.
fn compare(theirs: &Value, ours: &Value, path: &str, differences: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            let is_field_of_properties = path.ends_with(".properties");
            for name in names {
                let path = format!("{path}.{name}");
                let (theirs, ours) = (&theirs[name], &ours[name]);
                match name.as_str() {
                    "description" | "title" if !is_field_of_properties => {}
                    "x-kubernetes-validations" => {
                        compare(&messages(theirs), &messages(ours), &path, differences);
                    }
                    // Both are replaced as a whole.
                    "x-kubernetes-map-type" if is_granular(theirs) && is_granular(ours) => {}
                    "x-kubernetes-list-type" if is_atomic(theirs) && is_atomic(ours) => {}
                    "required" if !is_field_of_properties => {
                        compare(&sorted(theirs), &sorted(ours), &path, differences);
                    }
                    _ => compare(theirs, ours, &path, differences),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (theirs, ours)) in a.iter().zip(b).enumerate() {
                compare(theirs, ours, &format!("{path}[{index}]"), differences);
            }
        }
        (theirs, ours) if theirs == ours => {}
        (theirs, ours) => {
            let short = |it: &Value| it.to_string().chars().take(120).collect::<String>();
            differences.push(format!("{path}: {} is {} here", short(theirs), short(ours)));
        }
    }
}

fn messages(rules: &Value) -> Value {
    let rules = rules.as_array().into_iter().flatten();
    sorted(&rules.map(|rule| rule["message"].clone()).collect())
}

fn sorted(list: &Value) -> Value {
    let mut texts: Vec<_> =
        list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    texts.sort_unstable();
    json!(texts)
}

fn is_granular(map_type: &Value) -> bool {
    map_type.is_null() || map_type == "granular"
}

fn is_atomic(list_type: &Value) -> bool {
    list_type.is_null() || list_type == "atomic"
}
