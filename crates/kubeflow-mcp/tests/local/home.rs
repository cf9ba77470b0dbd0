//! A local cluster in a folder of its own, and the processes around it.

use std::{
    path::PathBuf,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tempfile::TempDir;

/// A local cluster's folder. What runs in it ends with the value.
pub(crate) struct Home(pub(crate) TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("cluster")
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubeflow-mcp"));
        command
            .args(words)
            .env("KUBEFLOW_MCP_LOCAL_DIR", self.path())
            .env("KUBEFLOW_MCP_LOG", "warn")
            .env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    pub(crate) fn start(&self) -> u32 {
        let output = self.run(&["local", "start"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        process(&output)
    }

    /// The process that serves the cluster, if one does.
    pub(crate) fn serving(&self) -> Option<u32> {
        let output = self.run(&["local", "status"]);
        match output.status.code() {
            Some(0) => Some(process(&output)),
            Some(3) => None,
            _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
        }
    }

    pub(crate) async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(self.path().join("kubeconfig")).unwrap();
        let options = KubeConfigOptions::default();
        Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap().try_into().unwrap()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let output = self.run(&["local", "delete", "--yes"]);
        if !thread::panicking() {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

/// The only number in the text.
pub(crate) fn process(output: &Output) -> u32 {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|it| it.contains("process")).unwrap();
    line.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn lives(pid: u32) -> bool {
    Command::new("kill").args(["-0", &pid.to_string()]).output().unwrap().status.success()
}

pub(crate) fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap().success());
}
