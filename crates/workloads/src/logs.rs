//! The log of a container: its end, or what a search finds in it, read with bounded memory.

mod excerpt;
mod follow;
mod lines;
mod stamped;

use std::{pin::pin, time::Duration};

use futures::{AsyncBufRead, AsyncBufReadExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::LogParams};
use kubeflow_mcp_core::{Error, Resource, Result, Sign};
use regex::Regex;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use self::{excerpt::Excerpt, lines::Lines};
pub use self::{
    excerpt::pattern,
    follow::follow,
    stamped::{Line, stamped},
};
use crate::pods::{Container, Member};

pub const POD_LOGS: Resource = Resource::namespaced("", "pods/log");

/// What the API server asked a kubelet for in vain. Both of the tests' clusters reach theirs.
pub const NODE_OUT_OF_REACH: Sign =
    Sign::documented("/containerLogs/", "k8s.io/kubernetes pkg/registry/core/pod/strategy.go");

/// Which part of a log is wanted.
#[derive(Clone, Debug)]
pub struct Query {
    /// At most so many lines, from the end.
    pub tail: u32,
    pub since_seconds: Option<i64>,
    /// Only what matches, with its surroundings.
    pub search: Option<Regex>,
    /// Of the container before its last restart; by itself where only that one has a log.
    pub previous: Option<bool>,
}

/// The log of a container, or why there is none.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Log {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub container: String,
    /// Whether it is of the container that runs, or of the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The lines, oldest first; the end of the log is what is kept.
    pub text: String,
    /// How many lines are shown.
    pub lines: usize,
    /// How many lines the search found; the last of them are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<usize>,
    /// How many lines were read and not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub omitted_lines: Option<usize>,
    /// What else is worth knowing of this log: why it is empty, or ends early.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    Current,
    /// Of the container before its last restart.
    Previous,
}

/// A search looks at so much of the end of a log.
const WINDOW_LINES: i64 = 100_000;
const WINDOW_BYTES: i64 = 32 << 20;
const READ_WITHIN: Duration = Duration::from_secs(30);
/// At most 1,800 tokens; who asks for more lines than a hundred gets more, up to the second bound.
const CHARACTERS: usize = 4_000;
const MOST_CHARACTERS: usize = 24_000;

/// How many seconds `10m` are, which argument `since` says.
pub fn seconds(since: &str) -> Result<i64> {
    let (number, unit) = match since.strip_suffix(|it: char| it.is_ascii_alphabetic()) {
        Some(number) => (number, &since[number.len()..]),
        None => (since, "s"),
    };
    let scale = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => 0,
    };
    let seconds = number.parse::<u32>().ok().map(|it| i64::from(it) * scale);
    seconds.filter(|it| *it > 0).ok_or_else(|| {
        Error::argument("since", format!("is {since:?}, but a time span looks like 30s, 10m or 2h"))
    })
}

/// The container that does the work: `usual`, or the first that is no init container.
pub fn container<'a>(member: &'a Member, usual: &str) -> Result<&'a Container> {
    let works = member.containers.iter().find(|it| !it.init);
    member.container(usual).or(works).ok_or_else(|| Error::NotFound {
        kind: "container",
        name: usual.to_owned(),
        namespace: member.pod.clone(),
    })
}

/// Reads the log of one container of a Pod. That there is none is a result and not an error.
pub async fn read(pods: &Api<Pod>, pod: &str, container: &Container, query: &Query) -> Result<Log> {
    let restarted = container.restarts > 0;
    let sources: &[Source] = match query.previous {
        Some(true) => &[Source::Previous],
        None if restarted && container.waiting => &[Source::Previous, Source::Current],
        None if restarted => &[Source::Current, Source::Previous],
        _ => &[Source::Current],
    };
    let mut log = Log { container: container.name.clone(), ..Log::default() };
    for &source in sources {
        let Some(excerpt) = window(pods, pod, source, query, &mut log).await? else { continue };
        if excerpt.seen == 0 && source != sources[sources.len() - 1] {
            continue;
        }
        let hidden = excerpt.dropped;
        log.source = Some(source);
        log.lines = excerpt.shown();
        log.matches = query.search.as_ref().map(|_| excerpt.matches);
        log.omitted_lines = Some(hidden).filter(|it| *it > 0);
        if excerpt.seen == 0 {
            log.notes.push("the log is empty".to_owned());
        }
        log.text = excerpt.text();
        break;
    }
    if log.source.is_some() && restarted {
        let restarts = container.restarts;
        let other = if log.source == Some(Source::Current) { "true" } else { "false" };
        log.notes.push(format!("restarts: {restarts}; previous={other} reads the other log"));
    }
    Ok(log)
}

/// Reads the end of the log; less of it when its lines are so long that the end is out of reach.
async fn window<'a>(
    pods: &Api<Pod>,
    pod: &str,
    source: Source,
    query: &'a Query,
    log: &mut Log,
) -> Result<Option<Excerpt<'a>>> {
    let wanted = if query.search.is_some() { WINDOW_LINES } else { i64::from(query.tail) };
    let mut lines = wanted;
    loop {
        let parameters = LogParams {
            container: Some(log.container.clone()),
            previous: source == Source::Previous,
            since_seconds: query.since_seconds,
            tail_lines: Some(lines),
            limit_bytes: Some(WINDOW_BYTES),
            ..LogParams::default()
        };
        let stream = match pods.log_stream(pod, &parameters).await {
            Ok(stream) => stream,
            // The API server's word for a log that does not exist yet, or no longer.
            Err(kube::Error::Api(status)) if status.code == 400 => {
                log.notes.push(status.message.clone());
                return Ok(None);
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {
                log.notes.push(format!("Pod {pod:?} has just been removed, and its log with it"));
                return Ok(None);
            }
            Err(kube::Error::Api(status)) if status.message.contains(NODE_OUT_OF_REACH.name) => {
                let why = status.message;
                log.notes.push(format!("the API server cannot read it from the Pod's node: {why}"));
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let tail = query.tail as usize;
        let characters = (tail * 40).clamp(CHARACTERS, MOST_CHARACTERS);
        let mut excerpt = Excerpt::new(query.search.as_ref(), tail, characters);
        let end = drain(stream, &mut excerpt).await;
        if end == End::Limit && lines > 1 {
            lines = (lines / 16).max(1);
            continue;
        }
        if lines < wanted && query.search.is_some() {
            log.notes.push(format!("only the last {lines} lines were searched"));
        }
        log.notes.extend(end.note());
        return Ok(Some(excerpt));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Limit,
    Broken,
    Slow,
}

impl End {
    fn note(self) -> Option<String> {
        let note = match self {
            Self::Complete => return None,
            Self::Limit => "the last line is longer than 32 MiB, and its end is not shown",
            Self::Broken => "the connection broke off before the end of the log",
            Self::Slow => "reading was given up after 30 s, before the end of the log",
        };
        Some(note.to_owned())
    }
}

async fn drain(stream: impl AsyncBufRead, excerpt: &mut Excerpt<'_>) -> End {
    let mut stream = pin!(stream);
    let mut lines = Lines::default();
    let mut read = 0_i64;
    let deadline = Instant::now() + READ_WITHIN;
    let end = loop {
        let bytes = match timeout_at(deadline, stream.fill_buf()).await {
            Ok(Ok([])) if read >= WINDOW_BYTES => break End::Limit,
            Ok(Ok([])) => break End::Complete,
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) => break End::Broken,
            Err(_) => break End::Slow,
        };
        lines.push(bytes, |line| excerpt.push(line));
        let length = bytes.len();
        read = read.saturating_add(i64::try_from(length).unwrap_or(i64::MAX));
        stream.as_mut().consume(length);
    };
    lines.finish(|line| excerpt.push(line));
    end
}

#[cfg(test)]
mod tests;
