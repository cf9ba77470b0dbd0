//! An agent whose server may be killed at any moment, and who asks until it has an answer.

use std::{path::PathBuf, time::Duration};

use kubeflow_mcp_core::client::McpClient;
use serde_json::Value;
use tokio::{
    process::Command,
    sync::{Mutex, Notify},
    time::{Instant, sleep},
};

/// Long enough for a control plane that comes back on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// What tells an agent to try again: nobody knows what became of the call.
const PASSING: [&str; 6] =
    ["unreachable", "unavailable", "timeout", "kubernetes", "webhook_unavailable", "rate_limited"];

pub(crate) struct Agent {
    kubeconfig: PathBuf,
    server: Mutex<Option<McpClient>>,
    killed: Notify,
}

impl Agent {
    pub(crate) fn new(kubeconfig: PathBuf) -> Self {
        Self { kubeconfig, server: Mutex::default(), killed: Notify::new() }
    }

    /// Kills the server, in the middle of whatever it does.
    pub(crate) fn kill_server(&self) {
        self.killed.notify_waiters();
    }

    /// What the call gives in the end: it is repeated, word for word, while what comes back leaves
    /// open what was done.
    pub(crate) async fn call(&self, tool: &str, arguments: &Value) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.once(tool, arguments).await;
            let passing = match &answer {
                None => true,
                Some(answer) => PASSING.iter().any(|it| answer["code"] == *it),
            };
            match answer {
                Some(answer) if !passing => return answer,
                other => assert!(Instant::now() < deadline, "{tool} {arguments}: {other:?}"),
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// One attempt; nothing where the server was killed meanwhile.
    pub(crate) async fn once(&self, tool: &str, arguments: &Value) -> Option<Value> {
        let mut server = self.server.lock().await;
        let killed = self.killed.notified();
        let client = match server.take() {
            Some(client) => client,
            None => self.start().await,
        };
        let arguments = arguments.as_object().expect("an object").clone();
        // Dropping the client kills the server with it.
        tokio::select! {
            reply = client.call(tool, arguments, |_| {}) => {
                let reply = reply.expect("an answer in the protocol");
                let value = reply.value;
                *server = Some(client);
                Some(value)
            }
            () = killed => None,
        }
    }

    async fn start(&self) -> McpClient {
        let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
        command
            .args(["serve", "--persona", "platform-admin", "--kubeconfig"])
            .arg(&self.kubeconfig)
            .stderr(std::process::Stdio::null());
        McpClient::start(&mut command).await.expect("a server")
    }
}
