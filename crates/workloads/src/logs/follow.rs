//! The lines of a log as they are printed.

use std::{collections::VecDeque, pin::Pin};

use futures::{AsyncBufRead, AsyncBufReadExt as _, Stream, StreamExt as _, future::ready, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::LogParams};

use super::lines::Lines;

/// What was printed just before is of interest, too.
const ALREADY_PRINTED: i64 = 20;

struct Follow {
    log: Pin<Box<dyn AsyncBufRead + Send>>,
    lines: Lines,
    ready: VecDeque<String>,
}

/// The lines of a container from now on, each behind its time, until it ends or the connection breaks off. A log that
/// cannot be read has none.
pub fn follow(
    pods: Api<Pod>,
    pod: String,
    container: String,
) -> impl Stream<Item = String> + Send + use<> {
    let open = async move {
        let parameters = LogParams {
            container: Some(container),
            follow: true,
            timestamps: true,
            tail_lines: Some(ALREADY_PRINTED),
            ..LogParams::default()
        };
        let log = Box::pin(pods.log_stream(&pod, &parameters).await.ok()?);
        Some(Follow { log, lines: Lines::default(), ready: VecDeque::new() })
    };
    let lines = |follow| {
        stream::unfold(follow, |mut follow: Follow| async { Some((follow.next().await?, follow)) })
    };
    stream::once(open).filter_map(ready).flat_map(lines)
}

impl Follow {
    async fn next(&mut self) -> Option<String> {
        while self.ready.is_empty() {
            let bytes = self.log.fill_buf().await.ok().filter(|it| !it.is_empty())?;
            let (length, ready) = (bytes.len(), &mut self.ready);
            self.lines.push(bytes, |line| ready.push_back(line));
            self.log.as_mut().consume(length);
        }
        self.ready.pop_front()
    }
}
