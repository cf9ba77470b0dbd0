//! A local cluster that runs: where it is, and what goes on in it.

use std::{fmt, io, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, Config, api::ListParams, client::ClientBuilder, config::Kubeconfig};
use local_kube::http::AUTHORITY;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{Home, build::Build};

/// How long a living daemon may take to answer, on a machine whose processors are all busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a daemon writes of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub pid: u32,
    pub started: Timestamp,
    #[serde(flatten)]
    pub(crate) build: Build,
}

/// A daemon that lives and answers.
pub struct Running {
    pub record: Record,
    pub client: Client,
}

/// How many Pods have not ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pods {
    pub running: usize,
    pub pending: usize,
}

impl Record {
    pub(super) fn own(build: Build) -> Self {
        Self { pid: std::process::id(), started: Timestamp::now(), build }
    }

    pub fn version(&self) -> &str {
        &self.build.version
    }

    pub(super) fn ask_to_end(&self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    pub(super) fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        match pid.map(|pid| kill_process(pid, signal)) {
            // It has ended by itself in the meantime.
            None | Some(Ok(()) | Err(rustix::io::Errno::SRCH)) => Ok(()),
            Some(Err(error)) => Err(error.into()),
        }
    }
}

impl Running {
    /// The daemon of `record`, if it answers.
    pub(super) async fn connect(record: Record, home: &Home) -> Option<Self> {
        let client = client(home)?;
        let answer = timeout(PATIENCE, client.apiserver_version()).await;
        match answer {
            Ok(Ok(_)) => Some(Self { record, client }),
            _ => None,
        }
    }

    pub async fn pods(&self) -> Result<Pods, kube::Error> {
        let pods = Api::<Pod>::all(self.client.clone()).list(&ListParams::default()).await?;
        let phases = pods.iter().map(|it| it.status.as_ref()?.phase.as_deref());
        let mut counted = Pods::default();
        for phase in phases {
            match phase {
                Some("Running") => counted.running += 1,
                Some("Succeeded" | "Failed") => {}
                _ => counted.pending += 1,
            }
        }
        Ok(counted)
    }
}

/// kube's own way from a kubeconfig to a client asks the environment for a proxy, and fails where it
/// does not like `NO_PROXY`: here no proxy is on the way, whatever the environment says.
fn client(home: &Home) -> Option<Client> {
    let kubeconfig = Kubeconfig::read_from(home.kubeconfig()).ok()?;
    let cluster = kubeconfig.clusters.into_iter().next()?.cluster?;
    let mut config = Config::new(cluster.server?.parse().ok()?);
    config.auth_info = kubeconfig.auth_infos.into_iter().next()?.auth_info?;
    // The cluster's own authority, and none of this machine's: those are many.
    config.root_cert = Some(Vec::new());
    config.root_cert_file = Some(home.tls().join(AUTHORITY));
    config.default_retry = false;
    Some(ClientBuilder::try_from(config).ok()?.build())
}

impl Pods {
    pub fn busy(self) -> bool {
        self.running + self.pending > 0
    }
}

/// As in `2 running and 1 pending Pods`.
impl fmt::Display for Pods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { running, pending } = self;
        write!(f, "{running} running and {pending} pending Pods")
    }
}
