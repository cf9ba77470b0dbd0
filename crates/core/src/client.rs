//! An MCP client, as far as our own commands need one: it starts a server, lists its tools and
//! calls them.

use std::process::Stdio;

use anyhow::{Context as _, bail};
use rmcp::{
    ClientHandler, RoleClient, ServiceExt as _,
    model::{CallToolRequestParams, JsonObject, ProgressNotificationParam},
    service::{NotificationContext, RunningService},
};
use serde_json::Value;
use tokio::{
    process::{Child, Command},
    sync::{Mutex, mpsc},
};

use crate::Step;

/// A client of a server that is our child, and ends with us.
pub struct McpClient {
    service: RunningService<RoleClient, Listener>,
    steps: Mutex<mpsc::UnboundedReceiver<Step>>,
    server: Child,
}

/// A tool as its server describes it.
#[derive(Clone, Debug)]
pub struct OfferedTool {
    pub name: String,
    pub title: String,
}

/// What a tool answered.
#[derive(Clone, Debug)]
pub struct Reply {
    /// What an agent reads.
    pub text: String,
    /// The same with its structure; code, message and hint where the tool failed.
    pub value: Value,
    pub failed: bool,
}

impl McpClient {
    /// Starts a server that speaks the protocol on its standard input and output.
    pub async fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut server = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("could not start the server")?;
        let (Some(input), Some(output)) = (server.stdin.take(), server.stdout.take()) else {
            bail!("the server has no standard input or output");
        };
        let (told, steps) = mpsc::unbounded_channel();
        let service =
            Listener { told }.serve((output, input)).await.context("the server does not answer")?;
        Ok(Self { service, steps: Mutex::new(steps), server })
    }

    pub async fn tools(&self) -> anyhow::Result<Vec<OfferedTool>> {
        let tools = self.service.list_all_tools().await?.into_iter();
        Ok(tools
            .map(|tool| OfferedTool {
                title: tool.title.unwrap_or_default(),
                name: tool.name.into_owned(),
            })
            .collect())
    }

    /// Calls a tool, and hands on each step that it reports while it works.
    pub async fn call(
        &self,
        name: &str,
        arguments: JsonObject,
        mut on_step: impl FnMut(Step),
    ) -> anyhow::Result<Reply> {
        // One call at a time: a step does not say to us whose it is.
        let mut steps = self.steps.lock().await;
        let request = CallToolRequestParams::new(name.to_owned()).with_arguments(arguments);
        let mut call = Box::pin(self.service.call_tool(request));
        let result = loop {
            tokio::select! {
                biased;
                Some(step) = steps.recv() => on_step(step),
                result = &mut call => break result.with_context(|| format!("{name} failed"))?,
            }
        };
        let texts = result.content.iter().filter_map(|it| Some(it.as_text()?.text.as_str()));
        let text = texts.collect::<Vec<_>>().join("\n");
        let value = result.structured_content;
        let value = value.or_else(|| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
        Ok(Reply { text, value, failed: result.is_error == Some(true) })
    }

    /// Hangs up, and waits until the server has ended.
    pub async fn close(self) -> anyhow::Result<()> {
        let Self { service, mut server, .. } = self;
        service.cancel().await?;
        server.wait().await?;
        Ok(())
    }
}

/// Hears what the server tells beside its answers.
struct Listener {
    told: mpsc::UnboundedSender<Step>,
}

impl ClientHandler for Listener {
    async fn on_progress(
        &self,
        step: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let message = step.message.unwrap_or_default();
        // Nobody waits for steps any more when the client is gone.
        let _ = self.told.send(Step { done: step.progress, total: step.total, message });
    }
}
