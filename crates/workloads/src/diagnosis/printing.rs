//! What a program printed, in whichever container's log it is found.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use super::snapshot::{Exit, PodLog, Rank};
use crate::logs::{self, Line};

/// Where what a program prints can be read.
#[derive(Clone, Copy, Debug)]
pub struct Printing<'a> {
    /// The container that the workload is there for.
    pub container: &'a str,
    /// A container beside it that prints what the program does, whose own log is empty then.
    pub relay: Option<Relay>,
}

#[derive(Clone, Copy, Debug)]
pub struct Relay {
    pub container: &'static str,
    /// What the program has printed in a line of the relay, if it is not the relay's own.
    pub line: fn(&str) -> Option<&str>,
}

/// A log that is to be read.
pub(super) struct Wanted<'a> {
    pub(super) rank: Rank<'a>,
    pub(super) container: String,
    previous: bool,
    /// Who prints for it.
    relay: Option<Relay>,
    /// When a container ended that may have been started again meanwhile.
    ended: Option<Timestamp>,
}

impl<'a> Wanted<'a> {
    pub(super) fn of_exit(rank: Rank<'a>, exit: Exit, printing: Printing<'_>) -> Self {
        let policy = rank.pod.spec.as_ref().and_then(|it| it.restart_policy.as_deref());
        let ended = exit.at.filter(|_| !exit.restarted && policy != Some("Never"));
        let wanted = Self::of_running(rank, exit.container, printing);
        Self { previous: exit.restarted, ended, ..wanted }
    }

    pub(super) fn of_running(rank: Rank<'a>, container: String, printing: Printing<'_>) -> Self {
        let stands = |it: &Relay| rank.member.container(it.container).is_some();
        let relay = printing.relay.filter(|it| container == printing.container && stands(it));
        Self { rank, container, previous: false, relay, ended: None }
    }

    pub(super) async fn read(&self, pods: &Api<Pod>) -> kubeflow_mcp_core::Result<PodLog> {
        let pod = &self.rank.member.pod;
        let log = |previous, text| PodLog {
            pod: pod.clone(),
            container: self.container.clone(),
            previous,
            text,
        };
        if let Some(relay) = self.relay {
            let text = logs::stamped(pods, pod, relay.container, false).await?;
            return Ok(log(false, relay.printed(&text)));
        }
        let text = logs::stamped(pods, pod, &self.container, self.previous).await?;
        // Of a container that was started again since the Pod was read, it is the new one's.
        if self.ended.is_some_and(|end| is_later(&text, end))
            && let Ok(before) = logs::stamped(pods, pod, &self.container, true).await
        {
            return Ok(log(true, before));
        }
        Ok(log(self.previous, text))
    }
}

impl Relay {
    /// What the program printed, each line still behind its time.
    fn printed(&self, stamped: &str) -> String {
        let line = |it: &str| {
            let (time, text) = it.split_once(' ')?;
            Some(format!("{time} {}\n", (self.line)(text)?))
        };
        stamped.lines().filter_map(line).collect()
    }
}

/// Whether all lines were printed after that time, of which the API tells whole seconds.
fn is_later(log: &str, end: Timestamp) -> bool {
    let printed = log.lines().map(|it| Line::of(it).at);
    !printed.into_iter().any(|at| at.is_none_or(|at| at.as_second() <= end.as_second()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_prints_behind_its_own_words() {
        let relay = Relay {
            container: "collector",
            line: |it| Some(it.strip_prefix('I')?.split_once("] ")?.1),
        };
        let log = "2026-08-21T10:00:00Z I0821 10:00:00.0 7 main.go:1] loss=0.5\n\
            2026-08-21T10:00:01Z I0821 10:00:01.0 7 main.go:1]   File \"train.py\", line 3\n\
            2026-08-21T10:00:01Z F0821 10:00:01.0 7 main.go:2] there is no process\n";
        assert_eq!(
            relay.printed(log),
            "2026-08-21T10:00:00Z loss=0.5\n2026-08-21T10:00:01Z   File \"train.py\", line 3\n"
        );
    }
}
