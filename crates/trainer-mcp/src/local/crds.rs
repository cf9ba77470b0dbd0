//! The custom resources of Kubeflow Trainer and JobSet, with schemas of our own.

mod types;

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps,
};
use serde::Deserialize;
use serde_json::Value;

use self::types::Types;

/// One YAML document in three files: what several definitions share is an anchor in the earlier ones.
const DEFINITIONS: &str = concat!(
    include_str!("crds/job_set.yaml"),
    include_str!("crds/train_job.yaml"),
    include_str!("crds/runtimes.yaml"),
);

/// The types of Kubernetes, and of the Trainer's patches, that the definitions refer to.
pub(super) static TYPES: LazyLock<Types> = LazyLock::new(|| {
    Types::read(concat!(
        include_str!("crds/pods.txt"),
        include_str!("crds/volumes.txt"),
        include_str!("crds/patches.txt"),
    ))
});

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definitions {
    job_set: CustomResourceDefinition,
    train_job: CustomResourceDefinition,
    training_runtime: CustomResourceDefinition,
    cluster_training_runtime: CustomResourceDefinition,
}

/// Read once: tests open a cluster each, and the text is long.
static CRDS: LazyLock<[CustomResourceDefinition; 4]> = LazyLock::new(|| {
    let mut definitions: Value =
        serde_saphyr::from_str(DEFINITIONS).expect("a test reads the same text");
    TYPES.resolve(&mut definitions);
    let definitions: Definitions =
        serde_json::from_value(definitions).expect("a test reads the same text");
    [
        definitions.job_set,
        definitions.train_job,
        definitions.training_runtime,
        definitions.cluster_training_runtime,
    ]
});

pub(super) fn crds() -> Vec<CustomResourceDefinition> {
    CRDS.to_vec()
}

/// The schema of one kind's objects.
pub(super) fn schema(plural: &str) -> Option<&'static JSONSchemaProps> {
    let definition = CRDS.iter().find(|it| it.spec.names.plural == plural)?;
    definition.spec.versions.first()?.schema.as_ref()?.open_api_v3_schema.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(plural: &str) -> Value {
        let crd = crds().into_iter().find(|crd| crd.spec.names.plural == plural).unwrap();
        serde_json::to_value(&crd.spec.versions[0].schema).unwrap()["openAPIV3Schema"].take()
    }

    #[test]
    fn every_definition_is_named_after_its_kind() {
        let names: Vec<_> = crds()
            .into_iter()
            .map(|crd| {
                let expected = format!("{}.{}", crd.spec.names.plural, crd.spec.group);
                assert_eq!(crd.metadata.name.as_deref(), Some(expected.as_str()));
                (crd.spec.names.kind, crd.spec.scope, crd.spec.versions[0].subresources.is_some())
            })
            .collect();
        assert_eq!(
            names,
            [
                ("JobSet".into(), "Namespaced".into(), true),
                ("TrainJob".into(), "Namespaced".into(), true),
                ("TrainingRuntime".into(), "Namespaced".into(), false),
                ("ClusterTrainingRuntime".into(), "Cluster".into(), false),
            ]
        );
    }

    #[test]
    fn shared_fragments_reach_where_they_are_used() {
        let containers = "/properties/replicatedJobs/items/properties/template/properties/spec\
                          /properties/template/properties/spec/properties/containers";
        let job_set = schema("jobsets");
        let runtime = schema("clustertrainingruntimes");
        let own = job_set["properties"]["spec"].pointer(containers).unwrap();
        assert_eq!(own["x-kubernetes-list-map-keys"], serde_json::json!(["name"]));
        let template = &runtime["properties"]["spec"]["properties"]["template"];
        assert_eq!(template["properties"]["spec"].pointer(containers), Some(own));
    }

    /// What a real API server would refuse as not structural.
    #[test]
    fn the_keys_of_every_list_map_are_required_or_have_defaults() {
        fn check(schema: &Value, path: &str) {
            if let Some(keys) = schema["x-kubernetes-list-map-keys"].as_array() {
                let items = &schema["items"];
                for key in keys {
                    let required =
                        items["required"].as_array().is_some_and(|list| list.contains(key));
                    let property = &items["properties"][key.as_str().unwrap()];
                    assert!(property["type"].is_string(), "{path}: {key} has no type");
                    assert!(
                        required || !property["default"].is_null(),
                        "{path}: {key} may be absent"
                    );
                }
            }
            for (key, value) in schema.as_object().into_iter().flatten() {
                check(value, &format!("{path}/{key}"));
            }
        }
        for crd in crds() {
            check(&schema(&crd.spec.names.plural), &crd.spec.names.plural);
        }
    }
}
