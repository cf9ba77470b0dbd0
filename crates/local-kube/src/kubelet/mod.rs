//! The kubelet: runs the Pods that are bound to its Node as processes of the user. It needs nothing but a client.

mod adoption;
#[cfg(feature = "kubelet-program")]
mod authorization;
mod claims;
mod container;
mod environment;
mod expansion;
mod fields;
mod folder;
mod launch;
mod layer;
mod log_entries;
mod log_query;
mod log_writer;
mod logs;
mod node;
mod peers;
mod ports;
mod prepare;
mod process_tree;
mod python;
mod run;
#[cfg(feature = "kubelet-program")]
mod server;
mod status;
mod supervisor;
mod variables;
mod volumes;
mod worker;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::api::resource::Quantity};
use kube::{
    Api, Client, Config, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep},
};

#[cfg(feature = "kubelet-program")]
pub use self::server::{ServeError, Serving};
use self::{container::Backoff, environment::Environments};
pub use self::{log_query::LogQuery, logs::read as read_log, supervisor::supervise};
use crate::{
    HOST_PYTHON,
    events::{Recorder, Source},
    watched::Watched,
};

/// How long a process that was killed may take to end.
const LAST_BREATH: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
pub struct Options {
    /// The name of the Node that this machine becomes.
    pub node: String,
    /// Where everything is kept that Pods need; readable by the user alone.
    pub dir: PathBuf,
    /// Where the virtual environments are kept that Pods share; other kubelets may share them, too.
    pub environments: PathBuf,
    /// The program that [`supervise`] is the main of, with its first arguments.
    pub supervisor: Vec<OsString>,
    /// The images that stand for this machine. No other can run.
    pub host_images: Vec<String>,
    /// The wait before a container is started a third time; it doubles from there.
    pub first_backoff: Duration,
    pub longest_backoff: Duration,
    /// How often the volumes of what runs are brought up to date: tokens expire, ConfigMaps change.
    pub refresh: Duration,
    /// Whether claims that nothing has bound are bound to folders here, as a provisioner would.
    pub provision: bool,
    /// Bytes after which a log is begun anew; the part before it is kept once.
    pub log_limit: u64,
    /// The kubelet's own API, if an API server is to reach it.
    #[cfg(feature = "kubelet-program")]
    pub serving: Option<Serving>,
}

impl Options {
    pub fn new(node: impl Into<String>, dir: PathBuf, supervisor: Vec<OsString>) -> Self {
        Self {
            node: node.into(),
            environments: dir.join("environments"),
            dir,
            supervisor,
            host_images: vec![HOST_PYTHON.to_owned()],
            first_backoff: Duration::from_secs(10),
            longest_backoff: Duration::from_secs(300),
            // Tokens are good for ten minutes at least.
            refresh: Duration::from_secs(300),
            provision: true,
            log_limit: 10 * 1024 * 1024,
            #[cfg(feature = "kubelet-program")]
            serving: None,
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff { first: self.first_backoff, longest: self.longest_backoff }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the kubelet's folder {0:?} cannot be used: {1}")]
    Folder(PathBuf, #[source] io::Error),
    #[error("the kubelet's folder {0:?} is in use by another kubelet")]
    InUse(PathBuf),
    #[error("the node cannot be registered: {0}")]
    Register(#[source] Box<kube::Error>),
    #[cfg(feature = "kubelet-program")]
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Why a cluster may not run Pods on this machine.
#[derive(Debug, thiserror::Error)]
#[error(
    "the API server {0:?} is not on this machine, and a kubelet runs what it says as processes of the user"
)]
pub struct NotLoopback(String);

/// Whoever makes a kubelet's client from a configuration asks this first.
pub fn check_loopback(config: &Config) -> Result<(), NotLoopback> {
    let host = config.cluster_url.host().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    if host == "localhost" || address.is_ok_and(|address| address.is_loopback()) {
        Ok(())
    } else {
        Err(NotLoopback(config.cluster_url.to_string()))
    }
}

/// What all Pods' workers share.
struct Kubelet {
    client: Client,
    options: Options,
    environments: Arc<Environments>,
    recorder: Recorder,
    allocatable: BTreeMap<String, Quantity>,
}

/// Runs Pods until dropped; their processes live on, and the next kubelet on the same folder takes them over.
pub async fn run(client: Client, options: Options) -> Result<(), Error> {
    let _lock = folder_of_its_own(&options.dir).await?;
    let allocatable = node::allocatable(&options.dir);
    let source = Source { component: "kubelet", host: Some(options.node.clone()), action: None };
    let recorder = Recorder::new(client.clone(), source);
    #[cfg(feature = "kubelet-program")]
    let server = match &options.serving {
        Some(serving) => Some(server::Server::start(serving, &client, &options).await?),
        None => None,
    };
    let node = node::Node {
        client: client.clone(),
        name: options.node.clone(),
        allocatable: allocatable.clone(),
        #[cfg(feature = "kubelet-program")]
        port: server.as_ref().map(|server| server.port),
        #[cfg(not(feature = "kubelet-program"))]
        port: None,
        recorder: recorder.clone(),
    };
    node.register().await.map_err(|error| Error::Register(Box::new(error)))?;

    let mut tasks = JoinSet::new();
    tasks.spawn(node.keep_alive());
    tasks.spawn(claims::collect(client.clone(), options.dir.clone()));
    let mut pods = Pods {
        kubelet: Arc::new(Kubelet {
            environments: Environments::new(options.environments.clone()),
            recorder,
            client: client.clone(),
            options,
            allocatable,
        }),
        workers: HashMap::new(),
        unlisted: HashSet::new(),
        tasks: JoinSet::new(),
    };
    let bound = format!("spec.nodeName={}", pods.kubelet.options.node);
    let bound = watcher::Config::default().fields(&bound);
    let mut changes = Box::pin(watcher(Api::<Watched<Pod>>::all(client), bound).default_backoff());
    loop {
        tokio::select! {
            change = changes.next() => match change {
                Some(Ok(change)) => pods.take(change),
                Some(Err(error)) => tracing::warn!(%error, "Pods cannot be watched"),
                None => return Ok(()),
            },
            Some(ended) = pods.tasks.join_next() => match ended {
                Ok(uid) => drop(pods.workers.remove(&uid)),
                Err(error) => tracing::error!(%error, "a Pod's worker has failed"),
            },
        }
    }
}

/// Ends everything that still runs of a folder's Pods, and removes the Pods' folders.
pub async fn clear(dir: &Path) -> Result<(), Error> {
    let _lock = folder_of_its_own(dir).await?;
    let pods = folder::names(&folder::pods(dir));
    futures::future::join_all(pods.iter().map(|uid| adoption::clear(dir, uid))).await;
    Ok(())
}

/// The folder's lock. A kubelet that was killed a moment ago may still hold it: its process is
/// not over before all of its files are closed.
async fn folder_of_its_own(dir: &Path) -> Result<File, Error> {
    let failed = |error| Error::Folder(dir.to_owned(), error);
    for folder in [folder::pods(dir), folder::claims(dir)] {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    }
    let lock = File::create(dir.join("kubelet.lock")).map_err(failed)?;
    let deadline = Instant::now() + LAST_BREATH;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(fs::TryLockError::Error(error)) => return Err(failed(error)),
            Err(fs::TryLockError::WouldBlock) if Instant::now() > deadline => {
                return Err(Error::InUse(dir.to_owned()));
            }
            Err(fs::TryLockError::WouldBlock) => sleep(Duration::from_millis(10)).await,
        }
    }
}

struct Pods {
    kubelet: Arc<Kubelet>,
    /// By the Pod's uid. A worker is told of a Pod that is gone by `None`.
    workers: HashMap<String, watch::Sender<Option<Arc<Pod>>>>,
    /// Known before a new list, and not seen in it yet.
    unlisted: HashSet<String>,
    tasks: JoinSet<String>,
}

impl Pods {
    fn take(&mut self, change: watcher::Event<Watched<Pod>>) {
        match change {
            watcher::Event::Init => {
                self.unlisted = folder::names(&folder::pods(&self.kubelet.options.dir));
                self.unlisted.extend(self.workers.keys().cloned());
            }
            watcher::Event::InitApply(Watched(pod)) => {
                self.unlisted.remove(&pod.uid().unwrap_or_default());
                self.apply(pod);
            }
            watcher::Event::InitDone => {
                for uid in std::mem::take(&mut self.unlisted) {
                    self.gone(uid);
                }
            }
            watcher::Event::Apply(pod) => self.apply(pod.0),
            watcher::Event::Delete(pod) => self.gone(pod.uid().unwrap_or_default()),
        }
    }

    fn apply(&mut self, pod: Pod) {
        let uid = pod.uid().unwrap_or_default();
        if let Some(worker) = self.workers.get(&uid) {
            worker.send_replace(Some(Arc::new(pod)));
            return;
        }
        let (sender, receiver) = watch::channel(Some(Arc::new(pod)));
        self.workers.insert(uid.clone(), sender);
        let kubelet = self.kubelet.clone();
        self.tasks.spawn(async move {
            worker::run(kubelet, receiver).await;
            uid
        });
    }

    fn gone(&mut self, uid: String) {
        match self.workers.get(&uid) {
            Some(worker) => drop(worker.send_replace(None)),
            None => {
                let dir = self.kubelet.options.dir.clone();
                self.tasks.spawn(async move {
                    adoption::clear(&dir, &uid).await;
                    uid
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_api_server_of_this_machine_may_run_pods_here() {
        let allowed = |url: &str| check_loopback(&Config::new(url.parse().unwrap())).is_ok();
        for url in [
            "https://127.0.0.1:6443",
            "https://127.1.2.3",
            "https://[::1]:6443",
            "https://localhost",
        ] {
            assert!(allowed(url), "{url}");
        }
        for url in [
            "https://10.0.0.1",
            "https://localhost.example.com",
            "https://0.0.0.0",
            "https://[fe80::1]",
        ] {
            assert!(!allowed(url), "{url}");
        }
    }

    #[tokio::test]
    async fn a_kubelet_that_is_about_to_end_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let last = folder_of_its_own(folder.path()).await.unwrap();
        let ending = async {
            sleep(Duration::from_millis(30)).await;
            drop(last);
        };
        let (next, ()) = tokio::join!(folder_of_its_own(folder.path()), ending);
        next.expect("the folder is free");
    }
}
