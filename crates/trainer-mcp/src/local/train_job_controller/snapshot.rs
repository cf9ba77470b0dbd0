//! The copy of its runtime that a TrainJob keeps, so that later changes do not reach it.

use k8s_openapi::{api::core::v1::ConfigMap, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, ResourceExt as _,
    api::{Patch, PatchParams},
};
use serde_json::Value;

use super::MANAGER;
use crate::local::{
    ownership::{belongs_to, owned_by},
    reporting::Failure,
    runtimes,
    train_job::{Runtime, TrainJob},
};

/// The ConfigMap's one key.
const KEY: &str = "runtime";

/// The runtime as it was when the TrainJob was first seen.
pub(super) async fn runtime_of(job: &TrainJob, client: &Client) -> Result<Runtime, Failure> {
    let namespace = job.namespace().unwrap_or_default();
    let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
    let name = format!("{}-runtime-snapshot", job.name_any());
    if let Some(snapshot) = config_maps.get_opt(&name).await? {
        return read(job, &snapshot);
    }
    let reference = &job.spec.runtime_ref;
    let Some(runtime) = runtimes::get(client, reference, &namespace).await? else {
        let kind = reference.kind();
        return Err(Failure::State(format!(
            "{kind} specified in TrainJob is not found: {kind}.{} {:?} not found",
            reference.group(),
            reference.name
        )));
    };
    let mut runtime = serde_json::to_value(runtime)
        .map_err(|error| Failure::State(format!("creating runtime snapshot: {error}")))?;
    if let Some(metadata) = runtime["metadata"].as_object_mut() {
        // Who changed which field is a history of the runtime, not a part of it.
        metadata.remove("managedFields");
    }
    amounts_as_text(&mut runtime);
    let yaml = serde_saphyr::to_string(&runtime)
        .map_err(|error| Failure::State(format!("creating runtime snapshot: {error}")))?;
    let snapshot = ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(namespace),
            owner_references: owned_by(job),
            ..Default::default()
        },
        data: Some([(KEY.to_owned(), yaml)].into()),
        ..Default::default()
    };
    let apply = PatchParams::apply(MANAGER).force();
    let snapshot = config_maps.patch(&name, &apply, &Patch::Apply(&snapshot)).await?;
    read(job, &snapshot)
}

/// The Trainer writes amounts of resources as text, however they were given.
fn amounts_as_text(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(amounts_as_text),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_object_mut() {
                    Some(amounts) if ["limits", "requests"].contains(&name.as_str()) => {
                        for amount in amounts.values_mut().filter(|it| it.is_number()) {
                            *amount = amount.to_string().into();
                        }
                    }
                    _ => amounts_as_text(field),
                }
            }
        }
        _ => {}
    }
}

fn read(job: &TrainJob, snapshot: &ConfigMap) -> Result<Runtime, Failure> {
    let invalid = |why: String| Failure::State(format!("invalid runtime snapshot: {why}"));
    if !belongs_to(snapshot, job) {
        return Err(invalid(
            "a snapshot configmap exists but is owned by another object".to_owned(),
        ));
    }
    let text = snapshot.data.as_ref().and_then(|data| data.get(KEY));
    let text =
        text.ok_or_else(|| invalid(format!("snapshot ConfigMap missing {KEY:?} data key")))?;
    let runtime: Value = serde_saphyr::from_str(text)
        .map_err(|error| invalid(format!("unable to unmarshal the snapshot: {error}")))?;
    serde_json::from_value(runtime)
        .map_err(|error| invalid(format!("unable to unmarshal the snapshot: {error}")))
}
