//! Which cluster a command acts on.

use std::path::PathBuf;

use kube::Client;

use crate::{ToolSet, cluster_client};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(super) struct ClusterArgs {
    /// Use a cluster on this machine, which is started if it does not run
    #[cfg(feature = "local")]
    #[arg(long, env = "KUBEFLOW_MCP_LOCAL", conflicts_with_all = ["kubeconfig", "context"])]
    local: bool,
    #[cfg(feature = "local")]
    #[command(flatten)]
    home: super::local::HomeArgs,
    /// The kubeconfig to use, instead of KUBECONFIG or ~/.kube/config
    #[arg(long, env = "KUBEFLOW_MCP_KUBECONFIG", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context to use, instead of its current one
    #[arg(long, env = "KUBEFLOW_MCP_CONTEXT", value_name = "NAME")]
    context: Option<String>,
}

impl ClusterArgs {
    pub(super) fn local(&self) -> bool {
        #[cfg(feature = "local")]
        return self.local;
        #[cfg(not(feature = "local"))]
        return false;
    }

    /// Starts the cluster on this machine, if that is meant and it does not run.
    pub(super) async fn start(&self, sets: &[&'static ToolSet]) -> anyhow::Result<()> {
        #[cfg(feature = "local")]
        if self.local {
            self.home.home()?.start(sets).await?;
        }
        let _ = sets;
        Ok(())
    }

    /// A client of that cluster, connected when it is first used.
    pub(super) async fn client(self, sets: &[&'static ToolSet]) -> anyhow::Result<Client> {
        #[cfg(feature = "local")]
        if self.local {
            return Ok(self.home.home()?.client(sets)?);
        }
        let _ = sets;
        Ok(cluster_client(self.kubeconfig.as_deref(), self.context.as_deref()).await?)
    }
}
