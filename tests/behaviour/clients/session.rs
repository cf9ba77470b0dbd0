//! Sessions of a shell, each a file: commands after `$ `, their further lines after `> `, and below
//! what they print. `UPDATE_EXPECT=1` on the real cluster writes the files anew.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use expect_test::expect_file;
use kubeflow_mcp_tests::{cluster::Cluster, namespace::Namespace};
use tempfile::TempDir;
use tokio::process::Command;

use super::normal::Normal;

/// Longer than any command should take, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(150);

/// Runs the commands of `tests/clients/NAME.console` one after the other in a namespace of their
/// own, and compares what they print.
pub(super) async fn replay(name: &str) {
    let cluster = Cluster::under_test().await;
    assert!(
        cluster.is_real() || env::var_os("UPDATE_EXPECT").is_none(),
        "sessions tell what the real cluster prints: name one in KUBEFLOW_MCP_TEST_CLUSTER"
    );
    let shell = Shell::new(cluster.namespace().await);
    let file = clients().join(format!("{name}.console"));
    let session = std::fs::read_to_string(&file).expect("a file of commands");
    let mut transcript = String::new();
    for command in commands(&session) {
        transcript += &command;
        transcript += &shell.prints(&command).await;
    }
    expect_file![file].assert_eq(&transcript);
}

/// The folder of the sessions and of what they run.
pub(super) fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

/// Where the program is that the environment names.
fn folder_of(variable: &str) -> PathBuf {
    let program = env::var_os(variable).unwrap_or_else(|| panic!("{variable} names no program"));
    Path::new(&program).parent().expect("a program stands in a folder").to_owned()
}

/// The commands of a session, as they stand there.
fn commands(session: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    for line in session.lines().map(|line| format!("{line}\n")) {
        if line.starts_with("$ ") {
            commands.push(line);
        } else if line.starts_with('>')
            && let Some(command) = commands.last_mut()
        {
            command.push_str(&line);
        }
    }
    commands
}

/// A shell in a folder of its own, for whom the namespace is the default one.
struct Shell {
    namespace: Namespace,
    normal: Normal,
    folder: TempDir,
}

impl Shell {
    fn new(namespace: Namespace) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let normal = Normal::of(&namespace, folder.path());
        Self { namespace, normal, folder }
    }

    /// What a command prints on both its outputs, and with what code it fails.
    async fn prints(&self, command: &str) -> String {
        let lines: Vec<&str> = command.lines().map(|line| line.get(2..).unwrap_or("")).collect();
        let folder = self.folder.path();
        let path = env::var_os("PATH").unwrap_or_default();
        let paths = ["KUBECTL", "PYTHON"].map(folder_of).into_iter().chain(env::split_paths(&path));
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("exec 2>&1\n{}", lines.join("\n"))])
            .current_dir(folder)
            .env("PATH", env::join_paths(paths).expect("paths"))
            .env("HOME", folder)
            .env("TMPDIR", folder)
            .env("KUBECONFIG", self.namespace.kubeconfig())
            .env("NAMESPACE", self.namespace.name())
            .env("CLIENTS", clients())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let ended = tokio::time::timeout(PATIENCE, shell.output()).await;
        let Output { stdout, status, .. } =
            ended.unwrap_or_else(|_| panic!("no end of {command}")).expect("sh starts");
        let mut printed = self.normal.text(&String::from_utf8_lossy(&stdout));
        if !printed.is_empty() && !printed.ends_with('\n') {
            printed.push('\n');
        }
        match status.code() {
            Some(0) => printed,
            code => printed + &format!("[{}]\n", code.unwrap_or(-1)),
        }
    }
}
