//! A cluster whose parts are killed and started again.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use kubeflow_mcp as _; // Linking the crate registers every tool set.
use kubeflow_mcp_core::{ToolSet, cluster_client, local::LocalCluster};
use kubeflow_mcp_tests::{
    cluster::Cluster as Shared, namespace::Namespace, processes::Processes, relay::Relay, runtimes,
    waiting::until,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::sleep};

/// What happens in the middle of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Nothing,
    /// Our server is killed.
    Server,
    /// Connections to the API server break.
    Cut,
    /// A part of the cluster is killed, and started again.
    Part(&'static str),
}

/// The local cluster is one process, and dies as one.
const DAEMON: &str = "daemon";
const LOCAL: [Fault; 5] =
    [Fault::Nothing, Fault::Server, Fault::Cut, Fault::Part(DAEMON), Fault::Part(DAEMON)];
const REAL: [Fault; 9] = [
    Fault::Nothing,
    Fault::Server,
    Fault::Part("kube-apiserver"),
    Fault::Part("etcd"),
    Fault::Part("kube-controller-manager"),
    Fault::Part("kube-scheduler"),
    Fault::Part("jobset"),
    Fault::Part("trainer"),
    Fault::Part("kubelet"),
];

const TRAINER: &str = "trainer.kubeflow.org/v1alpha1";
const PARTS: [(&str, &str); 4] = [
    (TRAINER, "TrainJob"),
    ("jobset.x-k8s.io/v1alpha2", "JobSet"),
    ("batch/v1", "Job"),
    ("v1", "Pod"),
];

/// A cluster, or a namespace of a real one, that one run has to itself.
pub(crate) struct Cluster {
    side: Side,
    kubeconfig: PathBuf,
    client: Client,
    namespace: String,
    folder: TempDir,
}

enum Side {
    Local { relay: Relay, daemon: Mutex<Option<Daemon>> },
    Real { processes: Processes, _namespace: Namespace },
}

/// The folder of the real cluster, if the tests are to run on one.
pub(crate) fn real() -> Option<PathBuf> {
    env::var_os("KUBEFLOW_MCP_TEST_CLUSTER").map(PathBuf::from)
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (side, kubeconfig, namespace) = match real() {
            Some(real) => {
                let namespace = Shared::real().await.namespace().await;
                let (kubeconfig, name) = (namespace.kubeconfig(), namespace.name().to_owned());
                let processes = Processes::of(&real);
                (Side::Real { processes, _namespace: namespace }, kubeconfig, name)
            }
            None => {
                let relay = Relay::start().await.expect("a port on loopback");
                let daemon = Daemon::start(folder.path()).await;
                relay.lead(Some(daemon.addr));
                let config = folder.path().join("kubeconfig");
                let (own, relayed) = (daemon.addr.to_string(), relay.addr.to_string());
                fs::write(&config, daemon.kubeconfig.replace(&own, &relayed)).expect("a file");
                let daemon = Mutex::new(Some(daemon));
                (Side::Local { relay, daemon }, config, "default".to_owned())
            }
        };
        let client = cluster_client(Some(&kubeconfig), None).await.expect("a kubeconfig");
        let cluster = Self { side, kubeconfig, client, namespace, folder };
        runtimes::add_host(&cluster.client, &cluster.namespace).await;
        cluster
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.clone()
    }

    /// Where jobs may leave notes.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn faults(&self) -> Vec<Fault> {
        match &self.side {
            Side::Local { .. } => LOCAL.to_vec(),
            Side::Real { processes, .. } => {
                let there = |it: &Fault| !matches!(it, Fault::Part(name) if !processes.has(name));
                REAL.into_iter().filter(there).collect()
            }
        }
    }

    /// How long calls take here, and parts are gone: faults come within this time.
    pub(crate) fn span(&self) -> Duration {
        match self.side {
            Side::Local { .. } => Duration::from_millis(400),
            Side::Real { .. } => Duration::from_millis(1500),
        }
    }

    /// Cuts all connections to the API server, where something lies in between.
    pub(crate) fn cut(&self) {
        if let Side::Local { relay, .. } = &self.side {
            relay.cut();
        }
    }

    /// Kills a part, and starts it again after a while.
    pub(crate) async fn restart(&self, part: &str, after: Duration) {
        match &self.side {
            Side::Real { processes, .. } => {
                processes.kill(part).await;
                sleep(after).await;
                processes.start(part).await;
            }
            Side::Local { relay, daemon: current } => {
                assert_eq!(part, DAEMON);
                relay.lead(None);
                let killed = current.lock().expect("nobody panics in between").take();
                killed.expect("it runs").kill().await;
                sleep(after).await;
                let daemon = Daemon::start(self.folder.path()).await;
                relay.lead(Some(daemon.addr));
                *current.lock().expect("nobody panics in between") = Some(daemon);
            }
        }
    }

    /// The processes of a real cluster, for what cannot happen to a local one.
    #[cfg(feature = "real-cluster")]
    pub(crate) fn processes(&self) -> &Processes {
        match &self.side {
            Side::Real { processes, .. } => processes,
            Side::Local { .. } => panic!("the local cluster is one process"),
        }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(crate) fn objects(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind)
    }

    /// All objects of a training job, for whoever looks for what went wrong.
    pub(crate) async fn shown(&self) -> String {
        let mut text = String::new();
        for (api_version, kind) in PARTS.into_iter().chain([(TRAINER, "TrainingRuntime")]) {
            let listed = self.objects(api_version, kind).list(&ListParams::default()).await;
            let plain = |mut object: DynamicObject| {
                object.metadata.managed_fields = None;
                json!(object).to_string()
            };
            let lines = match listed {
                Ok(list) => list.items.into_iter().map(plain).collect(),
                Err(error) => vec![error.to_string()],
            };
            text += &format!("{kind}: {}\n", lines.join("\n  "));
        }
        text
    }

    /// How many objects there are of each kind that a training job consists of.
    pub(crate) async fn parts(&self) -> [usize; 4] {
        let mut counts = [0; 4];
        for (count, (api_version, kind)) in counts.iter_mut().zip(PARTS) {
            let found = until(kind, async || {
                let listed = self.objects(api_version, kind).list(&ListParams::default()).await;
                listed.map_err(|error| error.to_string())
            });
            *count = found.await.items.len();
        }
        counts
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Side::Local { daemon, .. } = &mut self.side
            && let Some(daemon) = daemon.get_mut().ok().and_then(Option::take)
        {
            // A runtime may not wait for another.
            daemon.runtime.shutdown_background();
        }
    }
}

/// The local cluster over its folder, on threads of its own.
struct Daemon {
    runtime: Runtime,
    addr: SocketAddr,
    kubeconfig: String,
}

impl Daemon {
    async fn start(folder: &Path) -> Self {
        let folder = folder.to_owned();
        let start = move || {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(1).enable_all().build().expect("threads");
            let supervisor = vec![env!("CARGO_BIN_EXE_supervisor").into()];
            let (cluster, listener) = runtime.block_on(async {
                let cluster = LocalCluster::in_folder(&ToolSet::linked(), &folder, supervisor);
                let cluster = cluster.expect("a cluster over its folder");
                let listener = cluster.kube().listen(&folder.join("tls")).await;
                (cluster, listener.expect("a port on loopback"))
            });
            let (addr, kubeconfig) = (listener.addr, listener.kubeconfig.clone());
            // Both go with the runtime.
            runtime.spawn(async move {
                let _both = (cluster, listener);
                std::future::pending::<()>().await;
            });
            Self { runtime, addr, kubeconfig }
        };
        tokio::task::spawn_blocking(start).await.expect("the local cluster starts")
    }

    /// As with a killed process, nothing comes to its end.
    async fn kill(self) {
        let end = || self.runtime.shutdown_timeout(Duration::from_secs(10));
        tokio::task::spawn_blocking(end).await.expect("its threads end");
    }
}
