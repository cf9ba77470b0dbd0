//! What the README tells people to type and to configure, done as it stands there.
#![cfg(all(feature = "local", feature = "trainer"))]
#![expect(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{path::Path, process::Command, sync::LazyLock, thread};

use kubeflow_mcp_core::client::McpClient;
use serde_json::Value;
use tempfile::TempDir;

const README: &str = include_str!("../../../README.md");
/// A script that its reader may have.
const TRAIN: &str = "print('accuracy=0.75')\n";

/// A reader with the binary on the PATH, a script, and a local cluster that ends with the value.
struct Reader(TempDir);

impl Reader {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("train.py"), TRAIN).unwrap();
        Self(folder)
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        let own = Path::new(env!("CARGO_BIN_EXE_kubeflow-mcp")).parent().unwrap();
        let inherited = std::env::var_os("PATH").unwrap();
        let path = [own.to_owned()].into_iter().chain(std::env::split_paths(&inherited));
        command
            .current_dir(self.0.path())
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("KUBEFLOW_MCP_LOCAL_DIR", self.0.path().join("cluster"))
            .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        command
    }

    /// What the lines of a shell print, none of which may fail.
    fn types(&self, lines: &str) -> String {
        let output = self.command("sh").args(["-euc", lines]).output().unwrap();
        let (said, complaint) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{lines}\n{said}\n{complaint}");
        said
    }

    /// The names of the tools that an agent is offered which starts its server with these words.
    async fn offered(&self, words: &[&str]) -> Vec<String> {
        let [program, arguments @ ..] = words else { panic!("nothing to start") };
        let mut command = tokio::process::Command::from(self.command(program));
        // A reader's cluster: here the local one, by its kubeconfig.
        command.env("KUBECONFIG", self.0.path().join("cluster/kubeconfig"));
        let client = McpClient::start(command.args(arguments)).await.unwrap();
        let tools = client.tools().await.unwrap().into_iter().map(|it| it.name).collect();
        client.close().await.unwrap();
        tools
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let output = self.command("kubeflow-mcp").args(["local", "delete", "--yes"]).output();
        if !thread::panicking() {
            assert!(output.unwrap().status.success());
        }
    }
}

/// The README's code blocks in one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let opened = README.split("```").skip(1).step_by(2);
    opened.filter_map(|it| it.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// The only block with this text.
fn block(language: &str, part: &str) -> &'static str {
    let found: Vec<_> = blocks(language).into_iter().filter(|it| it.contains(part)).collect();
    assert_eq!(found.len(), 1, "blocks with {part:?}");
    found[0]
}

/// The programs that agents are told to start, each with its arguments.
static SERVERS: LazyLock<Vec<Vec<&'static str>>> = LazyLock::new(|| {
    let mut servers = Vec::new();
    for block in blocks("json") {
        let configuration: Value = serde_json::from_str(block).unwrap();
        // Cursor and VS Code differ in the name.
        let named = configuration.get("mcpServers").or(configuration.get("servers")).unwrap();
        let server = &named["kubeflow"];
        let arguments = server["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
        let program = server["command"].as_str().unwrap();
        let words: Vec<String> =
            [program].into_iter().chain(arguments).map(str::to_owned).collect();
        servers.push(words.into_iter().map(|it| &*it.leak()).collect());
    }
    for line in block("sh", "claude mcp add").lines() {
        let line = line.split('#').next().unwrap();
        let words = line.strip_prefix("claude mcp add kubeflow -- ").unwrap();
        servers.push(words.split_whitespace().collect());
    }
    servers
});

#[tokio::test]
async fn every_configuration_starts_a_server_that_can_train() {
    let reader = Reader::new();
    reader.types("kubeflow-mcp local start");
    assert_eq!(SERVERS.len(), 4, "{SERVERS:?}");
    for words in SERVERS.iter() {
        let offered = reader.offered(words).await;
        assert!(offered.iter().any(|it| it == "run_custom_training"), "{words:?}: {offered:?}");
        assert!(offered.iter().any(|it| it == "delete_training_job"), "{words:?}: {offered:?}");
    }
}

#[tokio::test]
async fn on_a_cluster_the_persona_is_readonly_unless_another_is_named() {
    let reader = Reader::new();
    reader.types("kubeflow-mcp local start");
    let kubeconfig = reader.0.path().join("cluster/kubeconfig");
    let kubeconfig = kubeconfig.to_str().unwrap();
    let serve = ["kubeflow-mcp", "serve", "--kubeconfig", kubeconfig, "--namespace", "default"];
    let offered = reader.offered(&serve).await;
    assert!(offered.iter().any(|it| it == "list_training_jobs"), "{offered:?}");
    assert!(!offered.iter().any(|it| it == "run_custom_training"), "{offered:?}");

    let (_, after) = README.split_once("unless you name another:").unwrap();
    let (personas, _) = after.split_once(", each with").unwrap();
    let personas: Vec<&str> = personas.split('`').skip(1).step_by(2).collect();
    assert_eq!(personas.len(), 4, "{personas:?}");
    let mut before = Vec::new();
    for persona in personas {
        let offered = reader.offered(&[&serve[..], &["--persona", persona]].concat()).await;
        assert!(before.iter().all(|it| offered.contains(it)), "{persona}: {offered:?}");
        before = offered;
    }
}

#[test]
fn the_shell_examples_work_as_they_stand() {
    let reader = Reader::new();
    let said = reader.types(block("sh", "kubeflow-mcp call"));
    for part in ["get_training_logs", "first"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let waits = "kubeflow-mcp call wait_for_training --local name=first";
    let said =
        reader.types(&format!("{waits}; kubeflow-mcp call get_training_logs --local name=first"));
    assert!(said.contains("accuracy=0.75"), "{said}");
}

#[tokio::test]
async fn the_table_names_every_tool() {
    let reader = Reader::new();
    let (_, section) = README.split_once("\n## The tools\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let table = section.lines().filter(|it| it.starts_with('|'));
    let mut listed: Vec<&str> = table.flat_map(|it| it.split('`').skip(1).step_by(2)).collect();
    listed.sort_unstable();
    let offered =
        reader.offered(&["kubeflow-mcp", "serve", "--local", "--persona", "platform-admin"]).await;
    assert_eq!(listed, offered);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
