//! The kinds that every cluster serves.

use k8s_openapi::{
    api::{
        authentication::v1 as authentication, authorization::v1 as authorization,
        batch::v1 as batch, coordination::v1 as coordination, core::v1 as core,
        events::v1 as events, rbac::v1 as rbac, scheduling::v1 as scheduling,
        storage::v1 as storage,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions,
};
use kube::Resource;
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Form, Kind};

pub(super) fn kinds() -> Vec<Kind> {
    vec![
        of::<core::Namespace>("namespace", &["ns"]).status().select(&["status.phase"]),
        of::<core::Node>("node", &["no"]).status().select(&["spec.unschedulable"]),
        of::<core::PersistentVolume>("persistentvolume", &["pv"]).status(),
        of::<core::Pod>("pod", &["po"])
            .namespaced()
            .status()
            .all()
            .with(&["binding", "eviction", "log"])
            .select(&[
                "spec.nodeName",
                "spec.restartPolicy",
                "spec.schedulerName",
                "spec.serviceAccountName",
                "status.phase",
                "status.podIP",
            ]),
        of::<core::Service>("service", &["svc"]).namespaced().status().all(),
        of::<core::ConfigMap>("configmap", &["cm"]).namespaced(),
        of::<core::Secret>("secret", &[]).namespaced().select(&["type"]),
        of::<core::ServiceAccount>("serviceaccount", &["sa"]).namespaced().with(&["token"]),
        of::<core::Event>("event", &["ev"]).namespaced().select(&[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ]),
        of::<events::Event>("event", &["ev"]).namespaced().kept_as("events").select(&[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ]),
        of::<core::PersistentVolumeClaim>("persistentvolumeclaim", &["pvc"]).namespaced().status(),
        of::<core::LimitRange>("limitrange", &["limits"]).namespaced(),
        of::<core::ResourceQuota>("resourcequota", &["quota"]).namespaced().status(),
        of::<batch::Job>("job", &[]).namespaced().status().all().select(&["status.successful"]),
        of::<rbac::Role>("role", &[]).namespaced(),
        of::<rbac::RoleBinding>("rolebinding", &[]).namespaced(),
        of::<rbac::ClusterRole>("clusterrole", &[]),
        of::<rbac::ClusterRoleBinding>("clusterrolebinding", &[]),
        of::<coordination::Lease>("lease", &[]).namespaced(),
        of::<storage::StorageClass>("storageclass", &["sc"]),
        of::<scheduling::PriorityClass>("priorityclass", &["pc"]),
        of::<apiextensions::CustomResourceDefinition>("customresourcedefinition", &["crd", "crds"])
            .status()
            .category("api-extensions"),
        of::<authorization::SelfSubjectAccessReview>("selfsubjectaccessreview", &[]).review(),
        of::<authorization::SelfSubjectRulesReview>("selfsubjectrulesreview", &[]).review(),
        of::<authorization::SubjectAccessReview>("subjectaccessreview", &[]).review(),
        of::<authorization::LocalSubjectAccessReview>("localsubjectaccessreview", &[])
            .namespaced()
            .review(),
        of::<authentication::SelfSubjectReview>("selfsubjectreview", &[]).review(),
        of::<authentication::TokenReview>("tokenreview", &[]).review(),
    ]
}

fn of<K>(singular: &str, short_names: &[&str]) -> Kind
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + JsonSchema,
{
    let (group, plural) = (K::group(&()).into_owned(), K::plural(&()).into_owned());
    let kind = K::kind(&()).into_owned();
    Kind {
        version: K::version(&()).into_owned(),
        list_kind: format!("{kind}List"),
        singular: singular.to_owned(),
        short_names: short_names.iter().map(|it| (*it).to_owned()).collect(),
        categories: Vec::new(),
        namespaced: false,
        resource: match group.as_str() {
            "" => plural.clone(),
            group => format!("{plural}.{group}"),
        },
        has_status: false,
        stored: true,
        ending: false,
        subresources: &[],
        selectable: Vec::new(),
        form: Form::BuiltIn {
            typed: typed::<K>,
            schema: SchemaGenerator::subschema_for::<K>,
            schema_name: K::schema_name(),
        },
        group,
        kind,
        plural,
    }
}

fn typed<K: Serialize + DeserializeOwned>(object: &Value) -> serde_json::Result<Value> {
    serde_json::to_value(K::deserialize(object)?)
}

impl Kind {
    fn namespaced(self) -> Self {
        Self { namespaced: true, ..self }
    }

    /// Under the name of another kind, of which it is a view.
    fn kept_as(self, resource: &str) -> Self {
        Self { resource: resource.to_owned(), ..self }
    }

    fn status(self) -> Self {
        Self { has_status: true, ..self }
    }

    /// Shown by `kubectl get all`.
    fn all(self) -> Self {
        self.category("all")
    }

    fn category(self, category: &str) -> Self {
        Self { categories: vec![category.to_owned()], ..self }
    }

    fn review(self) -> Self {
        Self { stored: false, ..self }
    }

    fn with(self, subresources: &'static [&'static str]) -> Self {
        Self { subresources, ..self }
    }

    fn select(self, fields: &[&str]) -> Self {
        Self { selectable: fields.iter().map(|it| (*it).to_owned()).collect(), ..self }
    }
}
