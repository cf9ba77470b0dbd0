//! A cluster on this machine: the API, the controllers of each tool set, and a kubelet.

mod build;
mod daemon;
mod home;
mod running;

use std::{ffi::OsString, path::Path};

use kube::Client;
use local_kube::{LocalKube, Options, State, kubelet};
use tokio::task::JoinSet;

pub use self::{
    daemon::run as run_daemon,
    home::{Home, HomeError},
    running::{Pods, Running},
};
use crate::ToolSet;

/// This machine, as its cluster calls it.
const NODE: &str = "localhost";

/// The cluster in this process, for as long as the value lives.
pub struct LocalCluster {
    kube: LocalKube,
    _controllers: JoinSet<()>,
}

impl LocalCluster {
    /// A cluster that is gone with the value, and runs no Pods.
    pub fn in_memory(sets: &[&'static ToolSet]) -> anyhow::Result<Self> {
        Self::assemble(sets, State::Memory, None)
    }

    /// A cluster that keeps its state in `folder`, and runs Pods there under `supervisor`, a program
    /// with its arguments.
    pub fn in_folder(
        sets: &[&'static ToolSet],
        folder: &Path,
        supervisor: Vec<OsString>,
    ) -> anyhow::Result<Self> {
        let state = State::File(folder.join("state.sqlite"));
        Self::assemble(sets, state, Some((folder, supervisor)))
    }

    /// A cluster whose state is gone with the value, while its Pods run in `folder`.
    pub fn in_memory_with_pods(
        sets: &[&'static ToolSet],
        folder: &Path,
        supervisor: Vec<OsString>,
    ) -> anyhow::Result<Self> {
        Self::assemble(sets, State::Memory, Some((folder, supervisor)))
    }

    fn assemble(
        sets: &[&'static ToolSet],
        state: State,
        pods: Option<(&Path, Vec<OsString>)>,
    ) -> anyhow::Result<Self> {
        let components: Vec<_> = sets.iter().filter_map(|set| set.local.as_ref()).collect();
        let kube = LocalKube::open(Options {
            state,
            crds: components.iter().flat_map(|it| (it.crds)()).collect(),
            objects: components.iter().flat_map(|it| (it.objects)()).collect(),
            admit: components.iter().map(|it| it.admit).collect(),
            pods: pods.as_ref().map(|(folder, _)| folder.to_path_buf()),
        })?;
        let mut controllers = JoinSet::new();
        for component in components {
            controllers.spawn((component.run)(kube.client()));
        }
        let generic = kube.clone();
        controllers.spawn(async move { generic.run().await });
        if let Some((folder, supervisor)) = pods {
            let mut options = kubelet::Options::new(NODE, folder.to_owned(), supervisor);
            if let Some(cache) = home::cache() {
                options.environments = cache.join("environments");
            }
            let client = kube.client();
            controllers.spawn(async move {
                if let Err(error) = kubelet::run(client, options).await {
                    tracing::error!(%error, "Pods cannot run");
                }
            });
        }
        Ok(Self { kube, _controllers: controllers })
    }

    /// A client that acts as the administrator.
    pub fn client(&self) -> Client {
        self.kube.client()
    }

    pub fn kube(&self) -> &LocalKube {
        &self.kube
    }
}
