//! A served cluster for one test, and kubectl on it.

use std::{path::PathBuf, process::Stdio, time::Duration};

use local_kube::{LocalKube, Options, http::Listener};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinSet,
};

/// Longer than anything a test waits for should take, on a machine with much else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A served cluster with its controllers, and kubectl on it.
pub(crate) struct Shell {
    dir: tempfile::TempDir,
    _listener: Listener,
    kube: LocalKube,
    tasks: JoinSet<()>,
}

impl Shell {
    pub(crate) async fn new() -> Self {
        let crd = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced",
                "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "shortNames": ["wd"]},
                "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                    "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                        "spec": {"type": "object", "properties": {"size": {"type": "integer"}}},
                        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}});
        let crds = vec![serde_json::from_value(crd).unwrap()];
        let dir = tempfile::tempdir().unwrap();
        let pods = Some(dir.path().join("kubelet"));
        let kube = LocalKube::open(Options { crds, pods, ..Options::default() }).unwrap();
        let listener = kube.listen(dir.path()).await.unwrap();
        std::fs::write(dir.path().join("kubeconfig"), &listener.kubeconfig).unwrap();
        let mut tasks = JoinSet::new();
        let running = kube.clone();
        tasks.spawn(async move { running.run().await });
        Self { dir, _listener: listener, kube, tasks }
    }

    /// With a machine that runs Pods.
    #[cfg(unix)]
    pub(crate) async fn with_machine() -> Self {
        let mut shell = Self::new().await;
        let supervisor = vec![env!("CARGO_BIN_EXE_local-kube-supervisor").into()];
        let pods = shell.dir.path().join("kubelet");
        let mut options = local_kube::kubelet::Options::new("machine", pods, supervisor);
        options.environments = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("environments");
        let client = shell.kube.client();
        shell.tasks.spawn(async move { local_kube::kubelet::run(client, options).await.unwrap() });
        shell
    }

    fn kubectl(&self, words: &str) -> Command {
        let program = std::env::var_os("KUBECTL").expect("KUBECTL names the kubectl to test with");
        let mut kubectl = Command::new(PathBuf::from(program));
        kubectl.args(words.split(' ')).env("HOME", self.dir.path());
        kubectl.env("KUBECONFIG", self.dir.path().join("kubeconfig"));
        kubectl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        kubectl.kill_on_drop(true);
        kubectl
    }

    /// Runs kubectl with these words and this input; whether it succeeded, and all it said.
    pub(crate) async fn run(&self, words: &str, input: &Value) -> (bool, String) {
        let mut kubectl = self.kubectl(words);
        let mut kubectl = kubectl.spawn().unwrap();
        let mut stdin = kubectl.stdin.take().unwrap();
        // Commands that read nothing may have closed their input already.
        let _ = stdin.write_all(input.to_string().as_bytes()).await;
        drop(stdin);
        let output = tokio::time::timeout(PATIENCE, kubectl.wait_with_output());
        let output = output.await.expect("kubectl ends").unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    pub(crate) async fn says(&self, words: &str, input: Value, expected: &[&str]) {
        let (good, said) = self.run(words, &input).await;
        assert!(good, "kubectl {words}: {said}");
        for part in expected {
            assert!(said.contains(part), "kubectl {words}: no {part:?} in {said}");
        }
    }

    pub(crate) async fn refuses(&self, words: &str, input: Value, expected: &str) {
        let (good, said) = self.run(words, &input).await;
        assert!(!good && said.contains(expected), "kubectl {words}: {said}");
    }

    /// Starts kubectl and leaves it running; the lines that it says.
    pub(crate) fn starts(&self, words: &str) -> Saying {
        let mut kubectl = self.kubectl(words).stdin(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(kubectl.stdout.take().unwrap()).lines();
        Saying { lines, kubectl }
    }
}

/// A kubectl that runs on.
pub(crate) struct Saying {
    lines: Lines<BufReader<ChildStdout>>,
    kubectl: Child,
}

impl Saying {
    /// Waits for a line that contains the text.
    pub(crate) async fn says(&mut self, part: &str) {
        let mut before = Vec::new();
        let said = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                if line.contains(part) {
                    return true;
                }
                before.push(line);
            }
            false
        };
        let said = tokio::time::timeout(PATIENCE, said).await;
        assert!(matches!(said, Ok(true)), "no line with {part:?} after {before:?}");
    }

    /// Waits for its end; whether it succeeded.
    pub(crate) async fn ends(mut self) -> bool {
        let end = tokio::time::timeout(PATIENCE, self.kubectl.wait());
        end.await.expect("kubectl ends").unwrap().success()
    }
}
