//! Rehearsing the cases of a table on a cluster, and what the cluster says of each.

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use kubeflow_mcp_tests::{namespace::Namespace, request::Answer};
use serde_json::{Map, Value, json};

use super::tables::{Resource, Table, Write};

const NO_IMAGES: &str = "this cluster runs Pods as processes and cannot run the container image";

/// A namespace of a cluster, to rehearse in.
pub(super) struct Rehearsal<'a>(pub(super) &'a Namespace);

impl Rehearsal<'_> {
    /// What the cluster says of each case.
    pub(super) async fn of(&self, table: &Table) -> BTreeMap<String, Value> {
        if table.write == Write::Update {
            let there = self.create(table.resource, &table.base, "").await;
            assert_eq!(there.code, 201, "{}", there.text);
        }
        let outcomes = table.changes.iter().map(async |(about, change)| {
            let outcome = match table.write {
                Write::Create => self.changed(table, change, "fieldValidation=Warn").await,
                Write::CreateStrictly => {
                    self.changed(table, change, "fieldValidation=Strict").await
                }
                Write::Update => self.update(table, change).await,
            };
            ((*about).to_owned(), outcome)
        });
        stream::iter(outcomes).buffer_unordered(8).collect().await
    }

    /// Creates an object, or rehearses that, as the query says.
    pub(super) async fn create(&self, resource: Resource, object: &Value, query: &str) -> Answer {
        let line = format!("POST {}?{query}", path(resource));
        self.0.ask(&line, &[], &object.to_string()).await
    }

    async fn changed(&self, table: &Table, change: &Value, validation: &str) -> Value {
        let mut object = table.base.clone();
        json_patch::merge(&mut object, change);
        let query = format!("dryRun=All&{validation}");
        let answer = self.create(table.resource, &object, &query).await;
        self.outcome(&answer, &object)
    }

    async fn update(&self, table: &Table, change: &Value) -> Value {
        let name = table.base["metadata"]["name"].as_str().unwrap();
        let line = format!("PATCH {}/{name}?dryRun=All", path(table.resource));
        let headers = [("content-type", "application/merge-patch+json")];
        let answer = self.0.ask(&line, &headers, &change.to_string()).await;
        let mut object = table.base.clone();
        json_patch::merge(&mut object, change);
        self.outcome(&answer, &object)
    }

    /// The refusal, or what the server made of the object beyond what was sent.
    fn outcome(&self, answer: &Answer, sent: &Value) -> Value {
        let body = self.0.normalised(&answer.text);
        let mut body: Value = serde_json::from_str(&body).expect("JSON");
        let mut outcome = json!({});
        if body["kind"] == "Status" {
            for field in ["apiVersion", "kind", "metadata", "status"] {
                body.as_object_mut().unwrap().remove(field);
            }
            sort_causes(&mut body);
            outcome["refused"] = body;
        } else {
            for field in ["uid", "creationTimestamp", "resourceVersion", "managedFields"] {
                body["metadata"].as_object_mut().unwrap().remove(field);
            }
            outcome["made"] = added(sent, &body);
        }
        // Of images that are none here, the local cluster warns before a node could.
        let warnings = answer.warnings().into_iter().filter(|it| !it.contains(NO_IMAGES));
        let warnings: Vec<String> = warnings.map(|it| self.0.normalised(&it)).collect();
        if !warnings.is_empty() {
            outcome["warnings"] = warnings.into();
        }
        outcome
    }
}

/// The API server looks at the fields of an object in any order, and tells what it finds in that.
fn sort_causes(status: &mut Value) {
    let message = status["message"].as_str().unwrap_or_default().to_owned();
    let Some(causes) = status["details"]["causes"].as_array_mut() else { return };
    let told = |causes: &[Value]| {
        let texts = causes.iter().map(|cause| {
            let text = |field: &str| cause[field].as_str().unwrap_or_default();
            format!("{}: {}", text("field"), text("message"))
        });
        texts.collect::<Vec<_>>().join(", ")
    };
    let before = told(causes);
    causes.sort_by_key(Value::to_string);
    let sorted = told(causes);
    status["message"] = message.replace(&before, &sorted).into();
}

fn path(resource: Resource) -> String {
    let group = "/apis/trainer.kubeflow.org/v1alpha1";
    match resource {
        Resource::TrainJobs => format!("{group}/namespaces/NAMESPACE/trainjobs"),
        Resource::TrainingRuntimes => format!("{group}/namespaces/NAMESPACE/trainingruntimes"),
        Resource::ClusterTrainingRuntimes => format!("{group}/clustertrainingruntimes"),
    }
}

/// The merge patch that leads from one object to the other; lists are taken whole.
fn added(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let mut patch: Map<String, Value> = from
        .iter()
        .filter(|(name, value)| !value.is_null() && !to.contains_key(*name))
        .map(|(name, _)| (name.clone(), Value::Null))
        .collect();
    for (name, value) in to {
        match from.get(name) {
            Some(before) if before == value => {}
            Some(before) => _ = patch.insert(name.clone(), added(before, value)),
            None => _ = patch.insert(name.clone(), value.clone()),
        }
    }
    Value::Object(patch)
}
