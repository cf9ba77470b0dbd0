//! The Pods that a Job makes of its template.

use std::collections::BTreeMap;

use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod},
};
use kube::{Resource, ResourceExt, api::ObjectMeta};

use super::tracking::FINALIZER;

pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";

/// A new Pod, of an index if the Job counts by them.
pub(super) fn pod(job: &Job, index: Option<i32>) -> Pod {
    let template = job.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let given = template.metadata.unwrap_or_default();
    let name = job.name_any();
    let mut finalizers = given.finalizers.unwrap_or_default();
    finalizers.push(FINALIZER.to_owned());
    let mut metadata = ObjectMeta {
        generate_name: Some(match index {
            Some(index) => format!("{name}-{index}-"),
            None => format!("{name}-"),
        }),
        namespace: job.namespace(),
        labels: given.labels,
        annotations: given.annotations,
        finalizers: Some(finalizers),
        owner_references: job.controller_owner_ref(&()).map(|mut owner| {
            owner.block_owner_deletion = Some(true);
            vec![owner]
        }),
        ..ObjectMeta::default()
    };
    let mut spec = template.spec.unwrap_or_default();
    if let Some(index) = index {
        for map in [&mut metadata.labels, &mut metadata.annotations] {
            let map = map.get_or_insert_with(BTreeMap::new);
            map.insert(INDEX.to_owned(), index.to_string());
        }
        spec.hostname.get_or_insert_with(|| format!("{name}-{index}"));
        let inits = spec.init_containers.iter_mut().flatten();
        spec.containers.iter_mut().chain(inits).for_each(tell_index);
    }
    Pod { metadata, spec: Some(spec), status: None }
}

fn tell_index(container: &mut Container) {
    const VARIABLE: &str = "JOB_COMPLETION_INDEX";
    let env = container.env.get_or_insert_with(Vec::new);
    if env.iter().any(|it| it.name == VARIABLE) {
        return;
    }
    let field = ObjectFieldSelector {
        api_version: None,
        field_path: format!("metadata.labels['{INDEX}']"),
    };
    env.push(EnvVar {
        name: VARIABLE.to_owned(),
        value_from: Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() }),
        ..EnvVar::default()
    });
}
