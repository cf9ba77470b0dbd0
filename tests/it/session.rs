//! A cluster in the process, the production server over it, and a real MCP client over a pipe.

use kube::Client;
use kubeflow_mcp_core::{Caller, Persona, Policy, Server, ToolSet, local::LocalCluster};
pub(crate) use kubeflow_mcp_tests::agent::{Era, connect, text};
use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, CallToolResult},
    service::RunningService,
};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

/// An agent with a cluster of its own.
pub(crate) struct Session {
    pub(crate) client: RunningService<RoleClient, ()>,
    cluster: LocalCluster,
    _folder: Option<TempDir>,
}

impl Session {
    /// With every linked tool set, and Pods that run.
    pub(crate) async fn new() -> Self {
        Self::of(&ToolSet::linked(), Policy::of(Persona::PlatformAdmin), Era::Modern).await
    }

    pub(crate) async fn of(sets: &[&'static ToolSet], policy: Policy, era: Era) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let supervisor = vec![env!("CARGO_BIN_EXE_supervisor").into()];
        let cluster = LocalCluster::in_memory_with_pods(sets, folder.path(), supervisor).unwrap();
        let server = Server::new(Caller::new(cluster.client(), policy), sets);
        Self { client: connect(server, era).await, cluster, _folder: Some(folder) }
    }

    /// With Pods that nothing runs, and a server whose requests go `through` what the test lays
    /// before the cluster.
    pub(crate) async fn through(
        sets: &[&'static ToolSet],
        through: impl FnOnce(Client) -> Client,
    ) -> Self {
        let cluster = LocalCluster::in_memory(sets).unwrap();
        let client = through(cluster.client());
        let policy = Policy::of(Persona::PlatformAdmin);
        let server = Server::new(Caller::new(client, policy), sets);
        Self { client: connect(server, Era::Modern).await, cluster, _folder: None }
    }

    /// The cluster's administrator, past all tools.
    pub(crate) fn kube(&self) -> Client {
        self.cluster.client()
    }

    pub(crate) async fn answer(&self, tool: &str, arguments: Value) -> CallToolResult {
        let mut call = CallToolRequestParams::new(tool.to_owned());
        call.arguments = arguments.as_object().cloned();
        self.client.call_tool(call).await.unwrap_or_else(|error| panic!("{tool}: {error}"))
    }

    /// What a call gives, which must not be an error.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.answer(tool, arguments.clone()).await;
        assert_ne!(answer.is_error, Some(true), "{tool} {arguments}: {}", text(&answer));
        answer.structured_content.unwrap_or_else(|| panic!("{tool} gives no structured content"))
    }

    /// The code, message and hint of a call that must be an error.
    pub(crate) async fn error(&self, tool: &str, arguments: Value) -> Value {
        let answer = self.answer(tool, arguments.clone()).await;
        assert_eq!(answer.is_error, Some(true), "{tool} {arguments}: {}", text(&answer));
        assert!(answer.structured_content.is_none(), "{tool}: an error does not fit the schema");
        serde_json::from_str(&text(&answer)).unwrap()
    }
}
