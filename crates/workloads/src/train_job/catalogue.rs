//! The runtimes that a caller can see, of both kinds.

use kube::{
    api::ListParams,
    core::{ObjectList, Request},
};
use kubeflow_mcp_core::{Caller, Error, Resource, Result, did_you_mean};
use serde::Deserialize;
use serde_json::Value;

use super::runtime::{CLUSTER_RUNTIMES, RUNTIMES, Runtime};

/// Far more than anyone has.
const MOST: u32 = 500;

/// Why there may be none at all.
pub const NO_RUNTIMES: &str = "no runtime is installed: the Trainer's Helm chart installs none unless \
    `runtimes.defaultEnabled=true` is set, its kustomize overlay `overlays/runtimes` installs all; \
    an administrator can do either";

/// All runtimes by name. Where one of the namespace and one of the cluster share a name, the
/// first is meant.
#[derive(Debug, Default)]
pub struct Catalogue {
    pub entries: Vec<Entry>,
    /// The kinds that could not be read, and why.
    pub unseen: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub kind: Kind,
    /// One that cannot be read does not hide the others.
    pub runtime: Result<Runtime, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Namespaced,
    Cluster,
}

impl Catalogue {
    pub async fn of(caller: &Caller, namespace: Option<&str>) -> Result<Self> {
        let namespace = caller.namespace(namespace);
        let (own, shared) = futures::join!(
            list(caller, Kind::Namespaced, namespace),
            list(caller, Kind::Cluster, namespace)
        );
        let mut catalogue = Self::default();
        for (kind, found) in [(Kind::Namespaced, own), (Kind::Cluster, shared)] {
            match found {
                Ok(entries) => catalogue.entries.extend(entries),
                Err(Error::Kubernetes(status)) if status.code == 403 => {
                    catalogue.unseen.push(format!("{}s: {}", kind.name(), status.message));
                }
                // Not served: older or smaller installations have but one of the kinds.
                Err(Error::Kubernetes(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        // Stable, so that of two with one name the namespace's stays first.
        catalogue.entries.sort_by(|one, other| one.name.cmp(&other.name));
        catalogue.entries.dedup_by(|later, earlier| later.name == earlier.name);
        Ok(catalogue)
    }

    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|it| it.name == name)
    }

    /// Why there is no such runtime, as far as can be seen.
    pub fn unknown(&self, name: &str) -> Error {
        let mut problem = format!("names no runtime: {name:?}{}", did_you_mean(name, self.names()));
        if self.entries.is_empty() && self.unseen.is_empty() {
            problem.push_str("; ");
            problem.push_str(NO_RUNTIMES);
        } else {
            let names: Vec<&str> = self.names().take(20).collect();
            problem.push_str(&format!("; there are {}", names.join(", ")));
        }
        for unseen in &self.unseen {
            problem.push_str(&format!("; could not see {unseen}"));
        }
        Error::argument("runtime", problem)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|it| it.name.as_str())
    }
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespaced => "TrainingRuntime",
            Self::Cluster => "ClusterTrainingRuntime",
        }
    }

    pub fn resource(self) -> Resource {
        match self {
            Self::Namespaced => RUNTIMES,
            Self::Cluster => CLUSTER_RUNTIMES,
        }
    }
}

/// A listed object that may be of another shape than we know.
#[derive(Clone, Deserialize)]
#[serde(from = "Value")]
struct Listed {
    name: String,
    runtime: Result<Runtime, String>,
}

impl From<Value> for Listed {
    fn from(object: Value) -> Self {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        Self { name, runtime: Runtime::deserialize(object).map_err(|error| error.to_string()) }
    }
}

async fn list(caller: &Caller, kind: Kind, namespace: &str) -> Result<Vec<Entry>> {
    let resource = kind.resource();
    let scope =
        if resource.namespaced { format!("namespaces/{namespace}/") } else { String::new() };
    let path = format!("/apis/{}/v1alpha1/{scope}{}", resource.group, resource.plural);
    let request = Request::new(path)
        .list(&ListParams::default().limit(MOST))
        .map_err(kube::Error::BuildRequest)?;
    let found: ObjectList<Listed> = caller.client().request(request).await?;
    let entry = |it: Listed| Entry { name: it.name, kind, runtime: it.runtime };
    Ok(found.items.into_iter().map(entry).collect())
}
