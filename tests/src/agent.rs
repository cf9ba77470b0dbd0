//! The production server over a cluster, and a real MCP client at the other end of a pipe.

use kube::Client;
use kubeflow_mcp_core::{Caller, Policy, Server, ToolSet};
use rmcp::{
    RoleClient, ServiceExt as _,
    model::{CallToolRequestParams, CallToolResult, ProtocolVersion},
    service::{ClientLifecycleMode, ClientServiceExt as _, RunningService},
};
use serde_json::Value;

/// The two ways in which clients begin.
#[derive(Clone, Copy, Debug)]
pub enum Era {
    /// `initialize`, and a session.
    Legacy,
    /// Everything on each request, since 2026-07-28.
    Modern,
}

/// An agent, who is offered what its caller may use.
pub struct Agent {
    client: RunningService<RoleClient, ()>,
}

impl Agent {
    /// An agent with every linked tool set, for whoever `client` speaks as.
    pub async fn new(client: Client, policy: Policy) -> Self {
        let sets = ToolSet::linked();
        let server = Server::new(Caller::new(client, policy), &sets);
        Self { client: connect(server, Era::Modern).await }
    }

    /// The names of the tools that it is offered.
    pub async fn tools(&self) -> Vec<String> {
        let tools = self.client.list_all_tools().await.expect("a list of tools");
        tools.into_iter().map(|it| it.name.into_owned()).collect()
    }

    /// What a call gives: its structured content, or code, message and hint.
    pub async fn call(&self, tool: &str, arguments: Value) -> Value {
        let mut call = CallToolRequestParams::new(tool.to_owned());
        call.arguments = arguments.as_object().cloned();
        let answer = self.client.call_tool(call).await;
        let answer = answer.unwrap_or_else(|error| panic!("{tool} {arguments}: {error}"));
        let told = text(&answer);
        answer.structured_content.unwrap_or_else(|| {
            serde_json::from_str(&told).unwrap_or_else(|_| panic!("{tool} tells {told:?}"))
        })
    }
}

/// A client of the server, over a pipe in the process.
pub async fn connect(server: Server, era: Era) -> RunningService<RoleClient, ()> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        let serving = server.serve(theirs).await.expect("a server");
        serving.waiting().await
    });
    let lifecycle = match era {
        Era::Legacy => ClientLifecycleMode::Initialize,
        Era::Modern => ClientLifecycleMode::Discover {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        },
    };
    ().serve_with_lifecycle(ours, lifecycle).await.expect("a client")
}

/// What an agent reads.
pub fn text(answer: &CallToolResult) -> String {
    answer.content.iter().filter_map(|it| Some(it.as_text()?.text.clone())).collect()
}
