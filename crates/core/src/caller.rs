//! Whoever a tool call is made for.

use std::sync::Arc;

use kube::{
    Api, Client, Resource,
    core::{ClusterResourceScope, NamespaceResourceScope},
};

use crate::{
    Facts, Policy, Progress, ToolDef, ToolSet,
    knowledge::{self, Knowledge, News},
    passage,
};

/// Whoever a tool call is made for: a client that speaks as them, held to the policy.
#[derive(Clone)]
pub struct Caller {
    /// Of a tool: a client that only does what the tool declares. Of the server: the bare one.
    client: Client,
    policy: Arc<Policy>,
    namespace: Arc<str>,
    /// What is linked in, whether this caller may use it or not.
    sets: Arc<[&'static ToolSet]>,
    tools: Arc<[ToolDef]>,
    knowledge: Arc<Knowledge>,
    call: Arc<Call>,
}

/// What is particular to one call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Call {
    pub(crate) digest: String,
    pub(crate) rehearses: bool,
    pub(crate) progress: Progress,
}

impl Caller {
    pub fn new(client: Client, policy: Policy) -> Self {
        let default = client.default_namespace();
        let namespace = match &policy.namespaces {
            Some(allowed) if !policy.admits_namespace(default) => {
                allowed.first().map_or(default, String::as_str)
            }
            _ => default,
        };
        let namespace: Arc<str> = namespace.into();
        let policy = Arc::new(policy);
        Self {
            knowledge: Knowledge::new(&client, Arc::clone(&policy), Arc::clone(&namespace)),
            namespace,
            client,
            policy,
            sets: Arc::default(),
            tools: Arc::default(),
            call: Arc::default(),
        }
    }

    /// The namespace that is meant: the given one, or the caller's default.
    pub fn namespace<'a>(&'a self, given: Option<&'a str>) -> &'a str {
        given.unwrap_or(&self.namespace)
    }

    /// The objects of one kind in `namespace`, or in the caller's default namespace.
    pub fn api<K>(&self, namespace: Option<&str>) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), self.namespace(namespace))
    }

    /// The objects of one kind that belong to no namespace.
    pub fn cluster_api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = ClusterResourceScope, DynamicType = ()>,
    {
        Api::all(self.client.clone())
    }

    /// For what `Api` does not cover. It passes the fence like everything else.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether what is written is only rehearsed: the call is not confirmed, or it is the
    /// rehearsal before a confirmed one.
    pub fn rehearses(&self) -> bool {
        self.call.rehearses
    }

    /// Identifies what is asked for: equal for two calls of one tool with equal arguments,
    /// confirmed or not, in the same namespace. 64 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.call.digest
    }

    /// Tells the client how far long work is, where it asked to be told. `done` is in any unit,
    /// such as seconds waited; steps that come too fast are left out.
    pub async fn progress(&self, done: f64, total: Option<f64>, message: &str) {
        self.call.progress.tell(done, total, message);
    }

    /// Whether the client asked to be told: what is only found out to be told can be left undone.
    pub fn wants_progress(&self) -> bool {
        self.call.progress.is_wanted()
    }

    pub(crate) fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// What the cluster says of itself and of this caller, for the list of tools.
    pub(crate) async fn facts(&self) -> Arc<Facts> {
        self.knowledge.facts().await
    }

    /// The same for a call, perhaps half a minute old; that the cluster is silent is told.
    pub(crate) async fn recent_facts(&self) -> Arc<Facts> {
        self.knowledge.facts_of_living(knowledge::RECENT).await
    }

    /// The same for a call that must not go by what was true a while ago.
    pub(crate) async fn present_facts(&self) -> Arc<Facts> {
        self.knowledge.facts_of_living(knowledge::FRESH).await
    }

    /// Has the next call ask whether the cluster answers at all.
    pub(crate) fn doubt(&self) {
        self.knowledge.doubt();
    }

    /// Asks for the facts before they are needed.
    pub(crate) fn learn(&self) {
        self.knowledge.refresh();
    }

    /// What is learnt of the cluster from now on.
    pub(crate) fn news(&self) -> News {
        self.knowledge.news()
    }

    /// For the server's own questions: it speaks as the caller, past no fence.
    pub(crate) fn own_client(&self) -> Client {
        self.knowledge.client.clone()
    }

    /// The version in which the cluster serves a kind of object, if it does.
    pub async fn version_of(&self, resource: crate::Resource) -> Option<String> {
        self.recent_facts().await.version_of(resource).map(str::to_owned)
    }

    /// The same caller, before whom these sets are.
    pub(crate) fn before(self, sets: &[&'static ToolSet]) -> Self {
        let mut tools: Vec<ToolDef> = sets.iter().flat_map(|set| set.tools()).copied().collect();
        tools.sort_by_key(|tool| tool.name);
        Self { sets: sets.into(), tools: tools.into(), ..self }
    }

    pub(crate) fn sets(&self) -> &[&'static ToolSet] {
        &self.sets
    }

    /// The tools of all sets, by name.
    pub(crate) fn tools(&self) -> &[ToolDef] {
        &self.tools
    }

    /// The same caller for one call of a tool: able to do only what the tool has declared, and to
    /// write only where the tool writes and the call does not rehearse.
    pub(crate) fn calling(&self, tool: &ToolDef, call: Call) -> Self {
        let rehearses = call.rehearses || !tool.effect.writes();
        let client = passage::client(&self.client, tool.needs, Arc::clone(&self.policy), rehearses);
        self.through(client, call)
    }

    pub(crate) fn through(&self, client: Client, call: Call) -> Self {
        Self { client, call: Arc::new(call), ..self.clone() }
    }
}
