//! What the cluster serves: the built-in kinds and those of the stored CustomResourceDefinitions.

mod built_in;
mod custom;
pub(crate) mod events;
mod schemas;

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
};
use schemars::SchemaGenerator;
use serde_json::Value;

pub(crate) use self::{
    custom::{CLEANUP, CRDS, Defined, status_of_definition},
    schemas::{SCHEMA_ROOT, schemas},
};
use crate::{lists::Shape, status::Qualified};

/// One resource in one version.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) list_kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// The name of the collection in the store, which all versions of a resource share.
    pub(crate) resource: String,
    pub(crate) has_status: bool,
    /// Reviews are answered and never stored.
    pub(crate) stored: bool,
    /// Whether its definition is being deleted, so that nothing new may be created.
    pub(crate) ending: bool,
    /// Further subresources, as discovery names them.
    pub(crate) subresources: &'static [&'static str],
    /// Fields besides `metadata.name` and `metadata.namespace` that lists can be selected by.
    pub(crate) selectable: Vec<String>,
    pub(crate) form: Form,
}

/// Where the fields of a kind's objects are known from.
#[derive(Debug)]
pub(crate) enum Form {
    Custom(Defined),
    BuiltIn {
        /// Reads an object as the type of its kind and writes it again, without what the type lacks.
        typed: fn(&Value) -> serde_json::Result<Value>,
        /// Adds its schema to the generator's.
        schema: fn(&mut SchemaGenerator) -> schemars::Schema,
        /// What its schema is called there.
        schema_name: Cow<'static, str>,
    },
}

impl Kind {
    pub(crate) fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// How the parts of its objects merge.
    pub(crate) fn shape(&self) -> Shape<'_> {
        match &self.form {
            Form::Custom(defined) => Shape::Custom(defined.schema()),
            Form::BuiltIn { .. } => Shape::BuiltIn,
        }
    }

    /// Its objects in a namespace, or all if it has none.
    pub(crate) fn api(&self, client: &Client, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource {
            group: self.group.clone(),
            version: self.version.clone(),
            api_version: self.api_version(),
            kind: self.kind.clone(),
            plural: self.plural.clone(),
        };
        match self.namespaced {
            true => Api::namespaced_with(client.clone(), namespace, &resource),
            false => Api::all_with(client.clone(), &resource),
        }
    }

    /// `trainjobs.trainer.kubeflow.org`, as errors name it.
    pub(crate) fn by_resource(&self) -> Qualified<'_> {
        Qualified { name: &self.plural, group: &self.group }
    }

    /// `TrainJob.trainer.kubeflow.org`, as validation names it.
    pub(crate) fn by_kind(&self) -> Qualified<'_> {
        Qualified { name: &self.kind, group: &self.group }
    }
}

/// The served kinds, by group, version and plural.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    groups: BTreeMap<String, BTreeMap<String, BTreeMap<String, Arc<Kind>>>>,
}

impl Kinds {
    /// The built-in kinds and those that the given CustomResourceDefinitions define.
    pub(crate) fn serving<'a>(definitions: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut kinds = Self::default();
        let custom = definitions.into_iter().flat_map(custom::kinds);
        for kind in built_in::kinds().into_iter().chain(custom) {
            let group = kinds.groups.entry(kind.group.clone()).or_default();
            let version = group.entry(kind.version.clone()).or_default();
            version.insert(kind.plural.clone(), Arc::new(kind));
        }
        kinds
    }

    pub(crate) fn get(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.groups.get(group)?.get(version)?.get(plural)
    }

    /// Groups with their versions, the preferred version first.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (&str, Vec<&str>)> {
        self.groups.iter().map(|(group, versions)| {
            let mut versions: Vec<&str> = versions.keys().map(String::as_str).collect();
            versions.sort_by_key(|version| std::cmp::Reverse(custom::priority(version)));
            (group.as_str(), versions)
        })
    }

    pub(crate) fn of(&self, group: &str, version: &str) -> impl Iterator<Item = &Arc<Kind>> {
        self.groups.get(group).and_then(|it| it.get(version)).into_iter().flat_map(BTreeMap::values)
    }

    /// One kind for each stored resource.
    pub(crate) fn resources(&self) -> impl Iterator<Item = &Arc<Kind>> {
        let preferred = self.groups().collect::<Vec<_>>();
        let mut seen = std::collections::HashSet::new();
        preferred
            .into_iter()
            .flat_map(move |(group, versions)| {
                versions.into_iter().flat_map(move |it| self.of(group, it))
            })
            .filter(move |kind| kind.stored && seen.insert(kind.resource.as_str()))
    }

    /// The kind that an object's `apiVersion` and `kind` name, whatever its plural.
    pub(crate) fn of_object(&self, api_version: &str, kind: &str) -> Option<&Arc<Kind>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        self.of(group, version).find(|it| it.kind == kind)
    }
}
