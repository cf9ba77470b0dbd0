//! The folder of a user's local cluster, and the one daemon that serves it.

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::FutureExt as _;
use kube::Client;
use local_kube::kubelet;
use tokio::time::{Instant, sleep};

use super::{
    build::Build,
    running::{Record, Running},
};
use crate::{
    ToolSet,
    connection::{self, ConnectError},
};

/// How long a daemon may take to start or to end; on a busy machine it needs a while.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long between two looks at whether a lock is free.
const LOOK: Duration = Duration::from_millis(10);
/// How long between two looks at whether the folder is still there.
const GLANCE: Duration = Duration::from_secs(1);

/// The folder of a local cluster. Only its owner may read it.
#[derive(Clone, Debug)]
pub struct Home(PathBuf);

impl Home {
    /// The folder at `path`, or where this platform keeps the state of a user's programs.
    pub fn find(path: Option<PathBuf>) -> Result<Self, HomeError> {
        if let Some(path) = path {
            return Ok(Self(std::path::absolute(path)?));
        }
        let home = env::home_dir().filter(|it| it.is_absolute()).ok_or(HomeError::NoHome)?;
        let state = match env::var_os("XDG_STATE_HOME").map(PathBuf::from) {
            Some(state) if state.is_absolute() => state,
            _ if cfg!(target_os = "macos") => home.join("Library/Application Support"),
            _ => home.join(".local/state"),
        };
        Ok(Self(state.join("kubeflow-mcp")))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file by which `kubectl` and others reach the cluster.
    pub fn kubeconfig(&self) -> PathBuf {
        self.0.join("kubeconfig")
    }

    /// Where the cluster's certificates are.
    pub(super) fn tls(&self) -> PathBuf {
        self.0.join("tls")
    }

    pub fn log(&self) -> PathBuf {
        self.0.join("daemon.log")
    }

    fn record(&self) -> PathBuf {
        self.0.join("daemon.json")
    }

    /// A client of the cluster, which is found or started when the client is first used, and again
    /// when it has gone without being told to.
    pub fn client(self, sets: &[&'static ToolSet]) -> Result<Client, HomeError> {
        let build = Build::own(sets)?;
        let was_there = Arc::new(AtomicBool::new(false));
        let connect = move || {
            let (home, build, was_there) = (self.clone(), build.clone(), Arc::clone(&was_there));
            async move {
                if was_there.load(Ordering::Relaxed) && home.is_stopped() {
                    return Err(ConnectError(HomeError::Stopped.to_string()));
                }
                let running =
                    home.ensure(&build).await.map_err(|it| ConnectError(it.to_string()))?;
                was_there.store(true, Ordering::Relaxed);
                Ok(running.client)
            }
            .boxed()
        };
        Ok(connection::lazily(connect, "default".to_owned(), true))
    }

    /// The daemon, found or started.
    pub async fn start(&self, sets: &[&'static ToolSet]) -> Result<Running, HomeError> {
        self.ensure(&Build::own(sets)?).await
    }

    async fn ensure(&self, build: &Build) -> Result<Running, HomeError> {
        self.create()?;
        if let Some(running) = self.running().await?
            && !build.supersedes(&running.record.build)
        {
            return Ok(running);
        }
        // Two that start at once make one daemon: the second waits here, and then finds it.
        let _starting = lock(&self.0.join("start.lock")).await?;
        if let Some(running) = self.running().await? {
            if !build.supersedes(&running.record.build) {
                return Ok(running);
            }
            let pods = running.pods().await?;
            if pods.busy() {
                tracing::warn!(
                    "the local cluster runs version {} until its {pods} have ended",
                    running.record.build.version
                );
                return Ok(running);
            }
            tracing::info!("replacing the idle local cluster of another build");
            self.end(&running.record).await?;
        } else if let Some(record) = self.record_of_living()? {
            tracing::warn!(pid = record.pid, "the local cluster does not answer: restarting it");
            self.end(&record).await?;
        }
        super::daemon::spawn(self, build).await?;
        self.running().await?.ok_or_else(|| HomeError::Silent(self.log()))
    }

    /// The daemon, if one lives and answers.
    pub async fn running(&self) -> Result<Option<Running>, HomeError> {
        let Some(record) = self.record_of_living()? else { return Ok(None) };
        Ok(Running::connect(record, self).await)
    }

    /// What the living daemon wrote of itself. A dead one's record says nothing: its process number
    /// may be another's by now.
    fn record_of_living(&self) -> Result<Option<Record>, HomeError> {
        let text = match fs::read(self.record()) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let lock = open_private(&self.lock_file(), OpenOptions::new().read(true))?;
        match lock.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(serde_json::from_slice(&text).ok()),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Ends the daemon, if one lives, until it is started again. What runs in its Pods goes on.
    pub async fn stop(&self) -> Result<bool, HomeError> {
        let Some(record) = self.record_of_living()? else { return Ok(false) };
        // Servers that still use it would start it again at once.
        write_private(&self.stopped(), b"")?;
        self.end(&record).await?;
        Ok(true)
    }

    fn stopped(&self) -> PathBuf {
        self.0.join("stopped")
    }

    /// Whether the cluster was stopped or deleted on purpose.
    fn is_stopped(&self) -> bool {
        self.stopped().exists() || !self.0.exists()
    }

    /// Ends the daemon and all that runs in its Pods, and removes the folder.
    pub async fn delete(&self) -> Result<(), HomeError> {
        if !self.0.exists() {
            return Ok(());
        }
        let _starting = lock(&self.0.join("start.lock")).await?;
        let deadline = Instant::now() + PATIENCE;
        // Whoever was starting it may have gone, while it starts nevertheless.
        let _own = loop {
            self.stop().await?;
            let own = open_private(&self.lock_file(), OpenOptions::new().read(true))?;
            match own.try_lock() {
                Ok(()) => break own,
                Err(TryLockError::Error(error)) => return Err(error.into()),
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                    return Err(HomeError::Locked(self.lock_file()));
                }
                Err(TryLockError::WouldBlock) => sleep(LOOK).await,
            }
        };
        kubelet::clear(&self.0).await?;
        Ok(fs::remove_dir_all(&self.0)?)
    }

    async fn end(&self, record: &Record) -> Result<(), HomeError> {
        record.ask_to_end()?;
        let deadline = Instant::now() + PATIENCE / 4;
        while self.record_of_living()?.is_some() {
            if Instant::now() > deadline {
                record.kill()?;
            }
            if Instant::now() > deadline + PATIENCE {
                return Err(HomeError::Undying(record.pid));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until somebody removes the folder behind our back.
    pub(super) async fn removed(&self) {
        while self.0.exists() {
            sleep(GLANCE).await;
        }
    }

    pub(super) fn create(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)
    }

    /// What a daemon holds for as long as it lives.
    pub(super) async fn own(&self) -> Result<File, HomeError> {
        self.create()?;
        lock(&self.lock_file()).await
    }

    /// Says where the cluster is reached, to those who look for it from now on.
    pub(super) fn publish(&self, record: &Record, kubeconfig: &str) -> io::Result<()> {
        if let Err(error) = fs::remove_file(self.stopped())
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        write_private(&self.kubeconfig(), kubeconfig.as_bytes())?;
        write_private(&self.record(), &serde_json::to_vec_pretty(record)?)
    }

    pub(super) fn withdraw(&self) -> io::Result<()> {
        fs::remove_file(self.record())
    }

    fn lock_file(&self) -> PathBuf {
        self.0.join("daemon.lock")
    }
}

/// Where this platform keeps what a user's programs can make again.
pub(super) fn cache() -> Option<PathBuf> {
    let home = env::home_dir().filter(|it| it.is_absolute())?;
    let cache = match env::var_os("XDG_CACHE_HOME").map(PathBuf::from) {
        Some(cache) if cache.is_absolute() => cache,
        _ if cfg!(target_os = "macos") => home.join("Library/Caches"),
        _ => home.join(".cache"),
    };
    Some(cache.join("kubeflow-mcp"))
}

/// Waits until nobody else holds the lock.
async fn lock(path: &Path) -> Result<File, HomeError> {
    let file = open_private(path, OpenOptions::new().read(true))?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                return Err(HomeError::Locked(path.to_owned()));
            }
            Err(TryLockError::WouldBlock) => sleep(LOOK).await,
        }
    }
}

/// Opens a file that only its owner may read, and makes it where it does not exist.
pub(super) fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.append(true).create(true).mode(0o600).open(path)
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(content)?;
    file.persist(path)?;
    Ok(())
}

/// Why there is no local cluster.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    #[error("there is no home folder to keep a local cluster in: name one with --local-dir DIR")]
    NoHome,
    #[error("the local cluster's folder cannot be used: {0}")]
    Folder(#[from] io::Error),
    #[error("{} has been locked by another process for {} s", .0.display(), PATIENCE.as_secs())]
    Locked(PathBuf),
    #[error("the local cluster did not start: {problem}")]
    NotStarted { problem: String },
    #[error("the local cluster started but does not answer; its log is {}", .0.display())]
    Silent(PathBuf),
    #[error("the local cluster was stopped: `local start` starts it again")]
    Stopped,
    #[error("the local cluster's process {0} does not end")]
    Undying(u32),
    #[error("what runs in its Pods could not be ended: {0}")]
    Pods(#[from] kubelet::Error),
    #[error("the local cluster does not answer: {0}")]
    Unreachable(#[from] kube::Error),
}
