//! Reads a container's log from the kubelet's folder, as the `pods/log` subresource shows it.

use std::{
    io::{self, SeekFrom},
    os::unix::fs::MetadataExt,
    path::Path,
    time::Duration,
};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::core::Status;
use tokio::{
    fs::File,
    io::{AsyncReadExt, AsyncSeekExt},
};

use super::{
    log_entries::{Entries, Wanted},
    log_query::LogQuery,
    run::{Observed, Run},
};
use crate::status;

/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The log that `query` asks for, of a Pod as the API server knows it; `None` while it has no node. `dir` is the kubelet's folder.
pub async fn read(
    dir: &Path,
    pod: &Pod,
    query: &LogQuery,
) -> Result<Option<BoxStream<'static, io::Result<Bytes>>>, Box<Status>> {
    let container = query.container(pod)?;
    let Some(run) = run(dir, pod, &container, query.previous)? else {
        return Ok(None);
    };
    let wanted = query.wanted();
    let followed = query.follow;
    let (mut log, shown) = Log::open(run, wanted).await.map_err(|error| internal(&error))?;
    let first = stream::once(async move { Ok(shown) });
    if !followed {
        return Ok(Some(first.boxed()));
    }
    log.more = true;
    let rest = stream::unfold(log, |mut log| async move {
        match log.next().await {
            Ok(Some(bytes)) => Some((Ok(bytes), log)),
            Ok(None) => None,
            Err(error) => {
                log.more = false;
                Some((Err(error), log))
            }
        }
    });
    Ok(Some(first.chain(rest).boxed()))
}

/// The end of a run's log, as far as it fits a container's termination message.
pub(super) fn last_words(run: &Run) -> Option<String> {
    let log = std::fs::read(run.log()).ok()?;
    let wanted = Wanted { tail_lines: Some(80), ..Wanted::default() };
    let shown = Entries::new(wanted).first(&log);
    let end = &shown[shown.len().saturating_sub(2048)..];
    Some(String::from_utf8_lossy(end).into_owned()).filter(|words| !words.is_empty())
}

/// Which run's log is meant; `None` while the Pod has no node. Only one whose container id the status shows counts.
fn run(dir: &Path, pod: &Pod, container: &str, previous: bool) -> Result<Option<Run>, Box<Status>> {
    if pod.spec.as_ref().is_none_or(|spec| spec.node_name.is_none()) {
        return Ok(None);
    }
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let status = pod.status.as_ref();
    let statuses = [
        status.and_then(|status| status.container_statuses.as_deref()),
        status.and_then(|status| status.init_container_statuses.as_deref()),
    ];
    let found = statuses.into_iter().flatten().flatten().find(|status| status.name == container);
    let state = found.and_then(|status| status.state.as_ref());
    let last = found.and_then(|status| status.last_state.as_ref()?.terminated.as_ref());
    let last_id = last.and_then(|last| last.container_id.as_deref());
    let id = if previous {
        Some(last_id.ok_or_else(|| {
            let missing = "previous terminated container";
            status::bad_request(format!("{missing} {container:?} in pod {name:?} not found"))
        })?)
    } else {
        let running = state.filter(|state| state.running.is_some());
        let ended = state.and_then(|state| state.terminated.as_ref()?.container_id.as_deref());
        running.and(found).and_then(|status| status.container_id.as_deref()).or(ended).or(last_id)
    };
    let Some(id) = id else {
        let waiting = state.and_then(|state| state.waiting.as_ref()?.reason.as_deref());
        let reason = waiting.unwrap_or("ContainerCreating");
        return Err(status::bad_request(format!(
            "container {container:?} in pod {name:?} is waiting to start: {reason}"
        )));
    };
    let attempt = id.rsplit('/').next().and_then(|attempt| attempt.parse::<u32>().ok());
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    let folder = attempt.map(|attempt| super::folder::run(dir, uid, container, attempt));
    match folder {
        Some(folder) if folder.is_dir() => Ok(Some(Run::at(folder))),
        _ => Err(status::bad_request(format!(
            "container {container:?} in pod {name:?} has no log on this machine"
        ))),
    }
}

fn internal(error: &io::Error) -> Box<Status> {
    status::internal(format!("the log could not be read: {error}"))
}

/// A log being read: what was shown of it, and where to go on.
struct Log {
    run: Run,
    file: Option<File>,
    entries: Entries,
    more: bool,
}

impl Log {
    /// Opens the log and reads what it holds now.
    async fn open(run: Run, wanted: Wanted) -> io::Result<(Self, Bytes)> {
        let mut content = tokio::fs::read(run.earlier_log()).await.unwrap_or_default();
        let mut file = existing(File::open(run.log()).await)?;
        if let Some(file) = &mut file {
            file.read_to_end(&mut content).await?;
        }
        let mut entries = Entries::new(wanted);
        let shown = entries.first(&content);
        Ok((Self { run, file, entries, more: false }, shown.into()))
    }

    /// What has been written since; `None` when nothing will come any more.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while self.more && !self.entries.exhausted() {
            // Looked at before the file is read: what is written before the end is then not missed.
            let over = !matches!(self.run.observe()?, Observed::Running(_) | Observed::Unstarted);
            let mut written = Vec::new();
            if let Some(file) = &mut self.file {
                file.read_to_end(&mut written).await?;
            }
            if self.rotated().await? {
                let mut file = File::open(self.run.log()).await?;
                file.seek(SeekFrom::Start(0)).await?;
                file.read_to_end(&mut written).await?;
                self.file = Some(file);
            }
            self.more = !over;
            let shown = self.entries.shown(&written);
            if !shown.is_empty() {
                return Ok(Some(shown.into()));
            }
            if !over {
                tokio::time::sleep(LOOK).await;
            }
        }
        Ok(None)
    }

    /// Whether the log's name now belongs to another file than the one being read.
    async fn rotated(&self) -> io::Result<bool> {
        let Some(current) = existing(tokio::fs::metadata(self.run.log()).await)? else {
            return Ok(false);
        };
        match &self.file {
            Some(file) => Ok(file.metadata().await?.ino() != current.ino()),
            None => Ok(true),
        }
    }
}

fn existing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
