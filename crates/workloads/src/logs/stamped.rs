//! The end of a log with the time of each line, for what is concluded from pauses and order.

use std::pin::pin;

use futures::{AsyncBufRead, AsyncBufReadExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::LogParams};
use kubeflow_mcp_core::Result;
use tokio::time::{Instant, timeout_at};

use super::{READ_WITHIN, lines::Lines};

/// A line of a log, with the time at which it was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    pub at: Option<Timestamp>,
    pub text: &'a str,
}

/// Enough for a traceback of every process of a rank.
const LINES: i64 = 400;
const FEWER_LINES: i64 = 40;
/// The API server counts from the first of the lines, so more would cut off the end.
const BYTES: i64 = 1 << 20;

impl<'a> Line<'a> {
    /// A line as it stands behind its time; it may have none.
    pub fn of(line: &'a str) -> Self {
        let (time, text) = line.split_once(' ').unwrap_or((line, ""));
        match time.parse() {
            Ok(at) => Self { at: Some(at), text },
            Err(_) => Self { at: None, text: line },
        }
    }
}

/// The last lines of a container's log, each behind its time and a space; of the container before its
/// last restart where that is asked for.
pub async fn stamped(
    pods: &Api<Pod>,
    pod: &str,
    container: &str,
    previous: bool,
) -> Result<String> {
    let mut text = String::new();
    for lines in [LINES, FEWER_LINES, 1] {
        let parameters = LogParams {
            container: Some(container.to_owned()),
            previous,
            timestamps: true,
            tail_lines: Some(lines),
            limit_bytes: Some(BYTES),
            ..LogParams::default()
        };
        let stream = pods.log_stream(pod, &parameters).await?;
        let read;
        (text, read) = drain(stream).await;
        if read < BYTES {
            break;
        }
    }
    Ok(text)
}

/// The lines that could be read in time, and how many bytes there were.
async fn drain(stream: impl AsyncBufRead) -> (String, i64) {
    let mut stream = pin!(stream);
    let (mut lines, mut text, mut read) = (Lines::default(), String::new(), 0_i64);
    let mut keep = |line: String| {
        text += &line;
        text.push('\n');
    };
    let deadline = Instant::now() + READ_WITHIN;
    // A connection that breaks off, or is slow, has still given the beginning.
    while let Ok(Ok(bytes)) = timeout_at(deadline, stream.fill_buf()).await {
        if bytes.is_empty() {
            break;
        }
        lines.push(bytes, &mut keep);
        let length = bytes.len();
        read = read.saturating_add(i64::try_from(length).unwrap_or(i64::MAX));
        stream.as_mut().consume(length);
    }
    lines.finish(&mut keep);
    (text, read)
}
