//! The cluster under test: the local one in this process, or a real one that somebody brought up.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
};

use kube::{Client, config::Kubeconfig};
use kubeflow_mcp_core::{ToolSet, cluster_client, local::LocalCluster};
use local_kube::http::Listener;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::namespace::Namespace;

/// Names the folder of a real cluster, with its kubeconfig.
const REAL: &str = "KUBEFLOW_MCP_TEST_CLUSTER";

/// What lives longer than a test: the local cluster, and the removal of namespaces.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(2).enable_all().build().expect("threads")
});

/// A cluster, and its administrator.
#[derive(Clone)]
pub struct Cluster {
    kubeconfig: PathBuf,
    admin: Client,
    local: Option<Arc<LocalSide>>,
}

/// Whether the tests run on a real cluster.
pub fn names_a_real_one() -> bool {
    env::var_os(REAL).is_some()
}

/// The local cluster of this process, which all tests that run at the same time share.
struct LocalSide {
    _cluster: LocalCluster,
    _listener: Listener,
    folder: TempDir,
}

impl Cluster {
    /// The real cluster that the environment names, else the local one.
    pub async fn under_test() -> Self {
        if names_a_real_one() { Self::real().await } else { Self::local().await }
    }

    /// The real cluster whose folder `KUBEFLOW_MCP_TEST_CLUSTER` names.
    pub async fn real() -> Self {
        let folder = env::var_os(REAL).unwrap_or_else(|| panic!("{REAL} names no folder"));
        Self::at(Path::new(&folder).join("kubeconfig"), None).await
    }

    /// The local cluster, with every linked tool set, Pods that run, and TLS before it.
    pub async fn local() -> Self {
        let local = LocalSide::shared();
        Self::at(local.folder.path().join("kubeconfig"), Some(local)).await
    }

    async fn at(kubeconfig: PathBuf, local: Option<Arc<LocalSide>>) -> Self {
        let admin = cluster_client(Some(&kubeconfig), None).await.expect("a kubeconfig");
        Self { kubeconfig, admin, local }
    }

    pub fn is_real(&self) -> bool {
        self.local.is_none()
    }

    /// The administrator's kubeconfig, for any client.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    pub fn admin(&self) -> Client {
        self.admin.clone()
    }

    /// A client of whoever has this name and these groups, and the rights that RBAC grants them.
    pub async fn acting_as(&self, user: &str, groups: &[&str]) -> Client {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("kubeconfig");
        self.write_kubeconfig(&file, None, Some((user, groups)));
        cluster_client(Some(&file), None).await.expect("a kubeconfig")
    }

    /// A namespace that nobody else uses, gone with the value.
    pub async fn namespace(&self) -> Namespace {
        Namespace::create(self).await
    }

    /// Writes a kubeconfig with another default namespace, or for another user.
    pub(crate) fn write_kubeconfig(
        &self,
        file: &Path,
        namespace: Option<&str>,
        user: Option<(&str, &[&str])>,
    ) {
        let mut config = Kubeconfig::read_from(&self.kubeconfig).expect("a kubeconfig");
        for context in config.contexts.iter_mut().filter_map(|it| it.context.as_mut()) {
            context.namespace = namespace.map(str::to_owned);
        }
        if let Some((user, groups)) = user {
            for auth in config.auth_infos.iter_mut().filter_map(|it| it.auth_info.as_mut()) {
                auth.impersonate = Some(user.to_owned());
                auth.impersonate_groups = Some(groups.iter().map(|it| (*it).to_owned()).collect());
            }
        }
        let text = serde_json::to_string(&config).expect("a kubeconfig is JSON");
        fs::write(file, text).expect("a file in a folder of ours");
    }
}

impl LocalSide {
    /// The one that lives, or a new one: it ends with the last test that uses it.
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<LocalSide>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(side) = shared.upgrade() {
            return side;
        }
        let side = Arc::new(Self::start());
        *shared = Arc::downgrade(&side);
        side
    }

    fn start() -> Self {
        // On threads of its own: a test's runtime ends with the test.
        let start = || {
            RUNTIME.block_on(async {
                let folder = tempfile::tempdir().expect("a folder");
                let sets = ToolSet::linked();
                let pods = folder.path().join("pods");
                fs::create_dir(&pods).expect("a folder for Pods");
                let cluster = LocalCluster::in_memory_with_pods(&sets, &pods, vec![supervisor()])
                    .expect("a cluster in memory and a folder of its own");
                let listener = cluster.kube().listen(&folder.path().join("tls")).await;
                let listener = listener.expect("a port on loopback");
                fs::write(folder.path().join("kubeconfig"), &listener.kubeconfig)
                    .expect("a file in a folder of ours");
                Self { _cluster: cluster, _listener: listener, folder }
            })
        };
        std::thread::scope(|scope| scope.spawn(start).join().expect("the local cluster starts"))
    }
}

/// The program beside the tests that watches over Pods, wherever cargo has put both.
fn supervisor() -> std::ffi::OsString {
    let tests = env::current_exe().expect("this program has a place");
    let target = tests.parent().and_then(Path::parent).expect("cargo puts tests in deps/");
    target.join("supervisor").into()
}
