//! Core's own tool set: who am I here, what is there, and what is missing.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Caller, Effect, Facts, Need, Persona, Resource, Result, Tool, ToolDef, ToolSet, gate};

pub const TOOL_SET: ToolSet = ToolSet {
    name: "core",
    about: "Who you are here, what is installed, and what is missing",
    guide: include_str!("guide.md"),
    tools: &[&[ToolDef::of::<HealthCheck>()]],
    local: None,
};

inventory::submit!(TOOL_SET);

/// Says who you are, where you may work, which Kubeflow components the cluster has, and why tools
/// are missing. Use it first, and when a tool is not offered or refuses.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HealthCheck {}

#[derive(Serialize, JsonSchema)]
struct Health {
    /// The version of this server.
    server: &'static str,
    /// Why the cluster cannot be used, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Who you are to the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// How far the tools go that may be offered: from readonly to platform-admin.
    persona: String,
    /// Whether tools that write are left out.
    read_only: bool,
    /// Used where none is given.
    namespace: String,
    /// Where tools have been found to work or not.
    namespaces: Vec<String>,
    /// Kubernetes' version.
    #[serde(skip_serializing_if = "Option::is_none")]
    kubernetes: Option<String>,
    /// What the tools are about, and whether the cluster has it.
    components: Vec<Component>,
    /// How many tools can be used.
    offered: usize,
    /// The tools that cannot, by the reason.
    hidden: Vec<Hidden>,
}

#[derive(Serialize, JsonSchema)]
struct Component {
    /// As its tool set is called.
    name: &'static str,
    /// Unknown when the cluster cannot be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    installed: Option<bool>,
    /// The version of its API.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Hidden {
    /// What is missing, or who has decided it.
    why: String,
    /// Names of tools.
    tools: Vec<&'static str>,
}

impl Tool for HealthCheck {
    type Output = Health;
    const NAME: &str = "health_check";
    const TITLE: &str = "Health check";
    const EFFECT: Effect = Effect::Reads;
    const PERSONA: Persona = Persona::Readonly;
    const NEEDS: &[Need] = &[];

    async fn call(self, caller: &Caller) -> Result<Health> {
        let facts = caller.present_facts().await;
        let policy = caller.policy();
        let mut hidden: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for tool in caller.tools() {
            if let Err(refusal) = gate::admit(tool, policy, &facts) {
                hidden.entry(refusal.to_string()).or_default().push(tool.name);
            }
        }
        let sets = caller.sets().iter();
        Ok(Health {
            server: env!("CARGO_PKG_VERSION"),
            problem: facts.problem().map(str::to_owned),
            user: facts.user.clone(),
            persona: policy.persona.to_string(),
            read_only: policy.read_only,
            namespace: caller.namespace(None).to_owned(),
            namespaces: facts.namespaces.iter().map(|it| it.name.clone()).collect(),
            kubernetes: facts.version.clone(),
            components: sets.filter_map(|set| component(set, &facts)).collect(),
            offered: caller.tools().len() - hidden.values().map(Vec::len).sum::<usize>(),
            hidden: hidden.into_iter().map(|(why, tools)| Hidden { why, tools }).collect(),
        })
    }
}

/// How a set's component stands, if it is one that a cluster can have.
fn component(set: &ToolSet, facts: &Facts) -> Option<Component> {
    let needs = set.tools().flat_map(|tool| tool.needs).filter(|need| need.required);
    let own = |resource: &Resource| resource.group.ends_with("kubeflow.org");
    let kinds: Vec<Resource> = needs.map(|need| need.resource).filter(own).collect();
    let version = facts.version_of(*kinds.first()?).map(str::to_owned);
    let served = kinds.iter().all(|kind| facts.serve(*kind));
    let installed = (served || facts.problem().is_none()).then_some(served);
    Some(Component { name: set.name, installed, version })
}
