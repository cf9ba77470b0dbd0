//! The folder of one run of a container: what its supervisor and the kubelet tell each other.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// What a supervisor is told on its standard input, so that no secret of it is written to disk.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) argv: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) directory: PathBuf,
    /// Bytes; the processes are killed when they use more.
    pub(super) memory_limit: Option<u64>,
    /// Bytes after which the log is begun anew, the part before it kept once.
    pub(super) log_limit: u64,
}

/// A process that has been started, and by which it is known again when ids are reused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Started {
    pub(super) pid: u32,
    /// Seconds since the epoch, as the system counts them.
    pub(super) birth: u64,
    pub(super) at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Ended {
    pub(super) exit_code: i32,
    pub(super) signal: Option<i32>,
    /// As in a container's terminated state: `Completed`, `Error`, `OOMKilled`, `StartError`.
    pub(super) reason: String,
    pub(super) message: Option<String>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Timestamp,
}

/// What has become of a run.
#[derive(Debug)]
pub(super) enum Observed {
    /// No process was ever started for it, and none will be unless a supervisor is.
    Unstarted,
    /// Its supervisor lives; there is no process yet when it holds nothing.
    Running(Option<Started>),
    Ended(Ended),
    /// Its supervisor was killed and its exit code is lost; what it started may still live.
    Orphaned(Option<Started>),
}

#[derive(Clone, Debug)]
pub(super) struct Run(PathBuf);

impl Run {
    pub(super) fn at(folder: PathBuf) -> Self {
        Self(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder. It is the decision to run: whoever finds it there already must not.
    pub(super) fn decide(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    /// Whether somebody has removed the folder, and with it all that the run was for.
    pub(super) fn is_gone(&self) -> bool {
        fs::metadata(&self.0).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    pub(super) fn observe(&self) -> io::Result<Observed> {
        if let Some(ended) = self.ended()? {
            return Ok(Observed::Ended(ended));
        }
        let lock = self.lock_file()?;
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Ok(Observed::Running(self.started()?)),
            Err(TryLockError::Error(error)) => Err(error),
            // Read again: the supervisor may have finished between the two looks.
            Ok(()) => Ok(match self.ended()? {
                Some(ended) => Observed::Ended(ended),
                None if self.file("begun").exists() => Observed::Orphaned(self.started()?),
                None => Observed::Unstarted,
            }),
        }
    }

    /// Waits until no other supervisor has the run, then claims it: `None` when it was begun before.
    pub(super) fn claim(&self) -> io::Result<Option<File>> {
        let lock = self.lock_file()?;
        lock.lock()?;
        match File::create_new(self.file("begun")) {
            Ok(_) => Ok(Some(lock)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn started(&self) -> io::Result<Option<Started>> {
        read(&self.file("started.json"))
    }

    pub(super) fn ended(&self) -> io::Result<Option<Ended>> {
        read(&self.file("ended.json"))
    }

    /// The seconds that the processes get after they were asked to stop, if they were.
    pub(super) fn stop_requested(&self) -> io::Result<Option<u64>> {
        read(&self.file("stop.json"))
    }

    pub(super) fn write_started(&self, started: &Started) -> io::Result<()> {
        self.write("started.json", started)
    }

    pub(super) fn write_ended(&self, ended: &Ended) -> io::Result<()> {
        self.write("ended.json", ended)
    }

    pub(super) fn request_stop(&self, grace_seconds: u64) -> io::Result<()> {
        self.write("stop.json", &grace_seconds)
    }

    pub(super) fn log(&self) -> PathBuf {
        self.file("log")
    }

    /// What stands for the container's termination message path.
    pub(super) fn termination_message(&self) -> PathBuf {
        self.file("termination-message")
    }

    /// The part of the log before the current one.
    pub(super) fn earlier_log(&self) -> PathBuf {
        self.file("log.1")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn lock_file(&self) -> io::Result<File> {
        File::options().create(true).truncate(false).write(true).open(self.file("lock"))
    }

    fn write(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        write_whole(&self.file(name), &serde_json::to_vec(value)?)
    }
}

/// Writes a file that others see either as it was or complete.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(serde_json::from_slice(&content)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
