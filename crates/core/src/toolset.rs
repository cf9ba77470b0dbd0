//! Tool sets, and the registry of those linked into this binary.

use futures::future::BoxFuture;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Client, api::DynamicObject};
use local_kube::Admit;

use crate::ToolDef;

/// What one Kubeflow component brings.
pub struct ToolSet {
    pub name: &'static str,
    /// One line for help and docs.
    pub about: &'static str,
    /// What the agent is told of the set as a whole.
    pub guide: &'static str,
    /// One slice a group file, in reading order.
    pub tools: &'static [&'static [ToolDef]],
    /// How the component is played in the local cluster, where it is built in.
    pub local: Option<Local>,
}

/// A component in the local cluster.
pub struct Local {
    pub crds: fn() -> Vec<CustomResourceDefinition>,
    /// What a fresh installation of the component brings: its runtimes, for example.
    pub objects: fn() -> Vec<DynamicObject>,
    /// What its webhooks default, refuse or allow.
    pub admit: Admit,
    /// Its controllers: a future that runs until it is dropped.
    pub run: fn(Client) -> BoxFuture<'static, ()>,
}

inventory::collect!(ToolSet);

impl ToolSet {
    /// Every tool set linked into this binary, by name: inventory promises no order.
    pub fn linked() -> Vec<&'static Self> {
        let mut sets: Vec<&Self> = inventory::iter::<Self>.into_iter().collect();
        sets.sort_by_key(|set| set.name);
        sets
    }

    pub fn tools(&self) -> impl Iterator<Item = &'static ToolDef> + use<> {
        self.tools.iter().copied().flatten()
    }
}
